"""What was really watched. Pure: monotonic seconds passed in.

A frame that was analysed, or found to be as one that was, covers its camera until the next one, but for `COVERS_S` at
most: beyond that the camera is blind. A frozen picture covers nothing: capture reports how long it has lasted, and what
was covered of that time counts as blind. Watched and blind always add up to the period.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from safetygear.messages.frames import CamerasMessage, CameraState, CameraStatus
from safetygear.messages.health import CameraHealth, LatencyPercentiles

N = TypeVar("N", int, float)

COVERS_S = 2.0
"""How long an analysed picture stands for its camera: a walking person crosses a few metres in it."""
SILENT_AFTER_S = 5.0
"""A capture module that has said nothing for so long is down, and so are its cameras for us. A camera that sends frames
and that no module of its shard has named for so long is none."""
SPANS_KEPT = 2048
"""Of covered time, per camera, the oldest go: it is taken back where the picture turns out to have been frozen. More
than an hour, the longest `freezeAfterS`, even where every picture leaves a gap behind it."""
LATENCIES_KEPT = 4096
"""Per camera and period; 30 fps for two minutes."""
FROZEN = "frozen"
"""Capture's reason for it."""


@dataclass
class _Capture:
    """The newest counters of a camera and those at the start of the period, of one capture process."""

    started_at: str
    status: CameraStatus


class _Span(NamedTuple):
    """Covered time, monotonic seconds."""

    from_s: float
    to_s: float
    dark: bool
    blurred: bool


@dataclass
class _Camera:
    state: CameraState = "streaming"
    reason: str = "no-status"
    shard: str | None = None
    instance: str | None = None
    """The capture module that named it last; None: only its frames have come so far."""
    first_s: float = 0.0
    capture: _Capture | None = None
    last_looked_s: float | None = None
    frozen: bool = False
    """What comes is the same picture again and again, as far as capture has told: it covers nothing."""
    dark: bool = False
    blurred: bool = False
    spans: deque[_Span] = field(default_factory=lambda: deque(maxlen=SPANS_KEPT))
    covered_s: float = 0.0
    """Of this period, less what a frozen picture took back of it or of earlier ones; so are the next two."""
    dark_s: float = 0.0
    blurred_s: float = 0.0
    frozen_s: float = 0.0
    frames_in: int = 0
    analysed: int = 0
    gated: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)

    def looked(self, now_s: float, *, dark: bool, blurred: bool) -> None:
        """A frame has been looked at."""
        self.last_looked_s = None if self.frozen else now_s
        self.dark, self.blurred = dark, blurred

    def cover(self, from_s: float, to_s: float) -> None:
        """The last analysed picture covers this time."""
        span = _Span(from_s, to_s, self.dark, self.blurred)
        if self.spans and self.spans[-1].to_s >= from_s and self.spans[-1][2:] == span[2:]:
            self.spans[-1] = self.spans[-1]._replace(to_s=to_s)
        else:
            self.spans.append(span)
        self._book(span, 1)

    def uncover(self, from_s: float) -> None:
        """The pictures since then were all the same one. What was not covered anyway is not taken back."""
        while self.spans and self.spans[-1].to_s > from_s:
            span = self.spans.pop()
            if span.from_s < from_s:
                self.spans.append(span._replace(to_s=from_s))
            self._book(span._replace(from_s=max(span.from_s, from_s)), -1)

    def _book(self, span: _Span, sign: int) -> None:
        seconds = sign * (span.to_s - span.from_s)
        self.covered_s += seconds
        self.dark_s += seconds if span.dark else 0.0
        self.blurred_s += seconds if span.blurred else 0.0


