"""The thread of one camera's stream: open, decode, judge, hand over, and begin again. It talks to the rest through its
desk only."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from safetygear.clock import Clock
from safetygear.errors import CameraError, TwinError
from safetygear.messages.frames import FrameReference
from safetygear_capture.decoding import FAILED, Decoding
from safetygear_capture.desk import CameraDesk
from safetygear_capture.freeze import FreezeDetector
from safetygear_capture.handover import Handover
from safetygear_capture.reasons import GAVE_WAY, explain
from safetygear_capture.sampler import Sampler, phase_of
from safetygear_capture.source import DecodedFrame, FrameMoment, FrameSource, OpenSource, Planes, SourceRequest
from safetygear_capture.timestamps import CaptureClock, LagMeter, PtsValidator

LOOK_AGAIN_S: Final = 0.1
"""Between two questions whether the stream may play."""
UNDECODED: Final = frozenset({"wrong-codec", "corrupt", "no-key-frame"})
"""How an attempt ends in which packets come and no sound picture. Where only key frames are decoded, it looks as if
none came when none can be decoded."""

log = logging.getLogger(__name__)


class FrameSink(Protocol):
    """Where a frame's pixels go: `camera_ring.CameraRing` or `jpeg_sink.JpegSink`."""

    def hand_over(self, planes: Planes, moment: FrameMoment) -> tuple[FrameReference, bytes | None]:
        """Raises CameraError: the frame is dropped, its code is the reason; the stream goes on."""
        ...

    def close(self) -> None: ...


class CameraThread(threading.Thread):
    """Runs until `stop`."""

    def __init__(
        self,
        desk: CameraDesk,
        *,
        open_source: OpenSource,
        request: Callable[[], SourceRequest],
        sink: FrameSink,
        put: Callable[[Handover], None],
        clock: Clock,
        may_play: Callable[[], bool] = lambda: True,
        look_up: Callable[[str], None] = lambda url: None,
        hardware_failed: bool = False,
    ) -> None:
        """`may_play` is asked before each attempt, which waits for it, and with each packet, which else is the last.
        `look_up`: see host_names.py. `hardware_failed`: no GPU is tried, whatever is asked for."""
        name = "camera" if desk.stream == "analysed" else "main-stream"
        super().__init__(name=f"{name}-{desk.camera_id}", daemon=True)
        self._desk = desk
        self._open_source = open_source
        self._request = request
        self._sink = sink
        self._put = put
        self._clock = clock
        self._may_play = may_play
        self._look_up = look_up
        self.looks_up = False
        """Whether it waits for DNS: that takes long where no name server answers, and ends."""
        self._ended = threading.Event()
        self._hardware_failed = hardware_failed
        self._capture_clock = CaptureClock()

    @property
    def camera_id(self) -> str:
        return self._desk.camera_id

    def stop(self) -> None:
        """End soon: with the packet that is being read, at the latest with its timeout.

        One that hangs tells its desk nothing any more when it comes back.
        """
        self._ended.set()

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                if not self._may_play():
                    self._ended.wait(LOOK_AGAIN_S)
                    continue
                reason, detail = self._attempt()
                if self._ended.is_set():
                    break
                pause_s = self._desk.failed(reason, detail)
                log.debug("camera %s: %s; next attempt in %.1f s", self._desk.title, reason, pause_s)
                self._ended.wait(pause_s)
        finally:
            # A ring that has taken this one's name meanwhile stays.
            self._sink.close()

    def _attempt(self) -> tuple[str, str]:
        """Stream until something ends it; the reason, and a line about it."""
        source: FrameSource | None = None
        try:
            self._look_up_host()
            if self._ended.is_set():
                return "stopping", ""
            self._desk.connecting()
            request = self._request()
            if self._hardware_failed:
                request = dataclasses.replace(request, decode="software")
            source = self._open_source(request)
            if self._ended.is_set():
                return "stopping", ""
            self._desk.decoding = Decoding("software", FAILED) if self._hardware_failed else source.decoding
            self._desk.opened(source.codec)
            self._capture_clock.connected()
            _Play(
                self._desk, source, self._sink, self._put, self._clock, self._capture_clock, self._ended, self._may_play
            ).run()
        except (CameraError, TwinError) as exc:
            if source is not None and source.decoding.decoder == "vaapi" and exc.code in UNDECODED:
                # Perhaps it's the GPU: the next attempt, and all after it, go without.
                self._hardware_failed = True
            if exc.code == GAVE_WAY:
                self._sink.close()  # it makes room, too
            return exc.code, str(exc)
        except Exception:
            # One camera's surprise must not end the others; the log has the place.
            log.exception("camera %s: unexpected error", self._desk.title)
            return "internal", explain("internal")
        finally:
            if source is not None:
                with contextlib.suppress(Exception):
                    source.close()
        return "stopping", ""

    def _look_up_host(self) -> None:
        # Before `connecting`, from which on the watchdog takes a long call for one that hangs.
        self.looks_up = True
        try:
            self._look_up(self._desk.config.analysed_url)
        finally:
            self.looks_up = False


