"""The way of a frame through the module: inbox, scheduler, worker thread, publisher. One event loop, no locks."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from safetygear.clock import Clock
from safetygear.errors import ModelError, SafetyGearError
from safetygear.hub.port import IncomingMessage
from safetygear.messages.codec import MessageError
from safetygear.messages.frames import CamerasMessage
from safetygear.telemetry import MOST_LEFT
from safetygear_inference.analysis import Analysed, PictureWanted, Unchanged
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.config import InferenceTwin
from safetygear_inference.coverage import Coverage
from safetygear_inference.detectors import Model
from safetygear_inference.frame_listeners import FrameListeners, SeenFrame
from safetygear_inference.gating.gates import MotionGates
from safetygear_inference.intake import CAMERAS_INPUT, Arrival, Inbox, read_cameras, read_frames
from safetygear_inference.judging_desk import JudgingDesk
from safetygear_inference.key_frames.newest import KeyFrames
from safetygear_inference.live import LiveState
from safetygear_inference.metrics import InferenceMetrics
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.detections import detections_message, latency_ms
from safetygear_inference.publishing.publisher import Publisher
from safetygear_inference.scheduler import FrameKey, FrameScheduler
from safetygear_inference.second_look.desk import SecondLookDesk
from safetygear_inference.visibility import Visibility

VISIBILITY_EVERY_S = 1.0
"""Light and focus change slowly: they are measured on one frame a second of each camera."""
FAILURE_SHOWN_S = 10.0
"""The problem `analysis` is over when no frame has failed for so long."""
HUNG_AFTER_S = 60
"""An analysis takes milliseconds; one that takes this long won't come back."""
MAX_CAMERAS = 256
"""Ids come in messages: more than a site can have would only fill the memory."""

log = logging.getLogger(__name__)


