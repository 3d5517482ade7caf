"""One stream of each of this module's cameras: started, changed and removed as the twin says, and watched from outside
their threads."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from safetygear.clock import Clock
from safetygear.errors import CameraError
from safetygear.messages.frames import CameraStatus, Stream
from safetygear.secret_references import Secret, SecretResolver
from safetygear_capture.camera_thread import CameraThread, FrameSink
from safetygear_capture.config import CameraConfig
from safetygear_capture.desk import CameraDesk
from safetygear_capture.handover import Handover
from safetygear_capture.reasons import explain
from safetygear_capture.sampler import TOLERANCE
from safetygear_capture.source import OpenSource, SourceRequest

OPEN_TIMEOUT_S: Final = 10.0
HUNG_AFTER_S: Final = 10.0
"""A call that is this much over its own time limit won't come back: its thread is left behind and replaced."""
MOST_HANGING: Final = 16
"""Left-behind threads hold memory and a socket each. With more than this the module ends, and edgeAgent restarts it."""
MOST_MAIN_HANGING: Final = 4
"""Main streams are no reason to end the module: with more hanging than this, they get no new threads."""
MOST_NAMED: Final = 20
"""Camera ids in an error."""

log = logging.getLogger(__name__)


class UnknownCameraError(CameraError):
    """No camera of that id is configured here."""

    default_code = "unknown-camera"


class CameraDisabledError(CameraError):
    """The camera is switched off by its configuration."""

    default_code = "camera-disabled"


class CameraRestartingError(CameraError):
    """The camera's last connection is still ending."""

    default_code = "camera-restarting"


def hung_after_s(config: CameraConfig) -> float:
    """Seconds in one call after which it won't come back. Opening takes up to two of its timeouts: each at most a stall
    budget."""
    return 2 * config.stall_budget_s + HUNG_AFTER_S


def _for_readers_only(before: CameraConfig, after: CameraConfig) -> bool:
    """Whether two configurations differ in nothing, or in what this module only hands on."""
    return msgspec.structs.replace(before, priority=after.priority) == after


@dataclass
class _Run:
    desk: CameraDesk
    thread: CameraThread | None


@dataclass(frozen=True)
class _Ending:
    """A thread that was asked to end."""

    thread: CameraThread
    late_s: float
    """Monotonic: when it counts as hanging."""


