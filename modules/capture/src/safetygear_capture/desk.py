"""What the threads know together about one camera: its thread writes, the event loop reads and watches."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable

from safetygear.clock import Clock, rfc3339
from safetygear.messages.frames import CameraStatus, Stream
from safetygear_capture.camera import STEADY_S, Camera
from safetygear_capture.config import CameraConfig
from safetygear_capture.decoding import SOFTWARE

RATE_WINDOW_S = 10.0


class CameraDesk:
    """Thread-safe. `on_change` is called, from any thread, when state or reason has changed.

    `earlier`: what was counted under an earlier configuration of the same camera, to go on from. `stream`: which of the
    camera's it is about.
    """

    def __init__(
        self,
        camera_id: str,
        config: CameraConfig,
        clock: Clock,
        on_change: Callable[[], None],
        earlier: CameraStatus | None = None,
        *,
        stream: Stream = "analysed",
    ) -> None:
        self.camera_id = camera_id
        self.stream: Stream = stream
        self.config = config
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._camera = Camera(
            stall_budget_s=config.stall_budget_s,
            now_s=clock.monotonic_s(),
            # A main stream is none while the analysed one beside it may have stalled unseen.
            steady_s=STEADY_S if stream == "analysed" else STEADY_S + config.stall_budget_s,
        )
        self._frames_decoded = earlier.frames_decoded if earlier else 0
        self._frames_sent = earlier.frames_sent if earlier else 0
        self._dropped: Counter[str] = Counter(earlier.dropped if earlier else {})
        self._kept: Counter[str] = Counter(earlier.kept if earlier else {})
        self._streamed_before_s = earlier.seconds_streaming if earlier else 0.0
        self._decoded_times_s: deque[float] = deque()
        self._size: tuple[int, int] | None = None
        self.codec: str | None = None
        """Of the newest stream. That it is another track's shows with its first packet."""
        self.every_frame = config.frames == "all"
        """Whether all pictures are to be decoded; the event loop changes it where the configuration leaves it open."""
        self.decoding = SOFTWARE
        """Of the newest stream."""
        self._frozen_s = earlier.seconds_frozen if earlier else 0.0
        self._no_reader: str | None = None
        self._sink_refusal: str | None = None
        self._ended = ("", "")
        self._since: tuple[float, str] = (-1.0, "")
        self._called_s: float | None = None

    @property
    def title(self) -> str:
        """For people."""
        return self.camera_id if self.stream == "analysed" else f"{self.camera_id}, main stream"

    @property
    def no_reader(self) -> str | None:
        """Why nobody can read this camera's frames; None: somebody does."""
        return self._no_reader

    @property
    def sink_refusal(self) -> str | None:
        """Why the last frame could not be handed over; None: it could."""
        return self._sink_refusal

    def detail(self, reason: str) -> str:
        """One line about the attempt that ended for `reason`, if it was the last one; holds no secret."""
        ended_for, detail = self._ended
        return detail if ended_for == reason else ""

    def connecting(self) -> None:
        self._called_s = self._clock.monotonic_s()
        self._tell(lambda camera, now_s: camera.connecting(now_s))

    def opened(self, codec: str) -> None:
        with self._lock:
            self.codec = codec
            self._called_s = self._clock.monotonic_s()
            self._camera.opened(self._called_s)

    def packet(self, *, awaits_key_frame: bool = False) -> None:
        """A call into the video library came back with something."""
        self._called_s = self._clock.monotonic_s()
        if awaits_key_frame:
            self._tell(lambda camera, now_s: camera.packet(now_s, awaits_key_frame=True))
            return
        with self._lock:
            self._camera.packet(self._called_s)

    def silent_s(self) -> float:
        """How long the thread has been in one call into the video library; 0 while it is in none."""
        called_s = self._called_s
        return 0.0 if called_s is None else self._clock.monotonic_s() - called_s

    def decoded(self, width: int, height: int, now_s: float) -> int:
        """A sound picture at `now_s` (monotonic); its number."""
        with self._lock:
            before = self._camera.shown[0]
            self._frames_decoded += 1
            self._decoded_times_s.append(now_s)
            while self._decoded_times_s[0] <= now_s - RATE_WINDOW_S:
                self._decoded_times_s.popleft()
            self._size = (width, height)
            self._camera.decoded(now_s)
            number, changed = self._frames_decoded, self._camera.shown[0] != before
        if changed:
            self._on_change()
        return number

    def corrupt(self) -> None:
        """A damaged picture: counted, and no proof of life."""
        with self._lock:
            self._frames_decoded += 1
            self._dropped["corrupt"] += 1
            self._camera.damaged()

    def flawed(self, reason: str | None, frozen_s: float) -> None:
        with self._lock:
            self._frozen_s = frozen_s
        self._tell(lambda camera, now_s: camera.flawed(reason, now_s))

    def reader(self, missing: str | None) -> None:
        """Why nobody can read this camera's frames: then none is handed over. None: a reader was seen lately."""
        self._no_reader = missing
        self._tell(self._block)

    def sink(self, refusal: str | None) -> None:
        """Whether frames can be handed over; the reason why not."""
        self._sink_refusal = refusal
        self._tell(self._block)

    def overdue(self) -> bool:
        with self._lock:
            return self._camera.overdue(self._clock.monotonic_s())

    def verdict(self) -> str:
        """Why no sound picture comes."""
        with self._lock:
            return self._camera.verdict(self._clock.monotonic_s())

    def given_up(self) -> str | None:
        """Why the watchdog has ended this attempt, which thus has to end; None where it has not."""
        with self._lock:
            return self._camera.given_up()

    def stalled(self) -> None:
        self._tell(lambda camera, now_s: camera.stalled(now_s))

    def failed(self, reason: str, detail: str) -> float:
        """The attempt ended; seconds until the next one."""
        self._called_s = None
        self._ended = (reason, detail)
        pause_s = 0.0

        def fail(camera: Camera, now_s: float) -> None:
            nonlocal pause_s
            pause_s = camera.failed(reason, now_s)

        self._tell(fail)
        return pause_s

    def idle(self, reason: str) -> None:
        self._tell(lambda camera, now_s: camera.idle(reason, now_s))

    def sent(self) -> None:
        """The hub has taken a reference."""
        with self._lock:
            self._frames_sent += 1

    def dropped(self, reason: str) -> None:
        with self._lock:
            self._dropped[reason] += 1

    def kept(self, outcomes: Counter[str]) -> None:
        """What became of pictures that were kept between key frames, since the last call."""
        with self._lock:
            self._kept.update(outcomes)

    def streams(self) -> bool:
        """Whether pictures come, even if nobody takes them."""
        with self._lock:
            return self._camera.shown[0] in ("streaming", "paused")

    def status(self) -> CameraStatus:
        """For the message that goes out each second."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            shown = self._camera.snapshot(now_s)
            recent = sum(1 for time_s in self._decoded_times_s if time_s > now_s - RATE_WINDOW_S)
            streaming = shown.state in ("streaming", "paused")
            width, height = self._size if self._size is not None and streaming else (None, None)
            if self._since[0] != shown.since_s:
                # Once per state: worked out each time, it would follow every correction of the wall clock.
                self._since = (shown.since_s, rfc3339(self._clock.now_s() - (now_s - shown.since_s)))
            return CameraStatus(
                camera=self.camera_id,
                state=shown.state,
                reason=shown.reason,
                since=self._since[1],
                stall_budget_s=self.config.stall_budget_s,
                frames_decoded=self._frames_decoded,
                frames_sent=self._frames_sent,
                dropped=dict(self._dropped),
                decoded_fps=round(recent / RATE_WINDOW_S, 2),
                width=width,
                height=height,
                codec=self.codec if streaming else None,
                seconds_streaming=round(self._streamed_before_s + shown.seconds_streaming, 3),
                seconds_frozen=round(self._frozen_s, 3),
                priority=self.config.priority,
                frames=self.config.frames,
                every_frame=self.every_frame,
                kept=dict(self._kept),
                decoder=self.decoding.decoder if streaming else None,
                decoder_reason=self.decoding.reason if streaming else "",
            )

    def _block(self, camera: Camera, now_s: float) -> None:
        camera.blocked(self._no_reader or self._sink_refusal, now_s)

    def _tell(self, happening: Callable[[Camera, float], None]) -> None:
        with self._lock:
            before = self._camera.shown
            happening(self._camera, self._clock.monotonic_s())
            changed = self._camera.shown != before
        if changed:
            self._on_change()
