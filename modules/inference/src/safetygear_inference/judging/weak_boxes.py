"""Boxes that don't reach their label's threshold: nobody is shown or told them, and the judging still learns from them.

A person who is half hidden is found with less certainty, and so is a small bare torso: frame after frame a box that is
not sure enough on its own says the same. Weak boxes continue tracks and begin none, and as evidence of gear they count
little. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear_inference.judging.labels import canonical_labels
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.picture import DetectedBoxes

WEAK_SHARE: Final = 0.6
"""From this share of the model's own threshold on, a box is looked at. A threshold in the twin is a limit."""
COUNTS_AT_MOST: Final = 0.35
"""As probability. Where the model's threshold is high because it is often wrong, what is below it weighs little."""


@dataclass(frozen=True)
class Thresholds:
    """By the model's labels: what the detector is asked for, and from which probability on a box is shown."""

    asked: Mapping[str, float]
    shown: Mapping[str, float]

    def shown_from(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """(classes,)."""
        return np.array([self.shown[label] for label in labels], np.float32)


def thresholds_of(own: Mapping[str, float], wanted: Mapping[str, float], default: float | None) -> Thresholds:
    """`own`: the model's, by label; `wanted` and `default`: the twin's, which go before them."""
    asked, shown = {}, {}
    for label, least in own.items():
        given = wanted.get(label, default)
        shown[label] = least if given is None else given
        asked[label] = WEAK_SHARE * least if given is None else given
    return Thresholds(asked, shown)


def split(boxes: DetectedBoxes, shown_from: NDArray[np.float32]) -> tuple[DetectedBoxes, DetectedBoxes]:
    """The boxes that reach their class's threshold, and the weak ones. `shown_from`: (classes,)."""
    reaches = boxes.probability >= shown_from[boxes.class_id]
    return _of(boxes, reaches), _of(boxes, ~reaches)


def none() -> DetectedBoxes:
    """No weak boxes."""
    return DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


def for_judging(shown: DetectedBoxes, weak: DetectedBoxes, labels: Sequence[str]) -> LabelledBoxes:
    """Both in one, the shown ones first. `labels`: the model's own."""
    names = canonical_labels(labels)
    numbers = (*shown.class_id.tolist(), *weak.class_id.tolist())
    return labelled(
        np.concatenate((shown.xyxy_norm, weak.xyxy_norm)),
        tuple(names[number] for number in numbers),
        np.concatenate((shown.probability, weak.probability)),
        weak=len(weak),
    )


def labelled(
    xyxy_norm: NDArray[np.float32], label: tuple[str, ...], probability: NDArray[np.float32], *, weak: int
) -> LabelledBoxes:
    """Boxes (n, 4) and their probability (n,), of which the last `weak` are so."""
    shown = len(label) - weak
    counted = probability.copy()
    counted[shown:] = np.minimum(counted[shown:], COUNTS_AT_MOST)
    return LabelledBoxes(xyxy_norm, label, counted, weak=weak)


def _of(boxes: DetectedBoxes, rows: NDArray[np.bool_]) -> DetectedBoxes:
    return DetectedBoxes(boxes.xyxy_norm[rows], boxes.class_id[rows], boxes.probability[rows])
