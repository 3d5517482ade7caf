"""Which picture comes next: sources by weight, and within a source the pictures with rare classes more often."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def held_back(keys: Sequence[str], count: int) -> NDArray[np.bool_]:
    """(n,): True for the `count` pictures kept out of training; by a hash of the name, so no seed can move them."""
    ranks = [hashlib.sha256(key.encode()).hexdigest() for key in keys]
    chosen = set(sorted(range(len(keys)), key=ranks.__getitem__)[:count])
    return np.array([index in chosen for index in range(len(keys))], bool)


def repeat_factors(present: NDArray[np.bool_], enough: float) -> NDArray[np.float64]:
    """(pictures, classes) presence -> (pictures,) weights >= 1.

    A class seen in a share f < `enough` of the pictures lifts its pictures by sqrt(enough / f); the rarest class a
    picture shows decides (the repeat factor of LVIS).
    """
    share = present.mean(0) if len(present) else np.zeros(present.shape[1])
    lift = np.sqrt(np.maximum(1.0, enough / np.maximum(share, 1e-9)))
    return np.where(present, lift[None, :], 1.0).max(1, initial=1.0)


def cumulative_chances(weights: Sequence[float], factors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Cumulative chance per picture over all sources in order. Raises ValueError where nothing can be drawn."""
    chances = [weight * factor / factor.sum() for weight, factor in zip(weights, factors, strict=True) if len(factor)]
    if not chances or sum(weights) <= 0:
        raise ValueError("weight: no source has both pictures and a weight above 0")
    total = np.cumsum(np.concatenate(chances))
    return total / total[-1]


def draw(cumulative: NDArray[np.float64], random: np.random.Generator) -> int:
    """Index of one picture."""
    return int(min(np.searchsorted(cumulative, random.random(), side="right"), len(cumulative) - 1))
