"""What goes into a detector and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safetygear.frames.ring import FrameView
from safetygear.geometry import Boxes

Plane = NDArray[np.uint8]
"""(rows, columns) uint8; rows may be strided."""
Bgr = NDArray[np.uint8]
"""(height, width, 3) uint8, blue first."""


@dataclass(frozen=True)
class Picture:
    """A picture as it was decoded: planes of 4:2:0 YUV where they lie, or BGR.

    `planes` for i420: Y (h, w), U and V (ceil h/2, ceil w/2); for nv12: Y, interleaved UV (ceil h/2, 2 ceil w/2); for
    bgr: one array (h, w, 3). All uint8, never written to.
    """

    planes: tuple[NDArray[np.uint8], ...]
    width: int
    height: int
    pixel_format: Literal["i420", "nv12", "bgr"]

    @classmethod
    def from_view(cls, view: FrameView) -> Picture:
        """The frame in its slot, without a copy: valid until the view's check fails."""
        return cls(view.planes, view.width, view.height, view.pixel_format)

    @classmethod
    def from_bgr(cls, bgr: Bgr) -> Picture:
        """`bgr`: (height, width, 3) uint8. Raises ValueError for another shape."""
        if bgr.ndim != 3 or bgr.shape[2] != 3 or bgr.dtype != np.uint8:
            raise ValueError(f"a BGR picture is (height, width, 3) uint8, not {bgr.shape} {bgr.dtype}")
        return cls((bgr,), bgr.shape[1], bgr.shape[0], "bgr")

    def luma(self) -> Plane:
        """The Y plane, (height, width), in video range (16 is black, 235 is white)."""
        if self.pixel_format != "bgr":
            return self.planes[0]
        blue, green, red = (self.planes[0][..., channel].astype(np.uint16) for channel in range(3))
        # BT.601 in integers; the sum stays below 2^16.
        return np.asarray(16 + ((66 * red + 129 * green + 25 * blue + 128) >> 8), np.uint8)


@dataclass(frozen=True)
class DetectedBoxes:
    """What a detector saw in one picture, most probable first."""

    xyxy_norm: Boxes
    """(n, 4) float32: left, top, right, bottom in 0..1 of the picture."""
    class_id: NDArray[np.int64]
    """(n,): index into the model's labels."""
    probability: NDArray[np.float32]
    """(n,), 0..1."""

    def __post_init__(self) -> None:
        number = len(self.xyxy_norm)
        if self.xyxy_norm.shape != (number, 4) or self.class_id.shape != (number,):
            raise ValueError(f"{self.xyxy_norm.shape} boxes do not fit {self.class_id.shape} classes")
        if self.probability.shape != (number,):
            raise ValueError(f"{number} boxes do not fit {self.probability.shape} probabilities")

    def __len__(self) -> int:
        return len(self.xyxy_norm)
