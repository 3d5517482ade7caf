"""Hard hats and caps as rigid meshes. Origin is the head's centre, metres, the person faces -Y, the rim is at z = 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safetygear_scenes.mesh import Faces, Vertices

HelmetShape = Literal["peak", "full-brim", "climbing"]
_AROUND = 48
_DOME = 12
_LINER = 6


@dataclass(frozen=True)
class HeadSize:
    """In the rest pose. `half_x`, `half_y`: of the skull."""

    top: float
    centre: Vertices
    half_x: float
    half_y: float


@dataclass(frozen=True)
class Hat:
    """`inside`: per face, whether it is the dark lining."""

    vertices: Vertices
    faces: Faces
    inside: NDArray[np.bool_]


def helmet(size: HeadSize, shape: HelmetShape) -> Hat:
    """A hard hat that fits: the usual one with a peak, one with a brim all around, or a climbing helmet."""
    angle = np.arange(_AROUND) / _AROUND * 2 * np.pi
    front, back = np.clip(-np.sin(angle), 0, 1), np.clip(np.sin(angle), 0, 1)
    brim = {
        "peak": 0.010 + 0.050 * front**1.6 + 0.006 * back**2,
        "full-brim": 0.042 + 0.014 * front**1.6,
        "climbing": np.full(_AROUND, 0.003),
    }[shape]
    height = {"peak": 0.120, "full-brim": 0.116, "climbing": 0.108}[shape]
    ridge = {"peak": 1.0, "full-brim": 0.9, "climbing": 0.0}[shape]
    return _hat(size, 0.021, height, brim, -0.012 * front**1.5 - 0.004, ridge)


def cap(size: HeadSize) -> Hat:
    """A soft cap with a visor: no protection, and easily taken for a helmet."""
    angle = np.arange(_AROUND) / _AROUND * 2 * np.pi
    front = np.clip(-np.sin(angle), 0, 1)
    return _hat(size, 0.011, 0.088, 0.001 + 0.072 * front**3.0, -0.020 * front**2 - 0.001, 0.0)


def _hat(
    size: HeadSize,
    clearance: float,
    height: float,
    brim: NDArray[np.float64],
    droop: NDArray[np.float64],
    ridge: float,
) -> Hat:
    angle = np.arange(_AROUND) / _AROUND * 2 * np.pi
    half_x, half_y = size.half_x + clearance, size.half_y + clearance

    def ring(radius: float, z: float) -> Vertices:
        x, y = half_x * np.cos(angle) * radius, half_y * np.sin(angle) * radius
        return np.stack([x, y, np.full(_AROUND, z)], 1)

    out = np.stack([np.cos(angle) * half_y, np.sin(angle) * half_x, 0 * angle], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    down = np.stack([0 * angle, 0 * angle, droop], 1)
    rim = ring(1.0, 0.0)
    rows = [rim + out * brim[:, None] + down, rim + out * (brim * 0.55)[:, None] + down * 0.45]
    rows.append(rim + out * 0.002 + np.array([0, 0, 0.001]))
    for step in range(_DOME):
        slope = step / _DOME * np.pi / 2
        row = ring(max(float(np.cos(slope)) ** 0.82, 0.04), float(np.sin(slope)) * height + 0.004)
        middle, sides = np.exp(-((row[:, 0] / 0.013) ** 2)), np.exp(-(((np.abs(row[:, 0]) - 0.042) / 0.009) ** 2))
        row[:, 2] += ridge * float(np.sin(slope)) * (0.009 * middle + 0.004 * sides)
        rows.append(row)
    lining = []
    for step in range(_LINER):
        slope = step / _LINER * np.pi / 2
        lining.append(
            ring(max(float(np.cos(slope)) ** 0.82, 0.05) * 0.93, float(np.sin(slope)) * height * 0.88 + 0.003)
        )
    outside = _rows(0, len(rows))
    first = len(rows) * _AROUND
    inside = _rows(first, _LINER)[:, ::-1]
    tips = np.array([[0, 0, height + 0.012 * max(ridge, 0.3)], [0, 0, height * 0.88 + 0.004]])
    tip = first + _LINER * _AROUND
    outside = np.concatenate([outside, _fan(first - _AROUND, tip)])
    inside = np.concatenate([inside, _fan(tip - _AROUND, tip + 1)[:, ::-1]])
    return Hat(
        np.concatenate([*rows, *lining, tips]),
        np.concatenate([outside, inside]),
        np.repeat([False, True], [len(outside), len(inside)]),
    )


def _rows(first: int, count: int) -> Faces:
    """Quads between successive rings."""
    here = first + np.arange((count - 1) * _AROUND)
    beside = here - here % _AROUND + (here + 1) % _AROUND
    return np.stack([here, beside, beside + _AROUND, here + _AROUND], 1)


def _fan(first: int, tip: int) -> Faces:
    """A ring closed by a point. Each triangle has the tip twice."""
    here = first + np.arange(_AROUND)
    beside = first + (np.arange(_AROUND) + 1) % _AROUND
    return np.stack([here, beside, np.full(_AROUND, tip), np.full(_AROUND, tip)], 1)
