"""Skin, hair, shirt, trousers, boots and vest of a body, cut out of the base mesh and laid over it.

Everything is in the rest pose: metres, Z up, the person faces -Y. Numbers are what looked right on several bodies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safetygear_scenes.base_mesh import SKIN_VERTICES, TIGHTS, BaseMesh
from safetygear_scenes.headgear import HeadSize
from safetygear_scenes.mesh import Faces, Vertices, normals, part_of, smoothed, softened_weights

Sleeves = Literal["long", "short"]
_SIDES = ("_l", "_r")
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_DIRECTIONS = 24
"""In which the chest's radius is taken, for the boxy fall of a vest."""


@dataclass(frozen=True)
class Part:
    """A piece of a person that is posed with the bones."""

    vertices: Vertices
    weights: NDArray[np.float64]
    faces: Faces


@dataclass(frozen=True)
class VestLines:
    """Where a vest's bands, hem and zip are: heights and half widths in m."""

    hem: float
    chest: float
    waist: float
    band_x: float
    front_y: float


@dataclass(frozen=True)
class Dressed:
    """`head_vertices`: which of the skin's are the head, neck excluded."""

    parts: dict[str, Part]
    head_vertices: NDArray[np.bool_]
    head: HeadSize
    vest: VestLines | None
    eyes: Vertices