class Fleet:
    """Belongs to the event loop; nothing in it blocks. `stream`: which of the cameras' streams its are. `may_play` is
    asked, from any thread, before each attempt to open a camera's and while it plays."""

    def __init__(
        self,
        *,
        open_source: OpenSource,
        resolver: SecretResolver,
        make_sink: Callable[[str, CameraConfig], FrameSink],
        put: Callable[[Handover], None],
        clock: Clock,
        on_change: Callable[[], None],
        stream: Stream = "analysed",
        may_play: Callable[[str], bool] = lambda camera_id: True,
        look_up: Callable[[str], None] = lambda url: None,
    ) -> None:
        self._stream: Stream = stream
        self._may_play = may_play
        self._open_source = open_source
        self._look_up = look_up
        self._resolver = resolver
        self._make_sink = make_sink
        self._put = put
        self._clock = clock
        self._on_change = on_change
        self._runs: dict[str, _Run] = {}
        self._ending: list[_Ending] = []
        self.starts: Counter[str] = Counter()
        """Threads, by camera, since it was put in."""

    def apply(self, wanted: Mapping[str, CameraConfig]) -> None:
        """Start what is new, restart what has changed, stop what is gone; the rest is not touched, nor is what has
        another priority alone: a connection that is made anew is seconds of blindness."""
        earlier: dict[str, CameraStatus] = {}
        for camera_id in [*self._runs]:
            run = self._runs[camera_id]
            config = wanted.get(camera_id)
            if config is not None and _for_readers_only(run.desk.config, config):
                run.desk.config = config
            elif config != run.desk.config:
                log.info("camera %s: %s", run.desk.title, "removed" if config is None else "changed")
                self._stop(run)
                earlier[camera_id] = run.desk.status()
                del self._runs[camera_id]
                if config is None:
                    del self.starts[camera_id]
        for camera_id, config in wanted.items():
            if camera_id not in self._runs:
                self._start(camera_id, config, earlier.get(camera_id))
        self._on_change()

    def restart(self, camera_id: str) -> int:
        """End the camera's connection and begin a new one at once; its counts go on. How often it was started.

        Raises UnknownCameraError; CameraDisabledError; CameraRestartingError: an earlier connection is still ending, so
        that calls in a row make no crowd of threads.
        """
        run = self._runs.get(camera_id)
        if run is None:
            known = ", ".join(sorted(self._runs)[:MOST_NAMED]) or "none"
            raise UnknownCameraError(f"no camera of this id is configured; there are {known}")
        if not run.desk.config.enabled:
            raise CameraDisabledError("the camera is disabled; set its enabled to true in the twin")
        now_s = self._clock.monotonic_s()
        if any(
            ending.thread.camera_id == camera_id and ending.thread.is_alive() and now_s < ending.late_s
            for ending in self._ending
        ):
            raise CameraRestartingError("its last connection is still ending; try again in some seconds")
        log.info("camera %s: restarted by a method", run.desk.title)
        self._stop(run)
        earlier, no_reader = run.desk.status(), run.desk.no_reader
        self._start(camera_id, run.desk.config, earlier)
        self._runs[camera_id].desk.reader(no_reader)
        self._on_change()
        return self.starts[camera_id]

    def shards(self) -> set[str]:
        """The shards of all cameras."""
        return {run.desk.config.reader for run in self._runs.values()}

    def readers(self, missing: Callable[[str], str | None]) -> None:
        """Tell every camera whether its shard is read, or why not."""
        found = {shard: missing(shard) for shard in self.shards()}
        for run in self._runs.values():
            why = found[run.desk.config.reader]
            if run.desk.no_reader != why:
                run.desk.reader(why)

    def attend(self, wanted: Callable[[str, str], bool]) -> None:
        """Decode every frame, or key frames alone, of the cameras whose configuration leaves it open: `wanted` says it
        by shard and camera."""
        for camera_id, run in self._runs.items():
            if run.desk.config.frames == "key-frames-when-quiet":
                run.desk.every_frame = wanted(run.desk.config.reader, camera_id)

    def watch(self) -> None:
        """The watchdog, to be called about twice a second: stalls are named even while a call does not return."""
        for run in self._runs.values():
            if run.thread is None:
                continue
            if run.desk.overdue():
                run.desk.stalled()
            if run.desk.silent_s() >= hung_after_s(run.desk.config):
                self._replace(run)
        self._ending = [ending for ending in self._ending if ending.thread.is_alive()]

    def hanging(self) -> int:
        """Threads that were asked to end and don't come back."""
        now_s = self._clock.monotonic_s()
        return sum(
            now_s >= ending.late_s and ending.thread.is_alive() and not ending.thread.looks_up
            for ending in self._ending
        )

    def statuses(self) -> dict[str, list[CameraStatus]]:
        """Every camera's state, by shard, then sorted by id."""
        found: dict[str, list[CameraStatus]] = defaultdict(list)
        for _, run in sorted(self._runs.items()):
            found[run.desk.config.reader].append(run.desk.status())
        return dict(found)

    def streams(self, camera_id: str) -> bool:
        """Whether pictures of the camera come. From any thread."""
        run = self._runs.get(camera_id)
        return run is not None and run.desk.streams()

    def lacks_room(self) -> bool:
        """Whether pictures of a camera come and find no room in the frames folder."""
        return any(run.desk.sink_refusal == "ring-no-space" and run.desk.streams() for run in self._runs.values())

    def detail(self, camera_id: str, reason: str) -> str:
        """One line about the camera's attempt that ended for `reason`, if it was the last one; else empty."""
        run = self._runs.get(camera_id)
        return "" if run is None else run.desk.detail(reason)

    def stop(self) -> None:
        """Ask every thread to end. They are daemons: one that hangs does not hold up the exit."""
        for run in self._runs.values():
            self._stop(run)
        self._runs.clear()

    def running(self) -> int:
        """Threads that have not ended yet, of those that were asked to and of the others."""
        threads = [run.thread for run in self._runs.values() if run.thread is not None]
        return sum(thread.is_alive() for thread in (*threads, *(ending.thread for ending in self._ending)))

    def _start(self, camera_id: str, config: CameraConfig, earlier: CameraStatus | None) -> None:
        desk = CameraDesk(camera_id, config, self._clock, self._on_change, earlier, stream=self._stream)
        desk.reader("no-reader")  # until one is seen
        run = self._runs[camera_id] = _Run(desk, None)
        if config.enabled:
            self._launch(run)
        else:
            desk.idle("disabled")

    def _launch(self, run: _Run, *, hardware_failed: bool = False) -> None:
        desk, config = run.desk, run.desk.config
        run.thread = CameraThread(
            desk,
            open_source=self._open_source,
            request=lambda: self._request(config),
            sink=self._make_sink(desk.camera_id, config),
            put=self._put,
            clock=self._clock,
            may_play=lambda: self._may_play(desk.camera_id),
            look_up=self._look_up,
            hardware_failed=hardware_failed,
        )
        self.starts[desk.camera_id] += 1
        run.thread.start()

    def _replace(self, run: _Run) -> None:
        assert run.thread is not None
        if self._stream == "main" and self.hanging() >= MOST_MAIN_HANGING:
            # When the call comes back, its thread goes on by itself.
            run.desk.failed("hung", explain("hung"))
            return
        log.error("camera %s: a call into the video library hangs; it gets a new thread", run.desk.title)
        self._end(run.thread, late_s=self._clock.monotonic_s())
        run.desk.failed("hung", explain("hung"))
        # Perhaps it is the GPU's driver, which would hang again and again, until the module ends with all its cameras.
        self._launch(run, hardware_failed=run.desk.decoding.decoder == "vaapi")

    def _stop(self, run: _Run) -> None:
        if run.thread is not None:
            self._end(run.thread, late_s=self._clock.monotonic_s() + hung_after_s(run.desk.config))

    def _end(self, thread: CameraThread, late_s: float) -> None:
        thread.stop()
        self._ending.append(_Ending(thread, late_s))

    def _request(self, config: CameraConfig) -> SourceRequest:
        """Secrets are read at each attempt: a file that was put right works without a restart. Raises TwinError."""
        return SourceRequest(
            url=config.analysed_url,
            username=self._username(config.username),
            password=self._resolver.resolve(config.password) if config.password is not None else None,
            transport=config.transport,
            tls_verify=config.tls_verify,
            open_timeout_s=min(OPEN_TIMEOUT_S, config.stall_budget_s),
            # FFmpeg notices silence after one to two of these.
            read_timeout_s=config.stall_budget_s / 2,
            key_frames_apart_s=None if config.frames == "all" else (1 - TOLERANCE) / config.analysed_fps,
            keeps_between=config.frames == "key-frames-when-quiet",
            decode=config.decode,
        )

    def _username(self, text: str | None) -> Secret | None:
        if text is None:
            return None
        return self._resolver.resolve(text) if text.startswith(("env:", "file:")) else Secret(text)
