"""A pinhole camera: world places to pixels. Pixels count from the picture's top left corner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetygear_scenes.mesh import Rotation, Vertices
from safetygear_scenes.story import Camera

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in px."""
_NEAREST_M = 0.05


@dataclass(frozen=True)
class Lens:
    width_px: int
    height_px: int
    focal_px: float
    position_m: Vertices
    axes: Rotation
    """Rows: right, up and backwards in the world."""

    def pixels(self, places: Vertices) -> Vertices:
        """(n, 3) m -> (n, 2) px; what is behind the camera lands far outside."""
        seen = (places - self.position_m) @ self.axes.T
        depth = np.maximum(-seen[:, 2], _NEAREST_M)
        x = self.width_px / 2 + self.focal_px * seen[:, 0] / depth
        return np.stack([x, self.height_px / 2 - self.focal_px * seen[:, 1] / depth], 1)


def lens(camera: Camera, width_px: int, height_px: int) -> Lens:
    """Blender's camera with a horizontal sensor that looks at a place, its up towards Z."""
    position = np.array(camera.position_m)
    back = position - np.array(camera.look_at_m)
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    focal = width_px / 2 / np.tan(np.radians(camera.horizontal_fov_deg) / 2)
    return Lens(width_px, height_px, float(focal), position, np.stack([right, np.cross(back, right), back]))


def box_around(points: Vertices) -> Box:
    low, high = points.min(0), points.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def within(box: Box, width_px: int, height_px: int) -> Box | None:
    """The part inside the picture; None where that is less than a pixel wide or high."""
    x0, x1 = (min(max(x, 0.0), float(width_px)) for x in (box[0], box[2]))
    y0, y1 = (min(max(y, 0.0), float(height_px)) for y in (box[1], box[3]))
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def joined(boxes: list[Box], worth_px: float) -> list[Box]:
    """Overlapping boxes made one, and close ones too where that adds less than `worth_px` of area."""
    boxes = list(boxes)
    for first in range(len(boxes)):
        for second in range(first + 1, len(boxes)):
            a, b = boxes[first], boxes[second]
            both = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
            overlap = a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
            if overlap or area(both) < area(a) + area(b) + worth_px:
                rest = [box for number, box in enumerate(boxes) if number not in (first, second)]
                return joined([*rest, both], worth_px)
    return boxes
