"""Boxes as numpy arrays: overlap and suppression. Boxes are (n, 4) x0, y0, x1, y1 in one frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def area(boxes: Array) -> Array:
    """(n,) in square pixels; a box turned inside out has none."""
    return np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0, None)


def intersection(first: Array, second: Array) -> Array:
    """(n, m) in square pixels."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    return np.clip(high - low, 0, None).prod(-1)


def iou(first: Array, second: Array) -> Array:
    """(n, m): intersection over union, 0 where both are empty."""
    shared = intersection(first, second)
    return shared / (area(first)[:, None] + area(second)[None, :] - shared + 1e-9)


def suppress(
    boxes: Array, scores: Array, classes: NDArray[np.integer], iou_limit: float, most: int
) -> NDArray[np.intp]:
    """Greedy suppression per class: indices kept, best score first, at most `most` of them."""
    kept: list[int] = []
    for label in np.unique(classes):
        order = np.flatnonzero(classes == label)
        order = order[np.argsort(-scores[order], kind="stable")][:300]
        overlap = iou(boxes[order], boxes[order])
        alive = np.ones(len(order), bool)
        for position in range(len(order)):
            if alive[position]:
                kept.append(int(order[position]))
                alive[position + 1 :] &= overlap[position, position + 1 :] < iou_limit
    found = np.array(kept, np.intp)
    return found[np.argsort(-scores[found], kind="stable")][:most]
