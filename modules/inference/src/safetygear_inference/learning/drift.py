"""Whether a model's probabilities on a camera are still spread as they were when it was new there. Pure.

Compared by the population stability index, PSI = sum of (now - then) * ln(now / then) over the bins of two histograms.
Below 0.1 nothing has changed, above 0.25 much has: a rule of thumb that began with credit scoring. Source: N. Siddiqi,
"Credit Risk Scorecards", 2006. Fog, a moved camera, winter clothes or a lens that nobody cleans show in it; so does a
site that has become another one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from safetygear.messages.codec import Message
from safetygear.messages.health import LearningDrift
from safetygear_inference.learning.observed import Observed, Wish

BINS: Final = 10
"""Of equal width over 0..1."""
CHANGED_ABOVE, NOTICED_ABOVE = 0.25, 0.1
SAMPLED_EVERY_S: Final = 10.0
"""Frames that follow each other show the same people: counted one by one they would be no sample."""
LEAST_BOXES: Final = 200
"""In each of the two histograms; with fewer, chance alone exceeds the rule of thumb."""
CHUNK_S: Final = 3 * 3600.0
"""`now` is the chunk that runs and the one before it: three to six hours."""
KEPT: Final = 2048
"""Pairs of camera and label; the longest unseen go first."""


class ScoreHistory(Message, frozen=True, kw_only=True):
    """One label on one camera, as it is kept over restarts. Times are UTC epoch seconds."""

    camera: str
    label: str
    began_s: float
    reference: list[int]
    """Boxes by bin in the model's first hours."""
    before: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    now: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    chunk_s: float = 0.0
    """When `now` began."""


class DriftState(Message, frozen=True, kw_only=True):
    """All of one model."""

    model: str
    histories: list[ScoreHistory]


class _Spread:
    """The changing half of a ScoreHistory."""

    def __init__(self, kept: ScoreHistory) -> None:
        self.began_s = kept.began_s
        self.reference = _whole(kept.reference)
        self.before, self.now, self.chunk_s = _whole(kept.before), _whole(kept.now), kept.chunk_s

    def add(self, probability: float, wall_s: float, reference_s: float) -> None:
        place = min(BINS - 1, int(probability * BINS))
        if wall_s < self.began_s + reference_s or sum(self.reference) < LEAST_BOXES:
            self.reference[place] += 1
            return
        age_s = wall_s - self.chunk_s
        if not 0 <= age_s < CHUNK_S:
            # After a pause of hours, or a clock that was set, the chunk before is of no time that is near.
            self.before = self.now if 0 <= age_s < 2 * CHUNK_S else [0] * BINS
            self.now, self.chunk_s = [0] * BINS, wall_s
        self.now[place] += 1

    def recent(self) -> list[int]:
        return [first + second for first, second in zip(self.before, self.now, strict=True)]

    def index(self) -> float | None:
        recent = self.recent()
        if min(sum(self.reference), sum(recent)) < LEAST_BOXES:
            return None
        return stability_index(self.reference, recent)

    def has_gained(self, probability: float) -> bool:
        """Whether boxes of that probability are more of all than they were."""
        place, recent = min(BINS - 1, int(probability * BINS)), self.recent()
        return recent[place] * sum(self.reference) > self.reference[place] * sum(recent)


class Drift:
    """By camera and label, of one model; another model begins anew."""

    def __init__(self, kept: DriftState | None = None) -> None:
        self._model = kept.model if kept is not None else ""
        self._spreads = {(one.camera, one.label): _Spread(one) for one in (kept.histories if kept is not None else ())}
        self._sampled_s: dict[str, float] = {}
        self._index: dict[tuple[str, str], float] = {}

    def look(self, frame: Observed, *, wall_s: float, reference_s: float) -> list[Wish]:
        """Count the frame, where it is one to count, and wish for it where it shows what there is too much of."""
        if frame.model != self._model:
            self._model = frame.model
            self._spreads, self._index, self._sampled_s = {}, {}, {}
        sampled_s = self._sampled_s.get(frame.camera)
        if sampled_s is not None and frame.now_s - sampled_s < SAMPLED_EVERY_S:
            return []
        self._sampled_s[frame.camera] = frame.now_s
        wishes = []
        for label in dict.fromkeys(box.label for box in frame.boxes):
            key = frame.camera, label
            spread = self._spreads.pop(key, None) or _Spread(_new(frame.camera, label, wall_s))
            self._spreads[key] = spread
            boxes = [box for box in frame.boxes if box.label == label]
            for box in boxes:
                spread.add(box.probability, wall_s, reference_s)
            index = spread.index()
            if index is None:
                self._index.pop(key, None)
                continue
            self._index[key] = index
            unusual = next((box for box in boxes if spread.has_gained(box.probability)), None)
            if index > CHANGED_ABOVE and unusual is not None:
                wishes.append(Wish("drift", min(1.0, index), unusual.xyxy_norm))
        while len(self._spreads) > KEPT:
            gone = next(iter(self._spreads))
            del self._spreads[gone]
            self._index.pop(gone, None)
        return wishes

    def figures(self) -> list[LearningDrift]:
        """What is worth telling, the largest first."""
        found = [
            LearningDrift(camera=camera, label=label, stability_index=round(index, 3))
            for (camera, label), index in self._index.items()
            if index > NOTICED_ABOVE
        ]
        return sorted(found, key=lambda one: (-one.stability_index, one.camera, one.label))

    def state(self) -> DriftState:
        """To be kept."""
        return DriftState(
            model=self._model,
            histories=[
                ScoreHistory(
                    camera=camera,
                    label=label,
                    began_s=spread.began_s,
                    reference=list(spread.reference),
                    before=list(spread.before),
                    now=list(spread.now),
                    chunk_s=spread.chunk_s,
                )
                for (camera, label), spread in self._spreads.items()
            ],
        )


def stability_index(reference: Sequence[int], recent: Sequence[int]) -> float:
    """PSI of two histograms with the same bins. Half a box is added to each bin: an empty one would be an infinity."""
    then_all, now_all = sum(reference) + 0.5 * len(reference), sum(recent) + 0.5 * len(recent)
    index = 0.0
    for then, now in zip(reference, recent, strict=True):
        before, after = (then + 0.5) / then_all, (now + 0.5) / now_all
        index += (after - before) * math.log(after / before)
    return index


def _new(camera: str, label: str, wall_s: float) -> ScoreHistory:
    return ScoreHistory(camera=camera, label=label, began_s=wall_s, reference=[0] * BINS)


def _whole(counts: Sequence[int]) -> list[int]:
    """A kept histogram; one of another width says nothing."""
    return list(counts) if len(counts) == BINS else [0] * BINS
