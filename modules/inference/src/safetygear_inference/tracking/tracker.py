"""Who is in the picture: people keep their ids over misses, crossings, dropped frames and short occlusions.

Boxes with a high probability look for their people first, those with a low one among the people left (the idea of
ByteTrack); what then remains of the first may be somebody new. A new person counts from the second observation on, or
at once where the box is sure. Pure: the time is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import Boxes, clip_xyxy
from safetygear_inference.judging.observation import TrackedPerson
from safetygear_inference.tracking.assignment import MAX_COST, assign, costs, two_in_one
from safetygear_inference.tracking.config import TrackingConfig
from safetygear_inference.tracking.ids import TrackIds
from safetygear_inference.tracking.motion import EDGE, Floats, Motion, areas, whole

LOW_MAX_COST = MAX_COST / 2
"""A box with a low probability may be no person at all: it has to fit better."""
SEEN_PART = 0.3
"""A person at the edge of whom less than this part is expected inside the picture has left it."""
TWO_IN_ONE_S = 1.0
"""For so long two people who pass each other may be seen in one box."""
LEFT_COST = 3.0
"""Who comes in where somebody has just left is more likely somebody else."""

Ignore = Callable[[Boxes], bool]


@dataclass(frozen=True)
class Tracked:
    """One frame: who is seen in it, and whose tracks are over. An id that was in `ended` never comes again."""

    people: list[TrackedPerson] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


@dataclass
class _Life:
    """Beside a row of Motion. Without an id, the person is not confirmed yet."""

    seen_s: float
    track: str | None = None
    at_edge: bool = False
    """The box last seen may be cut by the picture's edge."""
    ignored: bool = False
    """Where people are ignored, and never with an id: a poster keeps its own box, or who is lost before it had it."""

    @property
    def sure(self) -> bool:
        """Whether there is something; else it may have been one false box."""
        return self.track is not None or self.ignored


