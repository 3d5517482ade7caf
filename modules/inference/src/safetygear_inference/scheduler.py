"""Which frame is analysed next. Pure: no I/O, time passed in.

Per camera only the newest frame waits (a newer one supersedes it) and at most one is being analysed, so that results
keep their order. Each camera has a place in line, and of the waiting ones the foremost goes first; each start moves the
camera back by its own frame interval divided by its priority. So where not every frame can be analysed, each camera
keeps the same share of its rate, and one with twice the priority twice that share (start-time fair queueing: Goyal, Vin
and Cheng, 1996). A camera that waits keeps its place, so that none starves; one that had no frame for a while comes
`AHEAD_FRAMES` ahead of the others at most, and can't make up for the time before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

DropReason = Literal["shed", "superseded", "duplicate", "out-of-order", "stale", "too-many-cameras"]

F = TypeVar("F")

FIRST_INTERVAL_S = 0.2
"""A camera's interval until two of its frames have arrived: 5 fps, the default analysed rate."""
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.01, 10.0
OLD_EPOCH_GONE_S = 10.0
"""The hub has thrown away frames of an earlier writer by then (the template's routes keep them for 5 s)."""
INTERVAL_SMOOTHING = 0.2
"""Weight of the newest gap in the running mean of a camera's frame interval."""
LONGEST_GAP = 2.0
"""Intervals that a gap counts for at most: a camera that was away for an hour has not become a slow one."""
AHEAD_FRAMES = 4
"""A camera may lose so many turns to analyses that were under way, and get them back."""
SHED_SHARE = 0.5
"""A frame that waited for this part of its camera's interval before the next one came was shed: no worker had time for
it. One that waited less came in a burst, and is superseded."""


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
    place_s: float
    """In line: seconds of a time that passes with the analyses, the slower the more of them are shed."""
    newest: FrameKey
    last_offer_s: float
    priority: float
    interval_s: float = FIRST_INTERVAL_S
    gaps: int = 0
    waiting: _Waiting[F] | None = None
    last_start_s: float = 0.0
    analysing: bool = False

    @property
    def step_s(self) -> float:
        """How far back in line a start moves it."""
        return self.interval_s / self.priority

    def came(self, key: FrameKey, now_s: float) -> None:
        """A newer frame than all before."""
        gap_s = min(MAX_INTERVAL_S, max(MIN_INTERVAL_S, now_s - self.last_offer_s))
        self.gaps += 1
        share = 1 / self.gaps
        if share <= INTERVAL_SMOOTHING:
            share, gap_s = INTERVAL_SMOOTHING, min(gap_s, LONGEST_GAP * self.interval_s)
        # The plain mean at first: what the interval was taken for until now is not to count for seconds.
        self.interval_s += share * (gap_s - self.interval_s)
        self.newest, self.last_offer_s = key, now_s

    def urgency(self) -> tuple[float, float, str]:
        """The least goes first; at equal places the one that was not served for longest."""
        return self.place_s, self.last_start_s, self.newest.camera


class FrameScheduler(Generic[F]):
    """Offered frames in, the next frame to analyse out. `max_cameras` bounds what a stranger's ids can occupy."""

    def __init__(self, *, max_cameras: int = 256) -> None:
        self._cameras: dict[str, _Camera[F]] = {}
        self._priorities: dict[str, float] = {}
        self._served_s = 0.0
        """The place in line of the camera that was started last."""
        self._max_cameras = max_cameras
        self._forgotten: set[str] = set()
        """Cameras that were removed in the middle of an analysis, which may be back before it has ended."""

    def prioritise(self, camera: str, priority: float) -> None:
        """Of two cameras that can't be analysed at their full rates, one with twice the priority keeps twice the share.

        `priority` > 0; 1 for a camera that was not named.
        """
        if camera in self._priorities or len(self._priorities) < self._max_cameras:
            self._priorities[camera] = priority
        if camera in self._cameras:
            self._cameras[camera].priority = priority

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
            priority = self._priorities.get(key.camera, 1.0)
            camera = self._cameras[key.camera] = _Camera(self._served_s, key, now_s, priority)
            camera.analysing = key.camera in self._forgotten
        else:
            behind = _behind(key, camera.newest, silent_s=now_s - camera.last_offer_s)
            if behind is not None:
                return [(key, behind)]
            camera.came(key, now_s)
        if now_s > stale_after_s:
            return [(key, "stale")]
        dropped: list[tuple[FrameKey, DropReason]] = []
        if camera.waiting is None:
            camera.place_s = max(camera.place_s, self._served_s - AHEAD_FRAMES * camera.step_s)
        else:
            waited_s = now_s - camera.waiting.offered_s
            reason: DropReason = "shed" if waited_s >= SHED_SHARE * camera.interval_s else "superseded"
            dropped.append((camera.waiting.key, reason))
        camera.waiting = _Waiting(key, frame, now_s, stale_after_s)
        return dropped

    def next(self, now_s: float) -> tuple[Chosen[F] | None, list[tuple[FrameKey, DropReason]]]:
        """The frame to analyse now (None: nothing waits), and those dropped on the way that went stale in line."""
        dropped: list[tuple[FrameKey, DropReason]] = []
        best: _Camera[F] | None = None
        for camera in self._cameras.values():
            if camera.waiting is None or camera.analysing:
                continue
            if now_s > camera.waiting.stale_after_s:
                dropped.append((camera.waiting.key, "shed"))
                camera.waiting = None
            elif best is None or camera.urgency() < best.urgency():
                best = camera
        if best is None or best.waiting is None:
            return None, dropped
        waiting, best.waiting = best.waiting, None
        best.analysing, best.last_start_s = True, now_s
        self._served_s = max(self._served_s, best.place_s)
        best.place_s += best.step_s
        return Chosen(waiting.key, waiting.frame, now_s - waiting.offered_s), dropped

    def finished(self, camera: str) -> None:
        """The analysis of the camera's frame has ended, well or not: its next frame may start."""
        self._forgotten.discard(camera)
        known = self._cameras.get(camera)
        if known is not None:
            known.analysing = False

    def forget(self, camera: str) -> None:
        """The camera was removed: its waiting frame goes."""
        known = self._cameras.pop(camera, None)
        if known is not None and known.analysing:
            self._forgotten.add(camera)
        self._priorities.pop(camera, None)

    def waiting(self) -> int:
        """How many frames wait: at most one per camera."""
        return sum(camera.waiting is not None for camera in self._cameras.values())


def _behind(key: FrameKey, newest: FrameKey, *, silent_s: float) -> DropReason | None:
    """Why `key` is no newer than `newest`, which came `silent_s` ago: hubs deliver twice, and not in order."""
    if key.epoch == newest.epoch:
        if key.number == newest.number:
            return "duplicate"
        return "out-of-order" if key.number < newest.number else None
    # A wall clock that was set back makes a new writer look old; only for so long can it really be an old one.
    return "out-of-order" if key.decoded_s < newest.decoded_s and silent_s < OLD_EPOCH_GONE_S else None
