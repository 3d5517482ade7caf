"""What the network's chances are worth, and from which on it may answer. On crops that were never trained on.

One temperature per gear; then, for `yes` and for `no`, the least chance from which on at most `WRONG` of the answers
are wrong, as many of both kinds being asked. What reaches neither is `unclear`. Within a kind each source counts by the
root of its number, as in the pool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear_training.second_look.crops import GEARS, NO, YES, Crop
from safetygear_training.second_look.scores import Network, logits_of

WRONG = 0.05
"""Labels of the held-back heads are wrong or matters of taste in 2 to 3 %: to allow less would ask for silence."""
HEAD_PX = (8.0, 11.0, 15.0, 22.0)
TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4), 61))
LEAST, MOST = 0.55, 0.98


@dataclass(frozen=True)
class Calibration:
    temperature: tuple[float, ...]
    """By gear."""
    thresholds: tuple[tuple[float, float], ...]
    """By gear: for no, for yes."""
    figures: dict[str, Any]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def calibrate(network: Network, crops: Sequence[Crop]) -> Calibration:
    """`network` gives logits."""
    temperatures, thresholds, figures = [], [], {}
    for gear, name in enumerate(GEARS):
        own = [crop for crop in crops if crop.gear == gear]
        answers = np.tile(np.array([crop.answer for crop in own]), len(HEAD_PX))
        logits = np.concatenate([logits_of(network, own, head_px) for head_px in HEAD_PX])
        weights = np.tile(even(own), len(HEAD_PX)) / len(HEAD_PX)
        temperature = best_temperature(logits, answers, weights)
        chances = softmax(logits / temperature)
        limits = tuple(least_chance(chances[:, answer], answers == answer, weights) for answer in (NO, YES))
        temperatures.append(temperature)
        thresholds.append(limits)
        figures[name] = {
            "crops": {"no": int((answers == NO).sum()), "yes": int((answers == YES).sum())},
            "headPx": list(HEAD_PX),
            "temperature": round(temperature, 3),
        } | shares(chances, answers, weights, limits)
    return Calibration(tuple(temperatures), tuple(thresholds), figures)


def even(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """(n,) weights by which both answers count the same, 1 in all (also where all are of one kind)."""
    counts = Counter((crop.answer, crop.source) for crop in crops)
    weights = np.array([counts[(crop.answer, crop.source)] ** -0.5 for crop in crops])
    answers = np.array([crop.answer for crop in crops])
    totals = np.bincount(answers, weights, minlength=2)
    return np.asarray(weights / np.maximum(totals, 1e-9)[answers] / max(1, (totals > 0).sum()))


def best_temperature(logits: NDArray[np.float32], answers: NDArray[np.intp], weights: NDArray[np.float64]) -> float:
    """That with the least cross entropy."""

    def loss(temperature: float) -> float:
        right = softmax(logits / temperature)[np.arange(len(answers)), answers]
        return float(-(weights * np.log(np.maximum(right, 1e-9))).sum())

    return float(min(TEMPERATURES, key=loss))


def least_chance(chance: NDArray[np.float32], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The least chance from which on at most WRONG of the answers, by weight, are wrong."""
    for limit in np.arange(LEAST, MOST, 0.01):
        said = chance >= limit
        total = weights[said].sum()
        if total > 0 and weights[said & ~right].sum() <= WRONG * total:
            return round(float(limit), 2)
    return MOST


def shares(
    chances: NDArray[np.float32], answers: NDArray[np.intp], weights: NDArray[np.float64], limits: tuple[float, ...]
) -> dict[str, float]:
    """Of both kinds asked as often: how much is answered, and how much of that is wrong."""
    said = np.where(chances[:, YES] >= limits[1], YES, np.where(chances[:, NO] >= limits[0], NO, -1))
    answered = weights[said >= 0].sum()
    wrong = weights[(said >= 0) & (said != answers)].sum()
    return {"answered": round(float(answered), 4), "wrongOfAnswered": round(float(wrong / max(answered, 1e-9)), 4)}
