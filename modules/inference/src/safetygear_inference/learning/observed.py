"""One analysed frame as the search for examples sees it. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from safetygear.learning.example import Reason
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.judging.labels import PERSON, canonical
from safetygear_inference.judging.observation import Gear, GearState

BoxNorm = tuple[float, float, float, float]
"""left, top, right, bottom in 0..1 of the frame."""
WHOLE: Final[BoxNorm] = (0.0, 0.0, 1.0, 1.0)
EDGE: Final = 0.02
"""A box that begins or ends so near to the frame's edge may be cut by it."""


@dataclass(frozen=True, slots=True)
class SeenBox:
    """One box of the detector."""

    label: str
    """The model's own."""
    probability: float
    least: float
    """The probability from which on a box of that label is shown."""
    xyxy_norm: BoxNorm
    track: str | None
    person: bool

    @property
    def weak(self) -> bool:
        return self.probability < self.least


@dataclass(frozen=True, slots=True)
class FollowedPerson:
    """Somebody whom a box of the frame shows."""

    track: str
    xyxy_norm: BoxNorm
    gear: Mapping[Gear, GearState]
    """As the votes over the track say."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A frame; `now_s` is monotonic."""

    camera: str
    now_s: float
    model: str
    """SHA-256 of the weights."""
    boxes: tuple[SeenBox, ...]
    people: tuple[FollowedPerson, ...] = ()
    unseen: tuple[BoxNorm, ...] = ()
    """Where people are expected whom no box shows."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A frame that is worth labelling."""

    reason: Reason
    score: float
    """0..1, comparable within the reason."""
    focus_norm: BoxNorm
    """What it is about."""
    earlier: bool = False
    """It is the frame before that shows it."""


def observe(frame: SeenFrame, shown_from: Sequence[float], *, now_s: float) -> Observed:
    """`shown_from` (classes): the probability from which on a box of each class is shown."""
    labels, judged = frame.model.labels, frame.judged
    people = tuple(canonical(label) == PERSON for label in labels)
    boxes: list[SeenBox] = []
    for found in (frame.analysed.boxes, frame.analysed.weak):
        for xyxy, number, probability in zip(
            found.xyxy_norm.tolist(), found.class_id.tolist(), found.probability.tolist(), strict=True
        ):
            track = judged.tracks[len(boxes)] if len(boxes) < len(judged.tracks) else None
            boxes.append(SeenBox(labels[number], probability, shown_from[number], tuple(xyxy), track, people[number]))
    return Observed(
        frame.camera,
        now_s,
        frame.model.identity.sha256,
        tuple(boxes),
        tuple(
            FollowedPerson(one.person.track, tuple(one.person.xyxy_norm.tolist()), one.person.gear)
            for one in judged.people
        ),
        judged.unseen,
    )


def overlap(first: BoxNorm, second: BoxNorm) -> float:
    """Intersection over union; plain numbers, because for a few boxes arrays cost more."""
    shared = _shared(first, second)
    union = _area(first) + _area(second) - shared
    return shared / union if union > 0 else 0.0


def covered(box: BoxNorm, by: BoxNorm) -> float:
    """The part of `box` that lies in `by`."""
    area = _area(box)
    return _shared(box, by) / area if area > 0 else 0.0


def at_edge(box: BoxNorm) -> bool:
    """Whether the frame's edge may cut it."""
    return min(box) <= EDGE or max(box) >= 1 - EDGE


def union_of(boxes: Sequence[BoxNorm]) -> BoxNorm:
    """The smallest box around all of them; the whole frame where there are none."""
    if not boxes:
        return WHOLE
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _shared(first: BoxNorm, second: BoxNorm) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return width * height if width > 0 and height > 0 else 0.0


def _area(box: BoxNorm) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
