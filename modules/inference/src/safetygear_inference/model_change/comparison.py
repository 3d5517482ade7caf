"""Two detectors on the same frames: how far they agree, and how long they take. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from safetygear.geometry import iou
from safetygear.hub.port import Json
from safetygear_inference.picture import DetectedBoxes

SAME_IOU: Final = 0.5
"""Boxes of one label that overlap so far are the same thing."""
TIMES_KEPT: Final = 2000
LABELS_TOLD: Final = 20


@dataclass(frozen=True)
class Seen:
    """What one detector made of a frame."""

    boxes: DetectedBoxes
    labels: Sequence[str]
    """Of the model, by class id."""
    took_ms: float


@dataclass(frozen=True)
class Times:
    """Milliseconds per frame."""

    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, values_ms: Sequence[float]) -> Times:
        """Raises ValueError for none."""
        if not values_ms:
            raise ValueError("there is no time to tell of")
        p50, p95 = np.percentile(np.asarray(values_ms), (50, 95))
        return cls(float(p50), float(p95))

    def as_document(self) -> dict[str, Json]:
        return {"p50Ms": round(self.p50_ms, 1), "p95Ms": round(self.p95_ms, 1)}


@dataclass(frozen=True)
class Comparison:
    """The model that is wanted (new) beside the one in use (old)."""

    frames: int
    agreement: float
    """0..1: twice the boxes that both saw, through the boxes of both; of labels that both models have. 1 where neither
    saw any."""
    counts: Mapping[str, tuple[int, int]]
    """Boxes by label: old, new."""
    old: Times | None
    new: Times | None

    def as_document(self) -> dict[str, Json]:
        """For the reported properties: labels are values, since a twin's names may hold no dot or space."""
        most = sorted(self.counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:LABELS_TOLD]
        document: dict[str, Json] = {
            "frames": self.frames,
            "agreement": round(self.agreement, 3),
            "counts": [{"label": label, "old": old, "new": new} for label, (old, new) in most],
        }
        if self.old is not None and self.new is not None:
            document |= {"old": self.old.as_document(), "new": self.new.as_document()}
        return document


class Comparing:
    """Adds frame after frame."""

    def __init__(self) -> None:
        self._frames = 0
        self._same = 0
        self._boxes = 0
        self._old: Counter[str] = Counter()
        self._new: Counter[str] = Counter()
        self._old_ms: deque[float] = deque(maxlen=TIMES_KEPT)
        self._new_ms: deque[float] = deque(maxlen=TIMES_KEPT)

    def add(self, old: Seen, new: Seen) -> None:
        """The same frame, by both."""
        self._frames += 1
        self._old_ms.append(old.took_ms)
        self._new_ms.append(new.took_ms)
        for seen, counts in ((old, self._old), (new, self._new)):
            counts.update(seen.labels[number] for number in seen.boxes.class_id.tolist())
        for label in set(old.labels) & set(new.labels):
            before, after = _of_label(old, label), _of_label(new, label)
            self._boxes += len(before) + len(after)
            self._same += _pairs(iou(before, after))

    def so_far(self) -> Comparison:
        """What all frames so far say."""
        labels: Collection[str] = self._old.keys() | self._new.keys()
        return Comparison(
            frames=self._frames,
            agreement=2 * self._same / self._boxes if self._boxes else 1.0,
            counts={label: (self._old[label], self._new[label]) for label in sorted(labels)},
            old=Times.of(tuple(self._old_ms)) if self._old_ms else None,
            new=Times.of(tuple(self._new_ms)) if self._new_ms else None,
        )


def _of_label(seen: Seen, label: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    wanted = [number for number, name in enumerate(seen.labels) if name == label]
    return seen.boxes.xyxy_norm[np.isin(seen.boxes.class_id, wanted)]


def _pairs(overlaps: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> int:
    """How many pairs overlap by SAME_IOU at least, each box in one pair; the best first."""
    overlaps = overlaps.copy()
    found = 0
    while overlaps.size and overlaps.max() >= SAME_IOU:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        overlaps[row, :] = -1
        overlaps[:, column] = -1
        found += 1
    return found
