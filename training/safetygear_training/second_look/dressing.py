"""Caps and hoods put on bare heads: the sources show few, and from afar both pass for helmets. Crude: cloth takes
the shades of what it covers, follows the skull instead of standing off it, and a hood goes down to the shoulders."""

from __future__ import annotations

import cv2
import numpy as np

from safetygear_training.pictures import Pixels
from safetygear_training.second_look.crops import AROUND
from safetygear_training.second_look.squares import HEAD_DOWN, HEAD_SIDES

SUPER = 4
"""Masks are drawn so much larger, and averaged down."""


def dressed(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A bare head's crop (n, n, 3) with something on the head that is no helmet."""
    size = pixels.shape[0]
    unit = size / AROUND / HEAD_SIDES
    x, y = size / 2, size / 2 - HEAD_DOWN * unit  # the middle of the head's upper part
    cloth = np.zeros((size * SUPER, size * SUPER), np.uint8)
    if random.random() < 0.5:
        _cap(cloth, x, y, unit, random)
    else:
        _hood(cloth, x, y, unit, random)
    mask = cv2.resize(cloth, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    return (pixels * (1 - mask) + _fabric(pixels, random) * mask).astype(np.uint8)


def _cap(cloth: np.ndarray, x: float, y: float, unit: float, random: np.random.Generator) -> None:
    """The skull's own outline down to the brow, and on most a peak to one side or in front."""
    down = y + unit * random.uniform(0.1, 0.35)
    _ellipse(cloth, x, down, unit * 0.52, down - (y - 0.5 * unit), half=True)
    if random.random() < 0.7:
        side = random.uniform(-0.55, 0.55)
        _ellipse(cloth, x + side * unit, down, unit * random.uniform(0.25, 0.45), unit * 0.1)


def _hood(cloth: np.ndarray, x: float, y: float, unit: float, random: np.random.Generator) -> None:
    """All around the head and down to the shoulders; the face is open to a side, in front or not at all."""
    _ellipse(cloth, x, y + 0.35 * unit, unit * random.uniform(0.6, 0.75), unit * random.uniform(0.9, 1.0))
    shoulders = np.array([[-0.6, 0.5], [0.6, 0.5], [1.1, 1.3], [-1.1, 1.3]]) * unit + (x, y)
    cv2.fillPoly(cloth, [np.round(shoulders * SUPER).astype(np.int32)], 255)
    if random.random() < 0.75:
        open_x, open_y = x + random.uniform(-0.3, 0.3) * unit, y + random.uniform(0.3, 0.5) * unit
        _ellipse(cloth, open_x, open_y, unit * random.uniform(0.28, 0.4), unit * random.uniform(0.4, 0.55), value=0)


def _ellipse(
    cloth: np.ndarray,
    x: float,
    y: float,
    half_width: float,
    half_height: float,
    *,
    half: bool = False,
    value: int = 255,
) -> None:
    centre = round(x * SUPER), round(y * SUPER)
    axes = max(1, round(half_width * SUPER)), max(1, round(half_height * SUPER))
    cv2.ellipse(cloth, centre, axes, 0, 180 if half else 0, 360, value, cv2.FILLED)


def _fabric(pixels: Pixels, random: np.random.Generator) -> np.ndarray:
    """(n, n, 3) float: one colour, dull or as loud as a helmet's, with a part of the shades that were there."""
    saturation = random.choice((random.uniform(0, 80), random.uniform(120, 255)))
    hsv = np.array([[[random.integers(180), saturation, random.uniform(25, 235)]]], np.uint8)
    colour = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
    shades = 1 + random.uniform(0.2, 0.5) * (grey / max(float(grey.mean()), 1.0) - 1)
    size = pixels.shape[0]
    lit = np.linspace(*random.uniform(0.7, 1.2, 2), size, dtype=np.float32)[:, None]
    return np.clip(colour * (shades * lit)[..., None], 0, 255)
