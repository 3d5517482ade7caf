"""Which frame is analysed next. Pure: no I/O, time passed in.

Per camera only the newest frame waits (a newer one supersedes it) and at most one is being analysed, so that results
keep their order. Among the waiting cameras the one with the earliest deadline goes first; each start moves the camera's
deadline on by its own frame interval, to the present at least and one interval ahead at most. A camera that waits keeps
its deadline: once it is due, no other camera starts twice before it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

DropReason = Literal["superseded", "duplicate", "out-of-order", "stale", "too-many-cameras"]

F = TypeVar("F")

FIRST_INTERVAL_S = 0.2
"""A camera's interval until two of its frames have arrived: 5 fps, the default analysed rate."""
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.01, 10.0
OLD_EPOCH_GONE_S = 10.0
"""The hub has thrown away frames of an earlier writer by then (the template's routes keep them for 5 s)."""
INTERVAL_SMOOTHING = 0.2
"""Weight of the newest gap in the running mean of a camera's frame interval."""


@dataclass(frozen=True)
class FrameKey:
    """Orders the frames of one camera: by number within a writer's epoch, across epochs by decoding time at first."""

    camera: str
    epoch: int
    number: int
    decoded_s: float
    """Wall clock of the machine that decoded it, seconds."""


@dataclass(frozen=True)
class Chosen(Generic[F]):
    """A frame to analyse now. `waited_s` is the time since it was offered."""

    key: FrameKey
    frame: F
    waited_s: float


@dataclass
class _Waiting(Generic[F]):
    key: FrameKey
    frame: F
    offered_s: float
    stale_after_s: float


@dataclass
class _Camera(Generic[F]):
    deadline_s: float
    newest: FrameKey
    last_offer_s: float
    interval_s: float = FIRST_INTERVAL_S
    waiting: _Waiting[F] | None = None
    last_start_s: float = 0.0
    analysing: bool = False

    def urgency(self) -> tuple[float, float]:
        """The least goes first; at equal deadlines the one that was not served for longest."""
        return self.deadline_s, self.last_start_s

    def start(self, now_s: float) -> None:
        self.analysing, self.last_start_s = True, now_s
        # From the old deadline, not from now: a start that was a little late does not slow the camera down.
        self.deadline_s = min(max(self.deadline_s, now_s - self.interval_s), now_s) + self.interval_s


@dataclass(frozen=True)
class Tally:
    """Since the start: offered = taken + the sum of dropped + the frames still waiting."""

    offered: int
    taken: int
    dropped: dict[str, int]


@dataclass
class _Counts:
    offered: int = 0
    taken: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class FrameScheduler(Generic[F]):
    """Offered frames in, the next frame to analyse out. `max_cameras` bounds what a stranger's ids can occupy."""

    def __init__(self, *, max_cameras: int = 256) -> None:
        self._cameras: dict[str, _Camera[F]] = {}
        self._counts: dict[str, _Counts] = {}
        self._max_cameras = max_cameras

    def offer(
        self, key: FrameKey, frame: F, *, now_s: float, stale_after_s: float
    ) -> list[tuple[FrameKey, DropReason]]:
        """Put a frame in line; returns the frames dropped by that (this one, an older one, or none).

        `stale_after_s` is the monotonic time after which the frame is worthless. `now_s` is monotonic.
        """
        camera = self._cameras.get(key.camera)
        if camera is None:
            if len(self._cameras) >= self._max_cameras:
                return [(key, "too-many-cameras")]
            camera = self._cameras[key.camera] = _Camera(deadline_s=now_s, newest=key, last_offer_s=now_s)
        else:
            behind = _behind(key, camera.newest, silent_s=now_s - camera.last_offer_s)
            if behind is not None:
                self._count(key.camera).offered += 1
                return [self._drop(key, behind)]
            gap_s = min(MAX_INTERVAL_S, max(MIN_INTERVAL_S, now_s - camera.last_offer_s))
            camera.interval_s += INTERVAL_SMOOTHING * (gap_s - camera.interval_s)
            camera.newest, camera.last_offer_s = key, now_s
        self._count(key.camera).offered += 1
        if now_s > stale_after_s:
            return [self._drop(key, "stale")]
        dropped = [] if camera.waiting is None else [self._drop(camera.waiting.key, "superseded")]
        camera.waiting = _Waiting(key, frame, now_s, stale_after_s)
        return dropped

    def next(self, now_s: float) -> tuple[Chosen[F] | None, list[tuple[FrameKey, DropReason]]]:
        """The frame to analyse now (None: nothing waits), and the stale ones dropped on the way."""
        dropped: list[tuple[FrameKey, DropReason]] = []
        best: _Camera[F] | None = None
        for camera in self._cameras.values():
            if camera.waiting is None or camera.analysing:
                continue
            if now_s > camera.waiting.stale_after_s:
                dropped.append(self._drop(camera.waiting.key, "stale"))
                camera.waiting = None
            elif best is None or camera.urgency() < best.urgency():
                best = camera
        if best is None or best.waiting is None:
            return None, dropped
        waiting, best.waiting = best.waiting, None
        best.start(now_s)
        self._count(waiting.key.camera).taken += 1
        return Chosen(waiting.key, waiting.frame, now_s - waiting.offered_s), dropped

    def finished(self, camera: str) -> None:
        """The analysis of the camera's frame has ended, well or not: its next frame may start."""
        known = self._cameras.get(camera)
        if known is not None:
            known.analysing = False

    def forget(self, camera: str) -> None:
        """The camera was removed: its waiting frame and its counts go."""
        self._cameras.pop(camera, None)
        self._counts.pop(camera, None)

    def tally(self, camera: str) -> Tally:
        """What happened to the camera's frames since the start."""
        counts = self._count(camera)
        return Tally(counts.offered, counts.taken, dict(counts.dropped))

    def waiting(self) -> int:
        """How many frames wait: at most one per camera."""
        return sum(camera.waiting is not None for camera in self._cameras.values())

    def _count(self, camera: str) -> _Counts:
        return self._counts.setdefault(camera, _Counts())

    def _drop(self, key: FrameKey, reason: DropReason) -> tuple[FrameKey, DropReason]:
        self._count(key.camera).dropped[reason] += 1
        return key, reason


def _behind(key: FrameKey, newest: FrameKey, *, silent_s: float) -> DropReason | None:
    """Why `key` is no newer than `newest`, which came `silent_s` ago: hubs deliver twice, and not in order."""
    if key.epoch == newest.epoch:
        if key.number == newest.number:
            return "duplicate"
        return "out-of-order" if key.number < newest.number else None
    # A wall clock that was set back makes a new writer look old; only for so long can it really be an old one.
    return "out-of-order" if key.decoded_s < newest.decoded_s and silent_s < OLD_EPOCH_GONE_S else None
