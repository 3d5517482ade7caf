"""Medians, percentiles and straight lines. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def median(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return statistics.median(values) if values else math.nan


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the two nearest; NaN of nothing."""
    return float(np.percentile(np.asarray(values, np.float64), percent)) if values else math.nan


@dataclass(frozen=True)
class Line:
    """Least squares: y = `at_zero` + `slope` x, give or take `slope_error` (95 %)."""

    slope: float
    slope_error: float
    at_zero: float
    residuals: tuple[float, ...]

    @property
    def is_flat(self) -> bool:
        """Whether the slope can't be told from 0."""
        return not abs(self.slope) > self.slope_error


def fit(x: Sequence[float], y: Sequence[float]) -> Line:
    """The line through points; of two the slope's error is infinite. Raises ValueError for fewer."""
    if len(x) != len(y) or len(x) < 2:
        raise ValueError("a line needs two points")
    along, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
    spread = float(((along - along.mean()) ** 2).sum())
    if spread == 0:
        raise ValueError("a line needs two places")
    slope = float(((along - along.mean()) * (up - up.mean())).sum()) / spread
    at_zero = float(up.mean() - slope * along.mean())
    residuals = up - (at_zero + slope * along)
    error = math.inf
    if len(x) > 2:
        # 1.96 instead of Student's t: runs have dozens of points, and short ones are not concluded from.
        error = 1.96 * math.sqrt(float((residuals**2).sum()) / (len(x) - 2) / spread)
    return Line(slope, error, at_zero, tuple(float(value) for value in residuals))


@dataclass(frozen=True)
class Search:
    """The largest number that still works, found by trying. `passed` and `failed`: what was tried."""

    passed: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    most: int = 256

    def next(self, first: int) -> int | None:
        """What to try next, beginning with `first`; None: found, with the number above it shown to fail."""
        works, fails = max(self.passed, default=0), min(self.failed, default=self.most + 1)
        if not self.passed and not self.failed:
            return min(max(1, first), self.most)
        if fails - works <= 1:
            return None
        if not self.failed:
            return min(self.most, works + max(1, works // 2))
        return (works + fails) // 2

    def tried(self, number: int, works: bool) -> Search:
        """After one more try."""
        if works:
            return Search((*self.passed, number), self.failed, self.most)
        return Search(self.passed, (*self.failed, number), self.most)

    @property
    def found(self) -> int:
        """The largest that worked; 0: none did."""
        below = [number for number in self.passed if number < min(self.failed, default=self.most + 1)]
        return max(below, default=0)
