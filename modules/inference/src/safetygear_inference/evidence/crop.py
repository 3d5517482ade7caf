"""Which part of a frame a picture shows, and what of the frame's boxes and zones lies in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safetygear.geometry import Boxes, area, clip_xyxy
from safetygear_inference.compliance.episode import BoxTuple

Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Part:
    """A rectangle of whole, even pixels of a frame, for the chroma planes have half the resolution."""

    left_px: int
    top_px: int
    right_px: int
    bottom_px: int
    frame_width_px: int
    frame_height_px: int

    @classmethod
    def whole(cls, frame_size_px: tuple[int, int]) -> Part:
        return cls(0, 0, *frame_size_px, *frame_size_px)

    @classmethod
    def around(cls, xyxy_norm: BoxTuple, *, margin: float, frame_size_px: tuple[int, int]) -> Part:
        """The box and `margin` of its sides on each side, as far as the frame goes; 16 px at least."""
        width_px, height_px = frame_size_px
        left, top, right, bottom = xyxy_norm
        aside, above = margin * (right - left), margin * (bottom - top)
        x0, x1 = _span((left - aside) * width_px, (right + aside) * width_px, width_px)
        y0, y1 = _span((top - above) * height_px, (bottom + above) * height_px, height_px)
        return cls(x0, y0, x1, y1, width_px, height_px)

    @property
    def width_px(self) -> int:
        return self.right_px - self.left_px

    @property
    def height_px(self) -> int:
        return self.bottom_px - self.top_px

    def boxes(self, xyxy_norm: Boxes) -> Boxes:
        """Boxes (n, 4) of the frame in 0..1 of this part, clipped to it: without an area where they lie outside."""
        scale, offset = self._to_part()
        return clip_xyxy(((np.asarray(xyxy_norm, float) - offset) * scale).astype(np.float32), 1, 1)

    def inside(self, xyxy_norm: Boxes) -> Boxes:
        """Those of the boxes that are in this part, likewise."""
        found = self.boxes(xyxy_norm)
        return found[area(found) > 0]

    def polygons(self, polygons: Sequence[Polygon]) -> list[list[tuple[float, float]]]:
        """Polygons of the frame in 0..1 of this part; corners may lie beyond it."""
        (sx, sy, *_), (ox, oy, *_) = (values.tolist() for values in self._to_part())
        return [[((x - ox) * sx, (y - oy) * sy) for x, y in polygon] for polygon in polygons]

    def _to_part(self) -> tuple[Boxes, Boxes]:
        width, height = self.frame_width_px, self.frame_height_px
        scale = np.array([width / self.width_px, height / self.height_px] * 2)
        return scale, np.array([self.left_px / width, self.top_px / height] * 2)


def _span(low: float, high: float, size_px: int) -> tuple[int, int]:
    """Outwards to even numbers within 0..size, at least 16 long if the frame is."""
    missing = max(0.0, 16 - (high - low)) / 2
    first = max(0, int(low - missing) // 2 * 2)
    last = min(size_px, -(int(-(high + missing)) // 2) * 2)
    if last - first < 16:
        first, last = max(0, min(first, size_px - 16) // 2 * 2), min(size_px, max(last, 16))
    return first, last