class PersonTracker:
    """The people of one camera. Not for two threads."""

    def __init__(self, config: TrackingConfig, ids: TrackIds) -> None:
        self.config = config
        """May be replaced between two frames."""
        self.refused = 0
        """Boxes that would have begun a track beyond `max_tracks`; the least probable ones are refused first."""
        self._ids = ids
        self._motion = Motion.of(np.zeros((0, 4)))
        self._lives: list[_Life] = []
        self._now_s: float | None = None
        self._aspect = 1.0

    def update(
        self,
        xyxy_norm: Boxes,
        probability: NDArray[np.float32],
        *,
        now_s: float,
        aspect: float = 16 / 9,
        ignore: Ignore | None = None,
        box_index: Sequence[int] | None = None,
    ) -> Tracked:
        """The boxes of people in one frame, (n, 4) and (n,), to people with ids, most probable first.

        `now_s` must not go back; `aspect` is the picture's width divided by its height. Where `ignore` says yes to a
        box (4,), no track begins. `box_index` (n) are the boxes' rows in the frame's LabelledBoxes, by default
        0 to n - 1. Boxes without an area are left out. Raises ValueError where shapes don't fit.
        """
        boxes_norm = np.asarray(xyxy_norm, np.float64)
        if boxes_norm.ndim != 2 or boxes_norm.shape[1] != 4 or len(probability) != len(boxes_norm):
            raise ValueError(f"boxes {boxes_norm.shape} and probabilities {np.shape(probability)} don't fit")
        now_s = now_s if self._now_s is None else max(now_s, self._now_s)
        if self._now_s is not None:
            self._motion.advance(now_s - self._now_s)
        self._now_s, self._aspect = now_s, aspect
        boxes = boxes_norm * np.array([aspect, 1, aspect, 1])
        frame = _Frame(boxes, boxes_norm, np.asarray(probability, np.float64), now_s, aspect)

        ended = self._end(frame)
        of_two = self._of_two(frame)
        matched = self._match(frame, of_two)
        self._see(frame, matched, ignore)
        self._begin(frame, matched, of_two, ignore)

        rows = box_index if box_index is not None else range(len(boxes))
        people = [
            TrackedPerson(
                life.track, np.asarray(xyxy_norm[column], np.float32), float(probability[column]), rows[column]
            )
            for column, life in ((column, self._lives[row]) for column, row in matched.items())
            if life.track is not None
        ]
        people.sort(key=lambda person: -person.probability)
        return Tracked(people, ended)

    def end_all(self) -> list[str]:
        """Forget everybody (the camera is gone); returns the ids that end by it."""
        ended = [life.track for life in self._lives if life.track is not None]
        self._keep([])
        return ended

    def unseen(self) -> Boxes:
        """Where people are expected who are followed and were not seen in the newest frame: (n, 4) xyxy in 0..1."""
        rows = [row for row, life in enumerate(self._lives) if life.track is not None and life.seen_s != self._now_s]
        scale = np.array([self._aspect, 1, self._aspect, 1])
        return clip_xyxy((self._motion.boxes()[rows] / scale).astype(np.float32), 1, 1)

    @property
    def alive(self) -> int:
        """Tracks that are followed, those not confirmed yet included."""
        return sum(not life.ignored for life in self._lives)

    def _end(self, frame: _Frame) -> list[str]:
        """Drop who has not been seen for too long; before the matching, so that nobody is found too late."""
        ended: list[str] = []
        kept: list[int] = []
        for row, (life, gone) in enumerate(zip(self._lives, self._left(frame.aspect), strict=True)):
            limit_s = self.config.occlusion_s
            if not life.sure:
                limit_s = min(limit_s, self.config.confirm_within_s)
            elif gone:
                limit_s = min(limit_s, self.config.exit_s)
            if frame.now_s - life.seen_s <= limit_s + 1e-6:
                kept.append(row)
            elif life.track is not None:
                ended.append(life.track)
        if len(kept) < len(self._lives):
            self._keep(kept)
        return ended

    def _of_two(self, frame: _Frame) -> NDArray[np.bool_]:
        """(m,): boxes around two people who were seen a moment ago. They are nobody's, until one has to be wrong."""
        near = [
            row
            for row, life in enumerate(self._lives)
            if life.track is not None and frame.now_s - life.seen_s <= TWO_IN_ONE_S
        ]
        return two_in_one(self._motion.boxes()[near], frame.boxes)

    def _match(self, frame: _Frame, of_two: NDArray[np.bool_]) -> dict[int, int]:
        """Rows of people by columns of boxes."""
        matched: dict[int, int] = {}
        if not self._lives or not len(frame.boxes):
            return matched
        gap_s = frame.now_s - np.array([life.seen_s for life in self._lives])
        cost = np.full((len(self._lives), len(frame.boxes)), np.inf)
        usable = frame.usable(self.config.low_probability)
        cost[:, usable] = costs(self._motion, gap_s, frame.boxes[usable], frame.aspect)
        cost[self._left(frame.aspect)] += LEFT_COST
        confirmed = np.array([life.sure for life in self._lives])
        cost[:, of_two] = np.inf
        high = usable & (frame.probability >= self.config.high_probability)
        free = np.ones(len(self._lives), bool)
        for who, which, limit in (
            (confirmed, high, MAX_COST),
            (confirmed, usable & ~high, LOW_MAX_COST),
            (~confirmed, high, MAX_COST),
        ):
            which = which.copy()
            which[list(matched)] = False
            rows, columns = np.flatnonzero(who & free), np.flatnonzero(which)
            for row, column in zip(*assign(cost[np.ix_(rows, columns)], max_cost=limit), strict=True):
                matched[int(columns[column])] = int(rows[row])
                free[rows[row]] = False
        return matched

    def _see(self, frame: _Frame, matched: dict[int, int], ignore: Ignore | None) -> None:
        if not matched:
            return
        columns, rows = list(matched), np.array(list(matched.values()), np.intp)
        gap_s = frame.now_s - np.array([self._lives[row].seen_s for row in rows])
        self._motion.see(rows, whole(frame.boxes[columns], self._motion.size[rows], frame.aspect), gap_s)
        for column, row in matched.items():
            life = self._lives[row]
            life.seen_s, life.at_edge = frame.now_s, frame.at_edge(column)
            if life.track is not None:
                continue
            was_ignored, life.ignored = life.ignored, frame.ignored(column, ignore)
            if was_ignored and self.alive > self.config.max_tracks:
                life.ignored = True
                self.refused += 1
            instant = frame.probability[column] >= self.config.instant_probability
            if not life.ignored and (instant or not was_ignored):
                life.track = self._ids.next()

    def _begin(self, frame: _Frame, matched: dict[int, int], of_two: NDArray[np.bool_], ignore: Ignore | None) -> None:
        """New tracks for what is left of the boxes with a high probability, the most probable ones first."""
        high = frame.usable(max(self.config.low_probability, self.config.high_probability))
        new = [column for column in map(int, np.flatnonzero(high)) if column not in matched and not of_two[column]]
        new.sort(key=lambda column: -frame.probability[column])
        ignored = [column for column in new if frame.ignored(column, ignore)]
        people = [column for column in new if column not in ignored]
        room = max(0, self.config.max_tracks - self.alive)
        self.refused += max(0, len(people) - room)
        room_ignored = max(0, self.config.max_tracks - (len(self._lives) - self.alive))
        new = [*people[:room], *ignored[:room_ignored]]
        if not new:
            return
        boxes = frame.boxes[new]
        self._motion = self._motion.joined(Motion.of(whole(boxes, boxes[:, 2:] - boxes[:, :2], frame.aspect)))
        for place, column in enumerate(new):
            is_ignored = place >= len(people[:room])
            instant = not is_ignored and frame.probability[column] >= self.config.instant_probability
            matched[column] = len(self._lives)
            track = self._ids.next() if instant else None
            self._lives.append(_Life(frame.now_s, track, frame.at_edge(column), is_ignored))

    def _keep(self, rows: Sequence[int]) -> None:
        self._motion = self._motion.take(np.array(rows, np.intp))
        self._lives = [self._lives[row] for row in rows]

    def _left(self, aspect: float) -> NDArray[np.bool_]:
        """(n,): who was last seen at the picture's edge and is expected beyond it."""
        at_edge = np.array([life.at_edge for life in self._lives], bool)
        if not at_edge.any():  # most of the time, and the rest is a fifth of the tracking
            return at_edge
        boxes = self._motion.boxes()
        inside = np.minimum(np.maximum(boxes, 0), np.array([aspect, 1, aspect, 1]))
        return np.asarray(at_edge & (areas(inside) < SEEN_PART * areas(boxes)), np.bool_)


@dataclass(frozen=True)
class _Frame:
    """Boxes (n, 4) in heights of the picture and in 0..1, probabilities (n,)."""

    boxes: Floats
    boxes_norm: Floats
    probability: Floats
    now_s: float
    aspect: float

    def usable(self, least: float) -> NDArray[np.bool_]:
        """(n,): boxes with an area and at least this probability."""
        sides = self.boxes[:, 2:] > self.boxes[:, :2]
        return np.asarray(sides.all(axis=1) & (self.probability >= least), np.bool_)

    def at_edge(self, column: int) -> bool:
        box = self.boxes_norm[column]
        return bool(box.min() <= EDGE or box.max() >= 1 - EDGE)

    def ignored(self, column: int, ignore: Ignore | None) -> bool:
        return ignore is not None and ignore(self.boxes_norm[column].astype(np.float32))
