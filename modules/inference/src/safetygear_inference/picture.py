"""What goes into a detector and what comes out."""

from __future__ import annotations

import math
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

    def cut(self, xyxy_norm: tuple[float, float, float, float]) -> Picture:
        """The part inside a box (left, top, right, bottom in 0..1), without a copy; widened to even px, because colour
        is stored for two by two of them. Raises ValueError where nothing of the box is in the picture."""
        left, top = (
            max(0, math.floor(share * side)) & ~1 for share, side in zip(xyxy_norm, self._size(), strict=False)
        )
        right, bottom = (
            min(side, (math.ceil(share * side) + 1) & ~1)
            for share, side in zip(xyxy_norm[2:], self._size(), strict=True)
        )
        if right <= left or bottom <= top:
            raise ValueError(f"the box {xyxy_norm} has no part in the picture")
        return self.part(left, top, right, bottom)

    def _size(self) -> tuple[int, int]:
        return self.width, self.height

    def part(self, left_px: int, top_px: int, right_px: int, bottom_px: int) -> Picture:
        """A rectangle of it, without a copy. Raises ValueError unless it begins at even pixels and lies inside."""
        if left_px % 2 or top_px % 2:
            raise ValueError(f"a part of a picture begins at even pixels, not at {left_px}, {top_px}")
        if not (0 <= left_px < right_px <= self.width and 0 <= top_px < bottom_px <= self.height):
            raise ValueError(f"there is no part {left_px}..{right_px} x {top_px}..{bottom_px} in it")
        rows, columns = slice(top_px, bottom_px), slice(left_px, right_px)
        first, *chroma = self.planes
        if chroma:
            chroma_rows = slice(top_px // 2, (bottom_px + 1) // 2)
            chroma_columns = slice(left_px // 2, (right_px + 1) // 2)
            if self.pixel_format == "nv12":
                chroma_columns = slice(left_px, left_px + 2 * ((right_px - left_px + 1) // 2))
            chroma = [plane[chroma_rows, chroma_columns] for plane in chroma]
        planes = (first[rows, columns], *chroma)
        return Picture(planes, right_px - left_px, bottom_px - top_px, self.pixel_format)

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
