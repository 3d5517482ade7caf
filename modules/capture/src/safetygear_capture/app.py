"""The module put together: what runs, what depends on what, and in which order it stops."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from safetygear.clock import Clock, rfc3339
from safetygear.errors import CameraError
from safetygear.frames.ring import sweep_dead_rings
from safetygear.hub.methods import Methods
from safetygear.hub.port import HubHandlers, HubPort, IncomingMessage, Json
from safetygear.lifecycle import Lifecycle
from safetygear.logs import set_level
from safetygear.messages.codec import MessageError, decode
from safetygear.messages.frames import CameraStatus, ReadersMessage, Stream
from safetygear.problems import Problems
from safetygear.secret_references import SecretResolver
from safetygear.twin.last_good_keeper import LastGoodKeeper
from safetygear.twin.session import TwinSession
from safetygear_capture import __version__
from safetygear_capture.camera_methods import CameraMethods
from safetygear_capture.camera_ring import CameraRing
from safetygear_capture.camera_thread import FrameSink
from safetygear_capture.config import CameraConfig, CaptureTwin
from safetygear_capture.environment import Environment
from safetygear_capture.fleet import MOST_HANGING, Fleet
from safetygear_capture.handover import Mailbox
from safetygear_capture.jpeg_sink import JpegSink
from safetygear_capture.main_streams import MainStreams, analysed_stream_of
from safetygear_capture.metrics import CaptureMetrics
from safetygear_capture.publisher import Publisher
from safetygear_capture.readers import FileReaders, MessageReaders, Readers
from safetygear_capture.reasons import explain
from safetygear_capture.reporting import ReportedCameras, reported, unusable
from safetygear_capture.shards import placed
from safetygear_capture.source import OpenSource
from safetygear_capture.status_sender import StatusSender

READERS_INPUT: Final = "readers"
STATUS_METHODS: Final = ("getStatus", "status")
"""The second name is that of version 0.1's first weeks."""
WATCH_EVERY_S: Final = 0.5
TICK_S: Final = 1.0
STOP_S: Final = 2.0
"""For the camera threads to end by themselves; edgeAgent kills the module 10 s after SIGTERM."""

log = logging.getLogger(__name__)


