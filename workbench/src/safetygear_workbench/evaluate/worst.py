"""The pictures with the most mistakes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.confusion import counts, right_ones
from safetygear_workbench.evaluate.found import Judged, JudgedPicture
from safetygear_workbench.evaluate.matching import NOTHING

MOST = 12


@dataclass(frozen=True)
class Mark:
    """A box of a picture: (left, top, width, height) in px, its label, and its probability where it was found."""

    xywh_px: tuple[float, float, float, float]
    label: str
    probability: float | None


@dataclass(frozen=True)
class BadPicture:
    """One picture, and what is wrong in it at the thresholds."""

    name: str
    size_px: tuple[int, int]
    missed: tuple[Mark, ...]
    false: tuple[Mark, ...]
    right: tuple[Mark, ...]


def worst(judged: Judged, most: int = MOST) -> tuple[BadPicture, ...]:
    """Those with a mistake, most mistakes first; of equals the one whose false boxes are surer."""
    thresholds = np.array(judged.thresholds, np.float32)
    looked = [_look_at(judged, each, thresholds) for each in judged.pictures]
    bad = [picture for picture in looked if picture.missed or picture.false]
    bad.sort(key=lambda one: (-len(one.missed) - len(one.false), -sum(mark.probability or 0 for mark in one.false)))
    return tuple(bad[:most])


def _look_at(judged: Judged, picture: JudgedPicture, thresholds: NDArray[np.float32]) -> BadPicture:
    kept = counts(picture, thresholds)
    taken = right_ones(picture, kept)
    in_crowd = np.append(picture.crowd, False)[taken]
    missed = ~picture.crowd
    missed[taken[taken != NOTHING]] = False

    def found(place: int) -> Mark:
        label = judged.labels[picture.found_class[place]]
        return Mark(_box(picture.found_xywh_px[place]), label, float(picture.probability[place]))

    return BadPicture(
        picture.name,
        picture.size_px,
        missed=tuple(
            Mark(_box(picture.truth_xywh_px[place]), judged.labels[picture.truth_class[place]], None)
            for place in np.flatnonzero(missed)
        ),
        false=tuple(found(place) for place in np.flatnonzero(kept & (taken == NOTHING)).tolist()),
        right=tuple(found(place) for place in np.flatnonzero(kept & (taken != NOTHING) & ~in_crowd).tolist()),
    )


def _box(row: NDArray[np.float64]) -> tuple[float, float, float, float]:
    left, top, width, height = row.tolist()
    return left, top, width, height
