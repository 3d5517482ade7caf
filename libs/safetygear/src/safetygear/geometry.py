"""Boxes and the letterbox.

Boxes are `xyxy`: float32 arrays of shape (n, 4) with x_min, y_min, x_max, y_max. Each function names its coordinate
frame: *network* pixels, *source* pixels (the camera's picture), or *norm* (0..1 of the camera's full picture).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Placement = Literal["stretch", "center", "top-left"]


def as_xyxy(boxes: object) -> Boxes:
    """Any (n, 4) sequence as a float32 array of shape (n, 4); an empty one becomes (0, 4). Raises ValueError."""
    array = np.asarray(boxes, dtype=np.float32)
    if array.size == 0:
        return np.zeros((0, 4), np.float32)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must have shape (n, 4), not {array.shape}")
    return array


def xyxy_from_cxcywh(cxcywh: NDArray[np.float32]) -> Boxes:
    """Centre and size (n, 4) to corners (n, 4), in the same units."""
    half = cxcywh[:, 2:4] / 2
    return np.concatenate((cxcywh[:, :2] - half, cxcywh[:, :2] + half), axis=1).astype(np.float32, copy=False)


def clip_xyxy(xyxy: Boxes, width: float, height: float) -> Boxes:
    """Boxes (n, 4) cut to 0..width and 0..height."""
    limits = np.array([width, height, width, height], np.float32)
    return np.clip(xyxy, np.float32(0), limits)


def area(xyxy: Boxes) -> NDArray[np.float32]:
    """Areas (n,); a box with a negative side has area 0."""
    size = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    return np.asarray(size[:, 0] * size[:, 1], np.float32)


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Intersection over union of every pair: (n, 4) and (m, 4) to (n, m); 0 where both are empty."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    side = np.maximum(high - low, 0)
    shared = side[..., 0] * side[..., 1]
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.asarray(np.where(union > 0, shared / np.maximum(union, np.float32(1e-12)), 0), np.float32)


@dataclass(frozen=True)
class Letterbox:
    """How a source picture lies in the network's input, and the way back.

    `scale_x`, `scale_y` are network px per source px; `left_px`, `top_px` the offset of the picture in the network's
    input; `inner_width_px`, `inner_height_px` the whole pixels the resized picture occupies there.
    """

    source_width_px: int
    source_height_px: int
    network_width_px: int
    network_height_px: int
    scale_x: float
    scale_y: float
    left_px: int
    top_px: int
    inner_width_px: int
    inner_height_px: int

    @classmethod
    def fit(cls, source_wh: tuple[int, int], network_wh: tuple[int, int], placement: Placement) -> Letterbox:
        """`stretch` ignores the aspect ratio; `center` and `top-left` keep it and pad the rest.

        Raises ValueError where a side is not positive.
        """
        (source_w, source_h), (network_w, network_h) = source_wh, network_wh
        if min(source_w, source_h, network_w, network_h) <= 0:
            raise ValueError(f"sizes must be positive, not {source_wh} and {network_wh}")
        if placement == "stretch":
            inner_w, inner_h = network_w, network_h
        else:
            scale = min(network_w / source_w, network_h / source_h)
            inner_w = min(network_w, max(1, round(source_w * scale)))
            inner_h = min(network_h, max(1, round(source_h * scale)))
        left, top = ((network_w - inner_w) // 2, (network_h - inner_h) // 2) if placement == "center" else (0, 0)
        # The scales come from the whole pixels the resize really fills, so that the inverse is exact.
        return cls(
            source_w,
            source_h,
            network_w,
            network_h,
            inner_w / source_w,
            inner_h / source_h,
            left,
            top,
            inner_w,
            inner_h,
        )

    def to_network(self, xyxy_source_px: Boxes) -> Boxes:
        """Boxes (n, 4) in source px to network px."""
        return (xyxy_source_px * self._scale() + self._offset()).astype(np.float32)

    def to_source(self, xyxy_network_px: Boxes) -> Boxes:
        """Boxes (n, 4) in network px to source px; not clipped."""
        return ((xyxy_network_px - self._offset()) / self._scale()).astype(np.float32)

    def to_source_norm(self, xyxy_network_px: Boxes) -> Boxes:
        """Boxes (n, 4) in network px to 0..1 of the source picture, clipped to it."""
        size = (self.source_width_px, self.source_height_px) * 2
        return clip_xyxy((self.to_source(xyxy_network_px) / np.array(size, np.float32)).astype(np.float32), 1, 1)

    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])

    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.left_px, self.top_px, self.left_px, self.top_px], np.float64)
