"""Where the network looks: a square around a head, one around a torso. The product crops by the same numbers
(`safetygear_inference/second_look/crops.py`); a test holds both together. Boxes are xyxy in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HEAD_SIDES = 2.4
"""Side of a head's square per side (root of the area) of its head or helmet box: neck and shoulders tell a hood."""
HEAD_DOWN = 0.35
"""How far the square's centre lies below the box's, in the same unit."""
TORSO_SIDES = 1.3
"""Side of a torso's square per longer side of its vest or no-vest box."""
HEAD_SHARE = 0.138
"""Side of a head box per height of an upright person."""
TORSO_TOP, TORSO_BOTTOM = 0.15, 0.47
"""Of a vest's box, per height of an upright person."""


def head_squares(boxes: Array) -> Array:
    """Head or helmet boxes (n, 4) to squares (n, 3): centre x, centre y, side."""
    size = np.maximum(boxes[:, 2:4] - boxes[:, :2], 1e-6)
    unit = np.sqrt(size[:, 0] * size[:, 1])
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    return np.stack((centre[:, 0], centre[:, 1] + HEAD_DOWN * unit, HEAD_SIDES * unit), axis=1)


def torso_squares(boxes: Array) -> Array:
    """Vest or no-vest boxes (n, 4) to squares (n, 3)."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    longer = np.maximum(boxes[:, 2:4] - boxes[:, :2], 1e-6).max(axis=1)
    return np.concatenate((centre, TORSO_SIDES * longer[:, None]), axis=1)


def heads_of(people: Array) -> Array:
    """Where the head box of each upright person (n, 4) would be: (n, 4)."""
    middle, height = (people[:, 0] + people[:, 2]) / 2, people[:, 3] - people[:, 1]
    half = HEAD_SHARE / 2 * height
    return np.stack((middle - half, people[:, 1], middle + half, people[:, 1] + 2 * half), axis=1)


def torsos_of(people: Array) -> Array:
    """Where the vest box of each upright person (n, 4) would be: (n, 4)."""
    height = people[:, 3] - people[:, 1]
    top, bottom = people[:, 1] + TORSO_TOP * height, people[:, 1] + TORSO_BOTTOM * height
    return np.stack((people[:, 0], top, people[:, 2], bottom), axis=1)
