"""The grid of a YOLOX output, and boxes from what stands on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

STRIDES_PX = (8, 16, 32)

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Per anchor: its cell (A, 2), the cell's stride in pixels (A, 1) and its centre in pixels (A, 2)."""

    cells: Array
    strides: Array
    centres: Array


@cache
def grid(height: int, width: int) -> Grid:
    """The anchors of an input of that many pixels, both multiples of 32."""
    cells, strides = [], []
    for stride in STRIDES_PX:
        y, x = np.meshgrid(np.arange(height // stride), np.arange(width // stride), indexing="ij")
        cells.append(np.stack((x.ravel(), y.ravel()), 1))
        strides.append(np.full((x.size, 1), stride))
    cell, stride_px = np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)
    return Grid(cell, stride_px, (cell + 0.5) * stride_px)


def decode(raw: Array, height: int, width: int) -> Array:
    """(A, >=4) offsets in strides -> (A, 4) boxes in input pixels."""
    at = grid(height, width)
    centre = (raw[:, :2] + at.cells) * at.strides
    size = np.exp(np.minimum(raw[:, 2:4], 6.0)) * at.strides
    return np.concatenate((centre - size / 2, centre + size / 2), 1)
