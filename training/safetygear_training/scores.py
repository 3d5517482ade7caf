"""Average precision of one network over several sets of pictures, as plain tables for logs and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from safetygear_training.average_precision import ClassScore, Found, Truth, score_class
from safetygear_training.detecting import Network, find
from safetygear_training.labels import CLASSES
from safetygear_training.pictures import Picture

Scores = dict[str, dict[str, ClassScore]]
"""By set, by class; a class the set does not label or show is not there."""


def find_all(network: Network, size: tuple[int, int], pictures: Sequence[Picture], classes: int) -> list[Found]:
    return [find(network, size, picture.pixels, classes) for picture in pictures]


def score_set(
    pictures: Sequence[Picture], founds: Sequence[Found], classes: int = len(CLASSES)
) -> dict[str, ClassScore]:
    """The scores of one set, by class."""
    truths = [Truth(picture.boxes, picture.labelled, picture.ignored) for picture in pictures]
    scores = {CLASSES[label]: score_class(truths, founds, label) for label in range(classes)}
    return {name: score for name, score in scores.items() if score is not None}


def score_sets(
    network: Network, size: tuple[int, int], sets: Mapping[str, Sequence[Picture]], classes: int = len(CLASSES)
) -> Scores:
    """The scores of all sets, by set and class."""
    return {
        name: score_set(pictures, find_all(network, size, pictures, classes), classes)
        for name, pictures in sets.items()
    }


def mean_ap50(scores: Mapping[str, ClassScore]) -> float:
    """Over the classes of one set."""
    return float(np.mean([score.ap50 for score in scores.values()]))


def figure_of_merit(scores: Scores) -> float:
    """What a checkpoint is chosen by: the mean over sets, each set counting the same."""
    return float(np.mean([mean_ap50(part) for part in scores.values()]))


def line(name: str, scores: Mapping[str, ClassScore]) -> str:
    """One set on one line: mean, then each class as AP50/AP50-95."""
    each = " ".join(f"{label} {score.ap50:.3f}/{score.ap:.3f}" for label, score in scores.items())
    return f"{name}: {mean_ap50(scores):.3f} | {each}"


def as_json(scores: Scores) -> dict[str, dict[str, dict[str, float]]]:
    return {
        name: {
            label: {"ap50": round(s.ap50, 4), "ap": round(s.ap, 4), "support": s.support} for label, s in part.items()
        }
        for name, part in scores.items()
    }