class Wardrobe:
    """Cuts the parts for one body. `vertices` as `body_vertices` gives them, `joints` (bones, 3)."""

    def __init__(self, base: BaseMesh, vertices: Vertices, joints: Vertices) -> None:
        self._base, self._v, self._joints = base, vertices, joints
        self._number = {bone.name: number for number, bone in enumerate(base.bones)}
        self._body, self._tights = base.faces["body"], base.faces["helper-tights"]
        self._tights_normals = np.zeros_like(vertices)
        self._tights_normals[TIGHTS] = normals(vertices[TIGHTS], self._tights - TIGHTS.start)
        self.head_size = self._head_size()

    def dress(self, *, vest: bool, sleeves: Sleeves, hair_m: float) -> Dressed:
        """All parts by name. `hair_m`: how far the hair stands off."""
        skin, source = self._skin(sleeves)
        parts = {"skin": skin, "eyes": self._eyes(), "hair": self._hair(hair_m), "shirt": self._shirt(sleeves)}
        parts |= {"trousers": self._trousers(), "boots": self._boots()}
        lines = None
        if vest:
            parts["vest"], lines = self._vest()
        head = self._weight("head")[source] > 0.5
        return Dressed(parts, head, self.head_size, lines, parts["eyes"].vertices)

    def hood(self) -> Part:
        """A hood that is up: over the head and the neck, open at the face."""
        size, v = self.head_size, self._v
        ahead = (v[:, 1] - size.centre[1]) / size.half_y
        face = (ahead < -0.42) & (v[:, 2] < size.top - 0.055)
        jaw = (ahead < -0.05) & (v[:, 2] < size.top - 0.19)
        covered = (self._weight("head", "neck_01") > 0.55) & ~face & ~jaw
        used, faces = part_of(self._body[covered[self._body].all(1)], len(v))
        cloth = smoothed(v[used] + normals(v[used], faces) * 0.030, faces, 18, 0.5)
        cloth = cloth + normals(cloth, faces) * 0.014
        return Part(cloth, softened_weights(self._base.weights[used], faces, 3), faces)

    def _weight(self, *names: str) -> NDArray[np.float64]:
        return np.asarray(sum(self._base.weights[:, self._number[name]] for name in names))

    def _both(self, *names: str) -> NDArray[np.float64]:
        return self._weight(*(name + side for name in names for side in _SIDES))

    def _hands(self) -> NDArray[np.float64]:
        return self._both("hand") + self._both(*(f"{finger}_0{joint}" for finger in _FINGERS for joint in (1, 2, 3)))

    def _joint(self, name: str) -> Vertices:
        return np.asarray(self._joints[self._number[name]])

    def _head_size(self) -> HeadSize:
        surface = self._v[:SKIN_VERTICES]
        skull = surface[self._weight("head")[:SKIN_VERTICES] > 0.9]
        top = float(skull[:, 2].max())
        upper = skull[skull[:, 2] > top - 0.11]
        front, back = float(upper[:, 1].min()), float(upper[:, 1].max())
        return HeadSize(
            top=top,
            centre=np.array([0, (front + back) / 2, top - 0.095]),
            half_x=float(np.percentile(np.abs(upper[:, 0]), 97)),
            half_y=(back - front) / 2,
        )

    def _cut(self, faces: Faces, keep: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Faces]:
        return part_of(faces[keep], len(self._v))

    def _skin(self, sleeves: Sleeves) -> tuple[Part, NDArray[np.int64]]:
        bare = self._weight("head", "neck_01") + self._hands()
        if sleeves == "short":
            bare = bare + self._both("lowerarm")
        used, faces = self._cut(self._body, bare[self._body].mean(1) > 0.25)
        return Part(self._v[used], self._base.weights[used], faces), used

    def _eyes(self) -> Part:
        faces = np.concatenate([self._base.faces["helper-l-eye"], self._base.faces["helper-r-eye"]])
        used, faces = part_of(faces, len(self._v))
        return Part(self._v[used], self._base.weights[used], faces)

    def _hair(self, length_m: float) -> Part:
        v, size = self._v, self.head_size
        ahead = (v[:, 1] - size.centre[1]) / size.half_y
        rear = np.clip((ahead + 0.55) / 1.1, 0, 1)
        rear = rear * rear * (3 - 2 * rear)
        # At the temples the hairline drops towards the ears.
        temple = np.clip((np.abs(v[:, 0]) / size.half_x - 0.62) / 0.3, 0, 1)
        line = size.top - ((0.045 + 0.055 * temple * (ahead > -0.75)) * (1 - rear) + 0.190 * rear)
        ear = (np.abs(v[:, 0]) > size.half_x * 1.02) & (v[:, 2] < size.top - 0.085) & (ahead > -0.35) & (ahead < 0.45)
        scalp = (v[:, 2] > line) & (self._weight("head", "neck_01") > 0.6) & ~ear
        used, faces = self._cut(self._body, scalp[self._body].all(1))
        root = v[used]
        near_line = np.clip((root[:, 2] - line[used]) / 0.05, 0, 1)
        crown = np.clip((root[:, 2] - (size.top - 0.09)) / 0.09, 0, 1)
        off = 0.0015 + length_m * (0.35 + 0.65 * crown) * near_line
        return Part(
            smoothed(root + normals(root, faces) * off[:, None], faces, 2, 0.4), self._base.weights[used], faces
        )

    def _shirt(self, sleeves: Sleeves) -> Part:
        faces = self._tights
        height = self._v[faces, 2].mean(1)
        legs = self._both("thigh", "calf", "foot", "ball")[faces].mean(1)
        keep = (legs < 0.35) & (height > self._belt() - 0.06)
        keep &= (self._hands()[faces].mean(1) < 0.4) & (self._weight("head")[faces].mean(1) < 0.3)
        if sleeves == "short":
            keep &= self._both("lowerarm")[faces].mean(1) < 0.35
        used, faces = self._cut(faces, keep)
        cloth = smoothed(self._v[used] + self._tights_normals[used] * 0.010, faces, 2, 0.4)
        return Part(cloth, softened_weights(self._base.weights[used], faces, 1), faces)

    def _trousers(self) -> Part:
        faces = self._tights
        height = self._v[faces, 2].mean(1)
        arms = (self._hands() + self._both("lowerarm", "upperarm"))[faces].mean(1)
        keep = (height < self._belt() + 0.03) & (arms < 0.05) & (height > self._joint("foot_l")[2] - 0.02)
        used, faces = self._cut(faces, keep)
        # Wider at the calves.
        off = 0.007 + 0.025 * np.clip((self._belt() - 0.30 - self._v[used, 2]) / 0.5, 0, 1)
        cloth = smoothed(self._v[used] + self._tights_normals[used] * off[:, None], faces, 4, 0.5)
        return Part(cloth, softened_weights(self._base.weights[used], faces, 2), faces)

    def _boots(self) -> Part:
        faces = self._body
        height, ankle = self._v[faces, 2].mean(1), self._joint("foot_l")[2]
        foot = self._both("foot", "ball")
        keep = (foot[faces].mean(1) > 0.3) & (height < ankle + 0.07)
        keep |= (height < ankle + 0.10) & ((foot + self._both("calf"))[faces].mean(1) > 0.5)
        used, faces = self._cut(faces, keep)
        # Smoothed so far that the toes melt together.
        leather = smoothed(self._v[used] + normals(self._v[used], faces) * 0.012, faces, 25, 0.5)
        leather = leather + normals(leather, faces) * 0.014
        leather[:, 2] = np.maximum(leather[:, 2], self._v[:SKIN_VERTICES, 2].min() - 0.02)
        return Part(leather, softened_weights(self._base.weights[used], faces, 4), faces)

    def _belt(self) -> float:
        return float(self._joint("pelvis")[2]) + 0.03

    def _vest(self) -> tuple[Part, VestLines]:
        faces, hip = self._tights, float(self._joint("thigh_l")[2])
        height = self._v[faces, 2].mean(1)
        keep = (height > hip - 0.10) & (self._both("upperarm")[faces].mean(1) < 0.42)
        keep &= (self._hands() + self._both("lowerarm"))[faces].mean(1) < 0.05
        keep &= self._weight("neck_01", "head")[faces].mean(1) < 0.62
        used, faces = self._cut(faces, keep)
        root = self._v[used]
        cloth = smoothed(root + self._tights_normals[used] * 0.018, faces, 14, 0.5)
        cloth = cloth + normals(cloth, faces) * 0.013
        shoulder = self._joint("upperarm_l")
        chest = float(shoulder[2]) - 0.14
        axis = np.array([0.0, float(self._joint("spine_02")[1])])
        cloth = smoothed(_boxy(cloth, axis, chest), faces, 5, 0.5)
        flare = np.clip((self._joint("pelvis")[2] + 0.02 - cloth[:, 2]) / 0.12, 0, 1) * 0.020
        out = cloth[:, :2] - axis
        cloth[:, :2] += out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6) * flare[:, None]
        # The hem follows the pelvis more than the legs, the armholes the shoulders more than the arms.
        weights = self._base.weights[used].copy()
        for side in _SIDES:
            for giver, taker, share in ((f"thigh{side}", "pelvis", 0.6), (f"upperarm{side}", f"clavicle{side}", 0.5)):
                given = share * weights[:, self._number[giver]]
                weights[:, self._number[taker]] += given
                weights[:, self._number[giver]] -= given
        weights = softened_weights(weights, faces, 4)
        middle = root[faces].mean(1)
        crotch = (middle[:, 2] < hip - 0.02) & (np.abs(middle[:, 0]) < 0.035) & (np.abs(middle[:, 1] - axis[1]) < 0.08)
        lines = VestLines(
            hem=float(cloth[:, 2].min()),
            chest=chest - 0.06,
            waist=chest - 0.25,
            band_x=abs(float(shoulder[0])) * 0.55,
            front_y=float(axis[1]),
        )
        return Part(cloth, weights, faces[~crotch]), lines


def _boxy(cloth: Vertices, axis: Vertices, chest: float) -> Vertices:
    """Below the chest a vest hangs: there its radius is hardly smaller than the chest's in the same direction."""
    out = cloth[:, :2] - axis
    radius = np.linalg.norm(out, axis=1)
    sector = ((np.arctan2(out[:, 1], out[:, 0]) + np.pi) / (2 * np.pi) * _DIRECTIONS).astype(int) % _DIRECTIONS
    at_chest = (cloth[:, 2] < chest + 0.04) & (cloth[:, 2] > chest - 0.12)
    widest = np.zeros(_DIRECTIONS)
    np.maximum.at(widest, sector[at_chest], radius[at_chest])
    widest = np.where(widest > 0, widest, widest[widest > 0].mean())
    widest = (np.roll(widest, 1) + widest + np.roll(widest, -1)) / 3
    wanted = widest[sector] * 0.93
    hanging = np.where((cloth[:, 2] < chest - 0.02) & (radius < wanted), 0.35 * radius + 0.65 * wanted, radius)
    moved = cloth.copy()
    moved[:, :2] = axis + out * (hanging / np.maximum(radius, 1e-6))[:, None]
    return moved