class Coverage:
    """The account of all cameras over one period after the other."""

    def __init__(self, now_s: float) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._shards_heard_s: dict[str, float] = {}
        self._instances_heard_s: dict[tuple[str, str | None], float] = {}
        self._period_start_s = now_s
        self._integrated_to_s = now_s

    def expect(self, shards: tuple[str, ...], now_s: float) -> None:
        """Shards that this instance reads: each is silent from `SILENT_AFTER_S` on until it is heard."""
        for shard in shards:
            self._shards_heard_s.setdefault(shard, now_s)

    def cameras(self, message: CamerasMessage, now_s: float) -> list[str]:
        """Take in what one capture module says of its part of a shard; returns the cameras that it no longer has."""
        self._advance(now_s)
        owner = message.shard, message.instance
        self._shards_heard_s[message.shard] = self._instances_heard_s[owner] = now_s
        named = set()
        for status in message.cameras:
            named.add(status.camera)
            self._status(status, message, now_s)
        gone = [
            name
            for name, camera in self._cameras.items()
            if name not in named
            and camera.shard == message.shard
            and (
                camera.instance == message.instance
                or (camera.instance is None and now_s - camera.first_s > SILENT_AFTER_S)
            )
        ]
        for name in gone:
            del self._cameras[name]
        self._forget_idle_instances()
        return gone

    def analysed(self, camera: str, shard: str, *, dark: bool, blurred: bool, latency_ms: float, now_s: float) -> None:
        """A frame of the camera was analysed. `latency_ms`: capture to message."""
        self._advance(now_s)
        account = self._account(camera, shard, now_s)
        account.looked(now_s, dark=dark, blurred=blurred)
        account.analysed += 1
        if len(account.latencies_ms) < LATENCIES_KEPT:
            account.latencies_ms.append(latency_ms)

    def gated(self, camera: str, shard: str, *, dark: bool, blurred: bool, now_s: float) -> None:
        """A frame of the camera was found to be as one that was analysed: it covers as much."""
        self._advance(now_s)
        account = self._account(camera, shard, now_s)
        account.looked(now_s, dark=dark, blurred=blurred)
        account.gated += 1

    def dropped(self, camera: str, shard: str, reason: str) -> None:
        """A frame of the camera was dropped in this module."""
        self._account(camera, shard, self._integrated_to_s).dropped[reason] += 1

    def names(self) -> frozenset[str]:
        """The cameras that there are."""
        return frozenset(self._cameras)

    def silent_shards(self, now_s: float) -> list[str]:
        """Shards from which nothing was heard for `SILENT_AFTER_S`, or nothing of a module that has cameras in them."""
        silent = {shard for shard, heard_s in self._shards_heard_s.items() if now_s - heard_s > SILENT_AFTER_S}
        return sorted(silent | {shard for shard, _ in self._silent_instances(now_s)})

    def close_period(self, now_s: float) -> list[CameraHealth]:
        """The account since the last call, one entry per camera, sorted; the next period starts now."""
        self._advance(now_s)
        period_s = now_s - self._period_start_s
        silent = self._silent_instances(now_s)
        healths = [
            _health(name, camera, period_s, silent=(camera.shard, camera.instance) in silent)
            for name, camera in sorted(self._cameras.items())
        ]
        for camera in self._cameras.values():
            camera.covered_s = camera.dark_s = camera.blurred_s = camera.frozen_s = 0.0
            camera.frames_in = camera.analysed = camera.gated = 0
            camera.dropped.clear()
            camera.latencies_ms.clear()
        self._period_start_s = now_s
        return healths

    def _account(self, camera: str, shard: str, now_s: float) -> _Camera:
        account = self._cameras.get(camera)
        if account is None:
            account = self._cameras[camera] = _Camera(shard=shard, first_s=now_s)
        return account

    def _silent_instances(self, now_s: float) -> set[tuple[str, str | None]]:
        """(shard, instance) of each capture module that is down."""
        silent = {owner for owner, heard_s in self._instances_heard_s.items() if now_s - heard_s > SILENT_AFTER_S}
        # What is not known to be any module's is as silent as its whole shard.
        return silent | {
            (shard, None) for shard, heard_s in self._shards_heard_s.items() if now_s - heard_s > SILENT_AFTER_S
        }

    def _forget_idle_instances(self) -> None:
        """A module without a camera has nothing to be silent about; where it got another name, it is no other's."""
        owners = {(camera.shard, camera.instance) for camera in self._cameras.values()}
        for owner in self._instances_heard_s.keys() - owners:
            del self._instances_heard_s[owner]

    def _advance(self, now_s: float) -> None:
        """Book the time since the last call: what the last analysed frame of each camera still covers of it."""
        since_s = self._integrated_to_s
        for camera in self._cameras.values():
            if camera.last_looked_s is None:
                continue
            to_s = min(now_s, camera.last_looked_s + COVERS_S)
            if to_s > since_s:
                camera.cover(since_s, to_s)
        self._integrated_to_s = max(now_s, since_s)

    def _status(self, status: CameraStatus, message: CamerasMessage, now_s: float) -> None:
        camera = self._cameras.setdefault(status.camera, _Camera())
        camera.state, camera.reason = status.state, status.reason
        camera.shard, camera.instance = message.shard, message.instance
        if camera.capture is not None:
            # Counters run from the start of the capture process: after a restart they begin again at 0.
            before = camera.capture.status if camera.capture.started_at == message.started_at else None
            camera.frames_in += _gain(status.frames_decoded, before.frames_decoded if before else 0)
            frozen_s = _gain(status.seconds_frozen, before.seconds_frozen if before else 0.0)
            if frozen_s:
                camera.frozen_s += frozen_s
                camera.uncover(now_s - frozen_s)
            for reason, count in status.dropped.items():
                gained = _gain(count, before.dropped.get(reason, 0) if before else 0)
                if gained:
                    camera.dropped[reason] += gained
        if status.state == "streaming":
            # One that ends keeps it: frames that are still on their way are as frozen.
            camera.frozen = status.reason == FROZEN
        if camera.frozen:
            camera.last_looked_s = None
        camera.capture = _Capture(message.started_at, status)


def _health(name: str, camera: _Camera, period_s: float, *, silent: bool) -> CameraHealth:
    frozen_s = min(camera.frozen_s, period_s)
    watched_s = min(max(0.0, camera.covered_s), period_s)
    return CameraHealth(
        camera=name,
        state="silent" if silent else camera.state,
        reason="capture-silent" if silent else camera.reason,
        seconds_watched=round(watched_s, 3),
        seconds_blind=max(0.0, round(period_s - round(watched_s, 3), 3)),  # what is rounded up may be more than all
        seconds_frozen=round(frozen_s, 3),
        seconds_dark=round(min(max(0.0, camera.dark_s), watched_s), 3),
        seconds_blurred=round(min(max(0.0, camera.blurred_s), watched_s), 3),
        frames_in=camera.frames_in,
        analysed=camera.analysed,
        gated=camera.gated,
        dropped=dict(sorted(camera.dropped.items())),
        latency_ms=percentiles(camera.latencies_ms),
    )


def percentiles(latencies_ms: list[float]) -> LatencyPercentiles:
    """p50 and p95 by nearest rank; null for no values."""
    if not latencies_ms:
        return LatencyPercentiles()
    ordered = sorted(latencies_ms)
    p50, p95 = (ordered[max(0, -(-len(ordered) * percent // 100) - 1)] for percent in (50, 95))
    return LatencyPercentiles(p50=round(p50, 1), p95=round(p95, 1))


def _gain(now: N, before: N) -> N:
    return now - before if now > before else now - now