class CaptureApp:
    """Everything of one module instance. `run` works until the lifecycle stops it or a task fails."""

    def __init__(
        self,
        environment: Environment,
        hub: HubPort,
        metrics: CaptureMetrics,
        clock: Clock,
        *,
        open_source: OpenSource,
        resolver: SecretResolver,
        look_up: Callable[[str], None] = lambda url: None,
    ) -> None:
        """`look_up`: see host_names.py."""
        self._environment = environment
        self._metrics = metrics
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._ring = environment.transport == "ring"
        self.problems: Problems[Literal["frames", "cameras", "twin"]] = Problems()
        self._readers: Readers = FileReaders(environment.frames_dir) if self._ring else MessageReaders()
        self._mailbox = Mailbox()
        self._publisher = Publisher(hub, self._mailbox)
        self._status = StatusSender(
            self._publisher,
            instance=environment.instance,
            statuses=self._statuses,
            missing=self._missing,
            clock=clock,
        )

        def fleet(stream: Stream, may_play: Callable[[str], bool]) -> Fleet:
            return Fleet(
                open_source=open_source,
                resolver=resolver,
                make_sink=lambda camera_id, config: self._make_sink(camera_id, config, stream),
                put=self._mailbox.put,
                clock=clock,
                on_change=self._status.changed,
                stream=stream,
                may_play=may_play,
                look_up=look_up,
            )

        self._room_lacks = False
        self._fleet = fleet("analysed", lambda camera_id: True)
        self._fleets = [self._fleet]
        if self._ring:
            # A wrong password is not tried twice as often, and a camera's last free session is not the main stream's.
            self._fleets.append(
                fleet("main", lambda camera_id: not self._room_lacks and self._fleet.streams(camera_id))
            )
        self._main_streams = MainStreams(self._fleets[1] if self._ring else None)
        self._reported = ReportedCameras()
        self._last_good = LastGoodKeeper(CaptureTwin, environment.data_dir, environment.owner, self.problems, clock)
        self._twin = TwinSession(
            CaptureTwin, hub, clock, apply=self._apply, report=self._report, last_good=self._last_good
        )
        self.methods = Methods()
        self.methods.add("ping", self._ping)
        for name in STATUS_METHODS:
            self.methods.add(name, self._get_status)
        CameraMethods(self._fleet, self._main_streams).add_to(self.methods)
        self._shards = CaptureTwin().shards
        self._unreadable = 0
        self._unusable: list[CameraStatus] = []

    def handlers(self) -> HubHandlers:
        """What the hub calls; to be set before it connects."""
        return HubHandlers(
            on_message=self._message,
            on_desired_patch=self._twin.on_patch,
            on_connection=self._twin.on_connection,
            on_method=self.methods,
        )

    async def run(self, lifecycle: Lifecycle, *watches: Coroutine[Any, Any, None]) -> None:
        """Work on a hub that is open. `watches` run beside it and end it by raising. Raises HubError, CameraError (too
        many threads hang), and what they do."""
        self._mailbox.bind(asyncio.get_running_loop())
        if self._ring:
            self._look_at_frames_folder()
            self._sweep()
        try:
            await self._twin.begin()
            async with asyncio.TaskGroup() as group:
                working = [
                    group.create_task(work, name=name)
                    for name, work in (
                        ("publisher", self._publisher.run()),
                        ("status", self._status.run()),
                        ("watchdog", self._watch()),
                        ("twin", self._twin.follow()),
                        ("reported", self._twin.keep_reported()),
                        ("last-good", self._last_good.run()),
                        ("tick", self._tick()),
                    )
                ] + [group.create_task(watch) for watch in watches]
                await lifecycle.stopping.wait()
                for task in working:
                    task.cancel()
        finally:
            await self._stop_cameras()

    def _apply(self, config: CaptureTwin) -> None:
        set_level(config.log_level or self._environment.log_level)
        self._unusable = unusable(self._twin.errors, config.cameras, rfc3339(self._clock.now_s()))
        self._shards = config.shards
        cameras = placed(config.cameras, config.shards)
        self._fleet.apply({name: analysed_stream_of(camera) for name, camera in cameras.items()})
        self._main_streams.apply(cameras)
        if config.cameras or self._unusable:
            self.problems.solved("cameras")
        else:
            self.problems.raised(
                "cameras",
                "no-camera",
                'no camera is configured: set this module\'s desired property cameras.<id> to {"url": "rtsp://…"}',
            )

    def _make_sink(self, camera_id: str, config: CameraConfig, stream: Stream) -> FrameSink:
        if self._ring:
            return CameraRing(self._environment.frames_dir, camera_id, config.analysed_fps, stream)
        return JpegSink(camera_id)

    def _missing(self, shard: str) -> str | None:
        return self._readers.missing(shard, self._clock.monotonic_s())

    def _wants_every_frame(self, shard: str, camera: str) -> bool:
        return self._readers.wants_every_frame(shard, camera, self._clock.monotonic_s())

    async def _watch(self) -> None:
        while True:
            for fleet in self._fleets:
                fleet.readers(self._missing)
                fleet.watch()
            self._fleet.attend(self._wants_every_frame)
            self._room_lacks = self._fleet.lacks_room()
            if self._fleet.hanging() > MOST_HANGING:
                raise CameraError(
                    f"more than {MOST_HANGING} calls into the video library hang; restarting frees them",
                    code="threads-exhausted",
                )
            await self._clock.sleep(WATCH_EVERY_S)

    async def _tick(self) -> None:
        while True:
            if self._ring:
                self._look_at_frames_folder()
            self._metrics.tick(
                cameras=self._cameras(),
                sent=self._publisher.sent,
                lost=self._publisher.lost,
                starts=self._fleet.starts,
                hanging=self._hanging(),
                problems=self.problems.as_document(),
            )
            self._metrics.last_good(self._last_good.outcomes)
            await self._clock.sleep(TICK_S)

    def _look_at_frames_folder(self) -> None:
        code, message = _folder_problem(self._environment.frames_dir) or ("", "")
        if code:
            self.problems.raised("frames", code, message)
        else:
            self.problems.solved("frames")

    def _sweep(self) -> None:
        try:
            for name in sweep_dead_rings(self._environment.frames_dir):
                log.info("removed ring %s, whose writer is dead", name)
        except OSError as exc:
            log.warning("rings of dead writers could not be looked for: %s", exc.strerror)

    def _statuses(self) -> dict[str, list[CameraStatus]]:
        # A shard without cameras has a reader too, which is to hear that it has none.
        statuses: dict[str, list[CameraStatus]] = {shard: [] for shard in self._shards} | self._fleet.statuses()
        if self._unusable:
            # Which shard would be theirs can't be known.
            statuses[self._shards[0]] = [*statuses[self._shards[0]], *self._unusable]
        return self._main_streams.beside(statuses)

    def _hanging(self) -> int:
        return sum(fleet.hanging() for fleet in self._fleets)

    def _cameras(self) -> list[CameraStatus]:
        return [status for statuses in self._statuses().values() for status in statuses]

    def _report(self) -> dict[str, Json]:
        now_s = self._clock.monotonic_s()
        for status in self._reported.update(self._cameras(), now_s):
            self._log(status, status.camera, self._fleet)
        cameras = self._reported.as_document()
        for status in self._main_streams.report(cameras, now_s):
            self._log(status, f"{status.camera}, main stream", self._main_streams)
        return reported(
            instance=self._environment.instance,
            desired_version=self._twin.desired_version,
            errors=self._twin.errors,
            cameras=cameras,
            problems=self.problems.as_document(),
        )

    def _log(self, status: CameraStatus, title: str, of: Fleet | MainStreams) -> None:
        if status.state in ("streaming", "idle", "connecting") and status.reason in ("ok", "starting", "disabled"):
            size = f", {status.width}x{status.height} {status.codec}" if status.codec else ""
            log.info("camera %s: %s%s", title, status.state, size)
            return
        detail = of.detail(status.camera, status.reason) or explain(status.reason)
        log.warning("camera %s: %s (%s): %s", title, status.state, status.reason, detail)

    def _message(self, message: IncomingMessage) -> None:
        try:
            if message.input == READERS_INPUT:
                self._readers.heard(decode(message.body, ReadersMessage), self._clock.monotonic_s())
        except MessageError as exc:
            self._unreadable += 1
            log.debug("a message of the input readers was dropped: %s", exc)

    async def _ping(self, payload: Json) -> Json:
        del payload
        return {"instance": self._environment.instance, "version": __version__, "uptimeS": self._uptime_s()}

    async def _get_status(self, payload: Json) -> Json:
        del payload
        return self._status_document() | {"uptimeS": self._uptime_s()}

    def _uptime_s(self) -> float:
        return round(self._clock.monotonic_s() - self._started_s, 1)

    def _status_document(self) -> dict[str, Json]:
        return self._report() | {
            "cameras": {status.camera: msgspec.to_builtins(status) for status in self._cameras()},
            "sent": dict(self._publisher.sent),
            "dropped": dict(self._publisher.lost),
            "threadsHanging": self._hanging(),
            "unreadableMessages": self._unreadable,
        }

    async def _stop_cameras(self) -> None:
        for fleet in self._fleets:
            fleet.stop()
        give_up_s = self._clock.monotonic_s() + STOP_S
        while self._running() and self._clock.monotonic_s() < give_up_s:
            await self._clock.sleep(0.05)
        if left := self._running():
            log.warning("%d camera threads did not end in time and are left behind", left)

    def _running(self) -> int:
        return sum(fleet.running() for fleet in self._fleets)


def _folder_problem(folder: Path) -> tuple[str, str] | None:
    if not folder.is_dir():
        return (
            "ring-folder-missing",
            f"{folder} is not there: mount the shared frames folder, or set SAFETYGEAR_FRAMES_DIR",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return "ring-not-writable", f"{folder} can't be written: it must belong to this process's user"
    return None
