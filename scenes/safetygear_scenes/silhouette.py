"""Which pixels a mesh covers when nothing stands before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from safetygear_scenes.mesh import Faces, Vertices

_FINER = 3
"""Subpixels a side."""


def covered_px(meshes: Sequence[tuple[Vertices, Faces]], width_px: int, height_px: int) -> int:
    """Pixels of which at least half is covered. `meshes`: vertices in px (n, 2), and faces."""
    points = np.vstack([vertices for vertices, _ in meshes])
    low = np.floor(points.min(0)).clip(0, (width_px, height_px))
    high = np.ceil(points.max(0)).clip(0, (width_px, height_px))
    columns, rows = (int(side) for side in high - low)
    if not columns or not rows:
        return 0
    image = Image.new("L", (columns * _FINER, rows * _FINER))
    draw = ImageDraw.Draw(image)
    for vertices, faces in meshes:
        for polygon in ((vertices - low) * _FINER - 0.5)[faces].reshape(len(faces), -1).tolist():
            draw.polygon(polygon, fill=1)
    pixels = np.array(image, np.float32).reshape(rows, _FINER, columns, _FINER)
    return int((pixels.mean((1, 3)) >= 0.5).sum())
