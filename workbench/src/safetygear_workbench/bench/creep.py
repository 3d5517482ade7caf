"""Whether something grows with time, or only goes up and down. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from scipy.stats import t as student_t

from safetygear_workbench.bench.figures import fit

BLOCKS: Final = 20
"""Neighbouring values are alike, so that they tell less than their number says: a line is laid through the medians of
so many stretches of time, and what is left of their likeness widens the interval."""
LEAST_BLOCKS: Final = 5
CONFIDENCE: Final = 0.95
MOST_LIKENESS: Final = 0.9


@dataclass(frozen=True)
class Creep:
    """`per_minute`, give or take `give_or_take` (95 %)."""

    per_minute: float
    give_or_take: float

    @property
    def is_distinguishable(self) -> bool:
        """Whether 0 is outside of the interval."""
        return abs(self.per_minute) > self.give_or_take

    def as_json(self, digits: int = 3) -> dict[str, Any]:
        return {
            "per_minute": round(self.per_minute, digits),
            "give_or_take": round(self.give_or_take, digits),
            "distinguishable_from_0": self.is_distinguishable,
        }


def creep(at_s: Sequence[float], values: Sequence[float]) -> Creep | None:
    """The slope of `values` over time and its interval; None where they are too few, or all of one moment.

    Least squares through block medians, Student's t for their number, and the error times sqrt((1 + r) / (1 - r)) for
    residuals whose neighbours correlate by r (an autoregressive process of the first order: its effective number of
    values is smaller by that factor).
    """
    if len(at_s) != len(values):
        raise ValueError(f"{len(at_s)} times for {len(values)} values")
    if not at_s or max(at_s) == min(at_s):
        return None
    began_s, block_s = min(at_s), (max(at_s) - min(at_s)) / BLOCKS
    blocks: dict[int, list[tuple[float, float]]] = {}
    for moment_s, value in zip(at_s, values, strict=True):
        blocks.setdefault(min(BLOCKS - 1, int((moment_s - began_s) / block_s)), []).append((moment_s, value))
    if len(blocks) < LEAST_BLOCKS:
        return None
    middles = [
        (statistics.median(at for at, _ in block), statistics.median(value for _, value in block))
        for _, block in sorted(blocks.items())
    ]
    line = fit([at / 60 for at, _ in middles], [value for _, value in middles])
    error = line.slope_error / 1.96 * float(student_t.ppf((1 + CONFIDENCE) / 2, len(middles) - 2))
    likeness = _likeness(line.residuals)
    return Creep(line.slope, error * math.sqrt((1 + likeness) / (1 - likeness)))


def _likeness(residuals: Sequence[float]) -> float:
    """Correlation of neighbours, from 0 to MOST_LIKENESS; residuals of a line have the mean 0."""
    squares = sum(value * value for value in residuals)
    if squares == 0:
        return 0.0
    together = sum(one * other for one, other in pairwise(residuals))
    return min(MOST_LIKENESS, max(0.0, together / squares))
