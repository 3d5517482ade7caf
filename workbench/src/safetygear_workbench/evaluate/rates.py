"""Precision, recall and F1 of one class, from its matches at an intersection over union of .5. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.matching import ClassMatches


@dataclass(frozen=True)
class Rates:
    """At one threshold. None where there is nothing to divide by: nothing found, or nothing to find."""

    threshold: float
    hits: int
    false: int
    """Boxes found that are no true ones."""
    missed: int

    @property
    def precision(self) -> float | None:
        return self.hits / (self.hits + self.false) if self.hits + self.false else None

    @property
    def recall(self) -> float | None:
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else None

    @property
    def f1(self) -> float | None:
        return 2 * self.hits / whole if (whole := 2 * self.hits + self.false + self.missed) else None


@dataclass(frozen=True)
class Curve:
    """Precision and recall after each box found, most probable first: (m,) each."""

    probability: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def rates_at(matches: ClassMatches, threshold: float) -> Rates:
    """Boxes count from `threshold` on, compared as the detector does: in single precision."""
    kept = matches.probability >= float(np.float32(threshold))
    hits = int(np.count_nonzero(matches.hit[0, kept]))
    found = int(np.count_nonzero(matches.counted[0, kept]))
    return Rates(threshold, hits, found - hits, int(matches.support.sum()) - hits)


def best_rates(matches: ClassMatches) -> Rates | None:
    """At the threshold with the greatest F1, the highest of equals; None where nothing is right at any."""
    hits = np.cumsum(matches.hit[0])
    found = np.cumsum(matches.counted[0])
    if not len(hits) or not hits[-1]:
        return None
    f1 = 2 * hits / (found + matches.support.sum())
    # Boxes of one probability come in together or not at all.
    last = np.append(matches.probability[1:] < matches.probability[:-1], True)
    place = int(np.where(last, f1, -1).argmax())
    # Downwards, so that the box itself still counts.
    return rates_at(matches, math.floor(matches.probability[place] * 1e6) / 1e6)


def curve(matches: ClassMatches) -> Curve | None:
    """None where there is nothing to find."""
    support = int(matches.support.sum())
    if not support:
        return None
    counted = matches.counted[0]
    hits = np.cumsum(matches.hit[0, counted])
    return Curve(matches.probability[counted], hits / np.arange(1, len(hits) + 1), hits / support)
