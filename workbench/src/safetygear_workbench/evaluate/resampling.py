"""How far the figures of these pictures are from those of others like them: bootstrap over pictures. Pure, seeded.

Pictures are drawn with replacement, as many as there are, and the figures computed again from the matches, each
picture's boxes counting as often as it was drawn. Two models are compared on the same draws, so that hard pictures are
hard for both. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13: the percentile interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.matching import MOST_FOUND, ClassMatches

DRAWS: Final = 1000
SEED: Final = 20261125
SHARE: Final = 0.95
"""Of the draws that lie in an interval."""
RECALLS: Final = np.linspace(0.0, 1.0, 101)
"""Where COCO reads precision."""
AT_ONCE: Final = 2_000_000
"""Boxes times draws that are computed together: 16 MB an array."""
FIGURES: Final = ("ap50", "ap", "f1")


@dataclass(frozen=True)
class Interval:
    """Where 95 % of the draws lie."""

    low: float
    high: float


Draws = Mapping[str, NDArray[np.float64]]
"""Figure name to (draws,); NaN where a draw has no such box."""


def draw_pictures(pictures: int, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.int64]:
    """(draws, pictures): how often each picture is drawn."""
    random = np.random.default_rng(seed)
    return random.multinomial(pictures, np.full(pictures, 1 / pictures), size=draws)


def resample(matches: ClassMatches, threshold: float, weights: NDArray[np.int64]) -> Draws:
    """The figures of one class in each draw; `weights` from draw_pictures."""
    ranked = matches.rank < MOST_FOUND
    kept = matches.probability >= float(np.float32(threshold))
    support = weights @ matches.support
    ap = np.full((len(weights), len(matches.hit)), np.nan)
    right, found = np.zeros(len(weights)), np.zeros(len(weights))
    step = max(1, AT_ONCE // max(1, len(matches.picture)))
    for start in range(0, len(weights), step):
        rows = slice(start, start + step)
        each = weights[rows][:, matches.picture]
        right[rows] = each[:, kept & matches.hit[0]].sum(axis=1)
        found[rows] = each[:, kept & matches.counted[0]].sum(axis=1)
        for limit in range(len(matches.hit)):
            counted = ranked & matches.counted[limit]
            ap[rows, limit] = interpolated(matches.hit[limit, counted], each[:, counted], support[rows])
    whole = found + support
    f1 = np.where(whole > 0, 2 * right / np.maximum(whole, 1), np.nan)
    return {"ap50": ap[:, 0], "ap": ap.mean(axis=1), "f1": f1}


def interpolated(hit: NDArray[np.bool_], weight: NDArray[np.int64], support: NDArray[np.int64]) -> NDArray[np.float64]:
    """COCO's average precision of boxes (m,), most probable first, that count `weight` (draws, m) times each.

    (draws,); NaN where `support` (draws,), the true boxes drawn, is 0.
    """
    right = np.cumsum(np.where(hit, weight, 0), axis=1)
    precision = right / np.maximum(np.cumsum(weight, axis=1), 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    found = np.full(len(weight), np.nan)
    for number in np.flatnonzero(support):
        at = np.searchsorted(right[number] / support[number], RECALLS, side="left")
        reached = at < len(hit)
        found[number] = envelope[number, at[reached]].sum() / len(RECALLS)
    return found


def interval(draws: NDArray[np.float64]) -> Interval | None:
    """None where no draw has the figure."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None
    low, high = np.quantile(known, ((1 - SHARE) / 2, (1 + SHARE) / 2))
    return Interval(float(low), float(high))


def mean_draws(draws: Sequence[Draws]) -> Draws:
    """Of all classes, in each draw over those that it has boxes of; of no class, no draw."""
    if not draws:
        return {figure: np.empty(0) for figure in FIGURES}
    return {
        figure: np.array(
            [
                np.nan if np.isnan(column).all() else np.nanmean(column)
                for column in np.stack([each[figure] for each in draws], axis=1)
            ]
        )
        for figure in FIGURES
    }
