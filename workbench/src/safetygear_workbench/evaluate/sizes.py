"""Buckets of how large things are for the network. Pure.

By height in the network's input, not in the picture: a person of 200 px in a 4K picture is 33 px to a network that is
fed 640x360, and that is what decides whether he is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.found import JudgedPicture
from safetygear_workbench.evaluate.truth import XywhPx

ENDLESS_PX: Final = 1e6


@dataclass(frozen=True)
class Bucket:
    """From `from_px` up to `below_px`, heights in px of the network's input."""

    name: str
    from_px: float
    below_px: float

    def holds(self, height_px: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Both limits count, as COCO's do."""
        return (height_px >= self.from_px) & (height_px <= self.below_px)


EVERY_SIZE: Final = Bucket("all", 0, ENDLESS_PX)
BUCKETS: Final = (
    Bucket("below 16 px", 0, 16),
    Bucket("16 to 32 px", 16, 32),
    Bucket("32 to 60 px", 32, 60),
    Bucket("60 to 120 px", 60, 120),
    Bucket("from 120 px", 120, ENDLESS_PX),
)


def height_network_px(picture: JudgedPicture, xywh_px: XywhPx) -> NDArray[np.float64]:
    """(n,): heights in px of the network's input."""
    return np.asarray(xywh_px[:, 3] * picture.network_px_per_px)
