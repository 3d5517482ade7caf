"""Whether a picture shows enough to judge people by: two cheap numbers from the luma plane, and their limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = 96
"""About so many sampling points along each side: 0.1 ms for a 1080p plane."""


@dataclass(frozen=True)
class Visibility:
    """`mean_luma` 0..255; `sharpness`: variance of the 4-neighbour Laplacian at the sampled pixels."""

    mean_luma: float
    sharpness: float

    def dark(self, below: float) -> bool:
        """Too dark to tell a helmet."""
        return self.mean_luma < below

    def blurred(self, below: float, *, dark_below: float) -> bool:
        """Too soft to tell a helmet. A dark picture has little contrast anyway and is called dark only."""
        return self.sharpness < below and not self.dark(dark_below)


def measure(luma: NDArray[np.uint8]) -> Visibility:
    """`luma`: the Y plane, (height, width) uint8, rows may be strided. Neighbours are taken at full resolution, so that
    sub-sampling does not sharpen a soft picture."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return Visibility(float(luma.mean()), 0.0)
    step_y, step_x = max(1, (height - 2) // GRID), max(1, (width - 2) // GRID)

    def shifted(down: int, right: int) -> NDArray[np.int16]:
        rows = slice(1 + down, height - 1 + down, step_y)
        columns = slice(1 + right, width - 1 + right, step_x)
        return luma[rows, columns].astype(np.int16)

    centre = shifted(0, 0)
    laplacian = 4 * centre - shifted(-1, 0) - shifted(1, 0) - shifted(0, -1) - shifted(0, 1)
    return Visibility(float(centre.mean()), float(laplacian.astype(np.float32).var()))
