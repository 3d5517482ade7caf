"""What is known of the pictures that a detector is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

XywhPx = NDArray[np.float64]
"""(n, 4): left, top, width, height in px of the picture. Double precision: COCO's figures are computed in it."""


@dataclass(frozen=True)
class TruthPicture:
    """One picture and the boxes that people drew in it."""

    name: str
    """Its file, below the folder of the pictures."""
    size_px: tuple[int, int] | None
    """Width and height the boxes refer to; None where the file does not say."""
    xywh: NDArray[np.float64]
    """(n, 4) left, top, width, height."""
    unit: Literal["px", "norm"]
    """Of `xywh`: px of `size_px`, or 0..1 of the picture."""
    class_id: NDArray[np.int64]
    """(n,): index into the truth's labels."""
    crowd: NDArray[np.bool_]
    """(n,): COCO's `iscrowd`. What is found in such a box is neither right nor wrong, and nothing is missed there."""
    labelled: frozenset[int]
    """The classes that are labelled in full here. Another one is neither hit nor miss in this picture."""

    def xywh_px(self, size_px: tuple[int, int]) -> XywhPx:
        """The boxes in px of a picture of that width and height."""
        width, height = size_px
        return self.xywh if self.unit == "px" else self.xywh * np.array([width, height, width, height], np.float64)


@dataclass(frozen=True)
class Truth:
    """All pictures of a file, in its order."""

    labels: tuple[str, ...]
    pictures: tuple[TruthPicture, ...]
    shape: str
    """Which of the shapes the file has, in words."""
