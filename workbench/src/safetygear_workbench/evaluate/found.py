"""What a detector found in pictures whose boxes are known: both in one frame of reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.truth import XywhPx


@dataclass(frozen=True)
class JudgedPicture:
    """One picture: what is in it, and what the detector says is in it.

    Class ids are indices into `Judged.labels`. Boxes of a class that is not labelled in this picture are in neither.
    """

    name: str
    size_px: tuple[int, int]
    """Width and height the boxes refer to."""
    truth_xywh_px: XywhPx
    truth_class: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    """(truths,): what is found there is neither right nor wrong."""
    found_xywh_px: XywhPx
    """Most probable first."""
    found_class: NDArray[np.int64]
    probability: NDArray[np.float32]
    network_px_per_px: float
    """How much taller or smaller things are in the network's input."""


@dataclass(frozen=True)
class Judged:
    """All pictures, under one model."""

    model: str
    """Its name."""
    labels: tuple[str, ...]
    """The data's names of the classes that are measured."""
    thresholds: tuple[float, ...]
    """From which probability on a box counts, by class."""
    pictures: tuple[JudgedPicture, ...]