class _Play:
    """One connection's decoding: all that is judged starts anew with it, but for what `capture_clock` keeps."""

    def __init__(
        self,
        desk: CameraDesk,
        source: FrameSource,
        sink: FrameSink,
        put: Callable[[Handover], None],
        clock: Clock,
        capture_clock: CaptureClock,
        ended: threading.Event,
        may_play: Callable[[], bool],
    ) -> None:
        config = desk.config
        self._desk = desk
        self._source = source
        self._sink = sink
        self._put = put
        self._clock = clock
        self._ended = ended
        self._may_play = may_play
        self._sampler = Sampler(config.analysed_fps, phase_of(desk.camera_id))
        self._freeze = FreezeDetector(config.freeze_after_s)
        self._frozen_before_s = desk.status().seconds_frozen
        self._media_time = PtsValidator()
        self._capture_clock = capture_clock
        self._lag = LagMeter()
        self._catching_up = False
        self._between = False
        self._kept_told: Counter[str] = Counter()

    def run(self) -> None:
        """Until the thread is to end. Raises CameraError."""
        while not self._ended.is_set():
            if self._desk.every_frame != self._between and self._desk.config.frames == "key-frames-when-quiet":
                self._between = self._desk.every_frame
                self._source.decode_between(self._between)
            try:
                frames = self._source.read()
            except CameraError as exc:
                failure = self._desk.verdict() if exc.code == "stall" else exc.code
                raise CameraError(explain(failure), code=failure) from exc
            if self._ended.is_set():
                return
            if not self._may_play():
                raise CameraError(explain(GAVE_WAY), code=GAVE_WAY)
            self._desk.packet(awaits_key_frame=self._source.awaits_key_frame)
            if self._source.decoding.reason:
                self._desk.decoding = self._source.decoding
            self._desk.codec = self._source.codec
            if self._source.kept_outcomes != self._kept_told:
                outcomes = Counter(self._source.kept_outcomes)
                self._desk.kept(outcomes - self._kept_told)
                self._kept_told = outcomes
            for frame in frames:
                self._take(frame)
            # The watchdog may have been first: packets without a picture would go on under its verdict for ever.
            code = self._desk.verdict() if self._desk.overdue() else self._desk.given_up()
            if code is not None:
                if self._catching_up:
                    # Only key frames were looked at and none came, which says nothing about the camera.
                    code = "lagging"
                raise CameraError(explain(code), code=code)

    def _take(self, frame: DecodedFrame) -> None:
        now_s, wall_s = self._clock.monotonic_s(), self._clock.now_s()
        if frame.corrupt:
            self._desk.corrupt()
            return
        number = self._desk.decoded(frame.width, frame.height, now_s)
        if self._media_time.look(frame.pts_s, now_s):
            self._lag.restart()
        self._lag.look(frame.pts_s, now_s, waited=frame.waited)
        if self._lag.lagging != self._catching_up:
            self._catching_up = self._lag.lagging
            self._source.key_frames_only(self._catching_up)
        timing = self._media_time.reason(now_s)
        captured = self._capture_clock.judge(
            frame.camera_s, wall_s, now_s, sound=timing is None, late_s=self._media_time.late_s
        )
        if not self._sampler.due(now_s):
            self._desk.dropped("above-rate")
            return
        planes = frame.load()
        self._freeze.look(planes.arrays[0], now_s)
        flaw = "frozen" if self._freeze.frozen else timing or ("lagging" if self._catching_up else None)
        if flaw is None and captured.reason in ("camera-clock-off", "camera-clock-backwards"):
            flaw = captured.reason
        self._desk.flawed(flaw, self._frozen_before_s + self._freeze.frozen_s)
        missing = self._desk.no_reader
        if missing is not None:
            self._desk.dropped(missing)
            return
        moment = FrameMoment(number, frame.width, frame.height, captured.time_s, captured.clock, wall_s, now_s)
        try:
            reference, jpeg = self._sink.hand_over(planes, moment)
        except CameraError as exc:
            self._desk.dropped(exc.code)
            if self._desk.sink_refusal != exc.code:
                log.error("camera %s: %s: %s", self._desk.title, exc.code, exc)  # noqa: TRY400  # one line is right
                self._desk.sink(exc.code)
            return
        if self._desk.sink_refusal is not None:
            self._desk.sink(None)
        desk = self._desk

        def outcome(dropped: str | None) -> None:
            if dropped is None:
                desk.sent()
            else:
                desk.dropped(dropped)

        self._put(Handover(desk.config.reader, reference, outcome, jpeg, desk.stream))
