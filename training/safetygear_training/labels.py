"""The classes and the box conventions of the sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASSES = ("person", "helmet", "vest", "head", "no-vest")
PERSON, HELMET, VEST, HEAD, NO_VEST = range(len(CLASSES))

Boxes = NDArray[np.float32]  # (n, 5): x0, y0, x1, y1 in pixels, class index

# A source that boxes the whole bare head is brought to the convention of the others, which box it down to the brows.
HEAD_WIDENED = 0.06
HEAD_HEIGHT_KEPT = 0.70


def class_mask(labelled: list[str]) -> NDArray[np.bool_]:
    """(classes,): True where the source labels the class completely. Raises ValueError for a name it does not know."""
    unknown = sorted(set(labelled) - set(CLASSES))
    if unknown:
        raise ValueError(f"labelled: {', '.join(unknown)} is no class of this detector ({', '.join(CLASSES)})")
    return np.array([name in labelled for name in CLASSES])


def cut_heads(boxes: Boxes) -> Boxes:
    """Whole-head boxes of class `head` to the upper part of the head; the rest is unchanged. Returns a copy."""
    cut = boxes.copy()
    heads = cut[:, 4] == HEAD
    width = cut[heads, 2] - cut[heads, 0]
    height = cut[heads, 3] - cut[heads, 1]
    cut[heads, 0] -= HEAD_WIDENED * width
    cut[heads, 2] += HEAD_WIDENED * width
    cut[heads, 3] -= (1 - HEAD_HEIGHT_KEPT) * height
    return cut