class Pipeline:
    """Belongs to the event loop that runs `run`."""

    def __init__(
        self,
        *,
        shards: tuple[str, ...],
        pool: AnalysisPool,
        publisher: Publisher,
        coverage: Coverage,
        judging: JudgingDesk,
        second_look: SecondLookDesk,
        live: LiveState,
        metrics: InferenceMetrics,
        problems: Problems,
        clock: Clock,
    ) -> None:
        self.config = InferenceTwin()
        self.no_gate: Callable[[], bool] = lambda: False
        """Whether every frame is to be analysed for now."""
        self.inbox = Inbox()
        self.refused: Counter[str] = Counter()
        """Messages since the start that could not be used, by reason."""
        self.listeners = FrameListeners()
        self.key_frames = KeyFrames()
        self._shards = frozenset(shards)
        self._pool = pool
        self._publisher = publisher
        self._coverage = coverage
        self._judging = judging
        self._second_look = second_look
        self._live = live
        self._metrics = metrics
        self._problems = problems
        self._clock = clock
        self._scheduler: FrameScheduler[Arrival] = FrameScheduler(max_cameras=MAX_CAMERAS)
        self._gates = MotionGates(judging.quiet)
        self._work = asyncio.Event()
        self._sequences: Counter[str] = Counter()
        """Of cameras that were removed, too: put in again they go on, so that nobody takes a message for one that he
        knows. The `MOST_LEFT` that were removed last are at the end."""
        self._visibility: dict[str, tuple[float, Visibility]] = {}
        self._shard_of: dict[str, str] = {}
        self._failed_s: float | None = None
        self._surprises: set[str] = set()
        self._busy_s: dict[int, int] = {}

    async def run(self) -> None:
        """Take in and analyse until cancelled. Raises ModelError (in a group) where an analysis hangs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_in(), name="intake")
            group.create_task(self._watch(), name="analysis-watchdog")
            for worker in range(self._pool.workers):
                group.create_task(self._analyse_next(worker), name=f"analysis-{worker}")

    def configure(self, config: InferenceTwin) -> None:
        """The twin has changed: from the next frame on."""
        self.config, self._gates.config = config, config.motion_gate

    def every_frame(self) -> list[str] | None:
        """Cameras of which key frames alone will not do now; None where none sends key frames alone."""
        return self._gates.wanted(self._clock.monotonic_s()) if self._gates.on_call else None

    def waiting(self) -> int:
        """Frames that wait for a worker: at most one per camera."""
        return self._scheduler.waiting()

    async def _take_in(self) -> None:
        while True:
            message = await self.inbox.take()
            try:
                if message.input == CAMERAS_INPUT:
                    self._take_cameras(read_cameras(message))
                else:
                    self._take_frames(message)
            except MessageError as exc:
                if not self.refused[exc.code]:
                    log.warning("a message to the input %s can't be read: %s", message.input, exc)
                self.refused[exc.code] += 1

    def _take_cameras(self, message: CamerasMessage) -> None:
        if message.shard not in self._shards:
            self.refused["other-shard"] += 1
            return
        now_s = self._clock.monotonic_s()
        self._live.cameras(message, now_s)
        removed = self._coverage.cameras(message, now_s)
        self._judging.cameras(message, removed)
        for status in message.cameras:
            self._scheduler.prioritise(status.camera, status.priority)
            on_call = status.frames == "key-frames-when-quiet"
            (self._gates.on_call.add if on_call else self._gates.on_call.discard)(status.camera)
        for camera in removed:
            self._gates.forget(camera)
            self._scheduler.forget(camera)
            self._publisher.forget(camera)
            self._visibility.pop(camera, None)
            self._second_look.forget(camera)
            self.key_frames.forget(camera)
            self._shard_of.pop(camera, None)
            if camera in self._sequences:
                self._sequences[camera] = self._sequences.pop(camera)
        left = [camera for camera in self._sequences if camera not in self._shard_of]
        for camera in left[:-MOST_LEFT]:
            del self._sequences[camera]

    def _take_frames(self, message: IncomingMessage) -> None:
        for arrival in read_frames(message):
            if arrival.shard not in self._shards:
                self.refused["other-shard"] += 1
                continue
            if arrival.stream == "main":
                self.key_frames.take(arrival)
                continue
            reference, now_s = arrival.reference, self._clock.monotonic_s()
            if reference.camera not in self._shard_of and len(self._shard_of) >= MAX_CAMERAS:
                self.refused["too-many-cameras"] += 1
                continue
            self._shard_of[reference.camera] = arrival.shard
            self._metrics.received(reference.camera)
            if self._pool.model is None:
                self._dropped(reference.camera, "no-model")
                continue
            # With the picture in the message, capture may be on another machine, whose clock says nothing about age.
            age_s = max(0.0, self._clock.now_s() - arrival.decoded_s) if arrival.jpeg is None else 0.0
            key = FrameKey(reference.camera, reference.epoch, reference.frame, arrival.decoded_s)
            stale_after_s = now_s + self.config.max_frame_age_s - age_s
            for dropped, reason in self._scheduler.offer(key, arrival, now_s=now_s, stale_after_s=stale_after_s):
                self._dropped(dropped.camera, reason)
        self._work.set()

    async def _watch(self) -> None:
        """A worker that hangs takes its camera along, and nobody else can free it: the module ends, to be restarted."""
        while True:
            await self._clock.sleep(1.0)
            # Counted, not measured: a machine that stood still for a minute has no worker that hangs.
            for worker in self._busy_s:
                self._busy_s[worker] += 1
            if max(self._busy_s.values(), default=0) >= HUNG_AFTER_S:
                raise ModelError(
                    f"an analysis has not come back for {HUNG_AFTER_S} s; restarting frees its worker",
                    code="analysis-hung",
                )

    async def _analyse_next(self, worker: int) -> None:
        while True:
            chosen, stale = self._scheduler.next(self._clock.monotonic_s())
            for dropped, reason in stale:
                self._dropped(dropped.camera, reason)
            if chosen is None:
                # No await between the look into the scheduler and this: an offer in between can't be missed.
                self._work.clear()
                await self._work.wait()
                continue
            self._busy_s[worker] = 0
            try:
                await self._analyse(worker, chosen.frame)
            finally:
                del self._busy_s[worker]
                self._scheduler.finished(chosen.key.camera)
                self._work.set()

    async def _analyse(self, worker: int, arrival: Arrival) -> None:
        camera, now_s = arrival.reference.camera, self._clock.monotonic_s()
        measured = self._visibility.get(camera)
        near = self.key_frames.near(arrival.reference)
        wanted = None
        if self._live.wants_picture(camera, now_s):
            page = self.config.page
            wanted = PictureWanted(
                page.max_width_px,
                page.quality,
                self._judging.privacy(camera),
                page.faces,
                self._judging.expected(camera),
            )
        try:
            analysed, model = await self._pool.analyse(
                worker,
                arrival,
                with_visibility=measured is None or now_s - measured[0] >= VISIBILITY_EVERY_S,
                picture_wanted=wanted,
                # Whoever looks at the page sees every frame.
                gate=self._gates.look(camera, now_s, always=wanted is not None or self.no_gate()),
                second_look=self._second_look.wanted(
                    arrival.reference, now_s, None if near is None else near.reference
                ),
            )
        except ModelError as exc:
            self._failed(camera, exc.code, str(exc))
        except SafetyGearError as exc:  # FrameError: the frame is gone; its code is the reason
            self._dropped(camera, exc.code)
        except Exception as exc:
            # One frame's surprise must not end the watching of all cameras; the log has the place, once for each kind.
            kind = type(exc).__name__
            if kind not in self._surprises:
                self._surprises.add(kind)
                log.exception("camera %s: unexpected error in the analysis", camera)
            self._failed(camera, "internal", f"unexpected {kind} in the analysis of a frame; the log has the details")
        else:
            if camera not in self._shard_of:
                self.refused["camera-removed"] += 1
            elif isinstance(analysed, Unchanged):
                self._unchanged(arrival, analysed)
            else:
                self._analysed(arrival, analysed, model)

    def _failed(self, camera: str, code: str, message: str) -> None:
        """A frame was there and could not be analysed."""
        self._failed_s = self._clock.monotonic_s()
        self._problems.raised("analysis", code, message)
        self._dropped(camera, code)

    def _analysed(self, arrival: Arrival, analysed: Analysed, model: Model) -> None:
        reference, now_s = arrival.reference, self._clock.monotonic_s()
        camera = reference.camera
        if self._failed_s is not None and now_s - self._failed_s >= FAILURE_SHOWN_S:
            self._failed_s = None
            self._problems.solved("analysis")
        self._sequences[camera] += 1
        dark, blurred = self._visible(camera, analysed, now_s)
        self._second_look.looked(reference, analysed.looked)
        judged = self._judging.judge(arrival, analysed, model, dark=dark)
        if not judged.failed:
            self._gates.analysed(camera, now_s)
        latency = latency_ms(
            reference,
            analysis_started_s=analysed.started_s,
            inference_ms=analysed.inference_ms,
            handed_over_s=self._clock.now_s(),
        )
        message = detections_message(
            reference,
            analysed.boxes,
            labels=model.labels,
            model=model.identity,
            shard=arrival.shard,
            sequence=self._sequences[camera],
            latency=latency,
            minimum_probability=self.config.detections.minimum_probability,
            judged=judged,
            weak=analysed.weak,
            looks=analysed.looked.looks,
            dark=dark,
        )
        self._publisher.detections(message)
        if judged.failed:
            # No rule was looked at: the boxes go out, and the time is blind.
            self._dropped(camera, "internal")
        else:
            self._coverage.analysed(
                camera,
                message.shard,
                dark=dark,
                blurred=blurred,
                latency_ms=message.latency_ms.total,
                now_s=now_s,
            )
            self._metrics.analysed(camera, message.latency_ms)
        self._live.analysed(message, now_s, judged=not judged.failed)
        if analysed.jpeg is not None:
            self._live.picture(camera, message.sequence, analysed.jpeg, now_s)
        self.key_frames.analysed(reference)
        self.listeners.tell(SeenFrame(arrival, analysed, model, judged, message, dark))

    def _unchanged(self, arrival: Arrival, looked: Unchanged) -> None:
        camera, now_s = arrival.reference.camera, self._clock.monotonic_s()
        dark, blurred = self._visible(camera, looked, now_s)
        self._coverage.gated(camera, arrival.shard, dark=dark, blurred=blurred, now_s=now_s)
        self._metrics.gated(camera)
        self._live.unchanged(camera, now_s)

    def _visible(self, camera: str, looked: Analysed | Unchanged, now_s: float) -> tuple[bool, bool]:
        """Whether it is too dark and whether it is too blurred on the camera, as measured last."""
        if looked.visibility is not None:
            self._visibility[camera] = (now_s, looked.visibility)
        _, visibility = self._visibility.get(camera, (now_s, None))
        if visibility is None:
            return False, False
        limits = self.config.visibility
        return visibility.dark(limits.dark_below), visibility.blurred(
            limits.blurred_below, dark_below=limits.dark_below
        )

    def _dropped(self, camera: str, reason: str) -> None:
        self._metrics.dropped(camera, reason)
        shard = self._shard_of.get(camera)
        if shard is not None:  # else it was removed meanwhile, and an account of no shard would never go again
            self._coverage.dropped(camera, shard, reason)
