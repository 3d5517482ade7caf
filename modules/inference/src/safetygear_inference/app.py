"""The module put together: what runs, what depends on what, and in which order it stops."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from safetygear.clock import Clock
from safetygear.hub.methods import Methods
from safetygear.hub.port import HubHandlers, HubPort, Json
from safetygear.lifecycle import Lifecycle
from safetygear.logs import set_level
from safetygear.secret_references import SecretResolver
from safetygear.twin.last_good_keeper import LastGoodKeeper
from safetygear.twin.session import TwinSession
from safetygear_inference import __version__
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.budget_keeper import BudgetKeeper
from safetygear_inference.config import InferenceTwin
from safetygear_inference.coverage import Coverage
from safetygear_inference.environment import Environment
from safetygear_inference.event_keeper import EventKeeper
from safetygear_inference.event_methods import EventMethods
from safetygear_inference.evidence.evidence_parts import EvidenceParts
from safetygear_inference.health import HealthPeriods
from safetygear_inference.heartbeat import Heartbeat
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging_desk import JudgingDesk
from safetygear_inference.learning.learning_parts import LearningParts
from safetygear_inference.live import LiveState
from safetygear_inference.metrics import InferenceMetrics
from safetygear_inference.model_keeper import keep_models
from safetygear_inference.model_methods import ModelMethods
from safetygear_inference.outbox.newest_report import NewestReport, seen_in
from safetygear_inference.overload import name_overload
from safetygear_inference.pipeline import Pipeline
from safetygear_inference.prediction.beside_cameras import PredictionBesideCameras
from safetygear_inference.prediction.model_source import LiveModel
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.publisher import Publisher
from safetygear_inference.publishing.send_queue import PRIORITY
from safetygear_inference.reporting import reported
from safetygear_inference.runtime_choice.chooser import runtime_chooser
from safetygear_inference.second_look.desk import SecondLookDesk
from safetygear_inference.side_analysis import SideAnalysis
from safetygear_inference.tracking.ids import SALTS, start_token
from safetygear_inference.web.actions import PageActions
from safetygear_inference.web.local_zones import LocalZones
from safetygear_inference.zone_desk import ZoneDesk

STATUS_METHODS = ("getStatus", "status")
"""The second name is that of version 0.1's first weeks."""
TICK_S = 1.0
RINGS_RELEASED_EVERY_S = 10.0
FPS_REPORTED_EVERY_S = 600.0
"""Each change of a reported property is a message of the hub's quota: rates are told seldom."""
STORE_S = 3.0
"""For writes to the disk that are under way at the stop."""
DRAIN_S = 2.0
"""For the messages that wait when the module is stopped; edgeAgent kills it 10 s after SIGTERM."""

log = logging.getLogger(__name__)


class InferenceApp:
    """Everything of one module instance. `run` works until the lifecycle stops it or a task fails."""

    def __init__(
        self,
        environment: Environment,
        hub: HubPort,
        metrics: InferenceMetrics,
        clock: Clock,
        resolver: SecretResolver | None = None,
    ) -> None:
        """Without `resolver` nothing that needs one can be done: it is refused by name."""
        self._environment = environment
        self._hub = hub
        self._metrics = metrics
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._config = InferenceTwin()
        self.problems = Problems()
        self.live = LiveState(environment.instance)
        self._budget = BudgetKeeper(environment.data_dir, self.problems, clock)
        self._publisher = Publisher(hub, clock, self._budget.load(), run=secrets.token_hex(4))
        self._coverage = Coverage(clock.monotonic_s())
        self._coverage.expect(environment.shards, clock.monotonic_s())
        self._judges = Judges(
            origin=f"{environment.device}/{environment.instance}",
            token=start_token(clock.now_s(), secrets.randbelow(SALTS)),
        )
        self._events = EventKeeper(
            environment.data_dir,
            self._judges,
            self._publisher.event,
            self.problems,
            clock,
            shard=environment.shards[0],
        )
        self._publisher.on_event_sent, self._publisher.on_event_lost = self._events.pump.sent, self._events.pump.lost
        self._events.on_event = self.live.event
        self.live.verdict_of, self.live.precision_of = self._judges.kpi.verdict, self._judges.kpi.precision
        self._judging = JudgingDesk(self._judges, self._events, self.problems, clock)
        self._health = HealthPeriods(environment.instance, now_s=clock.now_s(), monotonic_s=clock.monotonic_s())
        self._chooser = runtime_chooser(environment)
        self._pool = AnalysisPool(environment.workers, environment.frames_dir, self._chooser.open)
        self._side = SideAnalysis(environment.frames_dir)
        self._models, probation = keep_models(environment, self._pool, self._side, self.problems, resolver, clock)
        self._chooser.on_late = self._models.open_again
        self._second_look = SecondLookDesk(environment.models_dir, self._judging.look_wishes, self.problems)
        self._pipeline = Pipeline(
            shards=environment.shards,
            pool=self._pool,
            publisher=self._publisher,
            coverage=self._coverage,
            judging=self._judging,
            second_look=self._second_look,
            live=self.live,
            metrics=metrics,
            problems=self.problems,
            clock=clock,
        )
        self._pipeline.listeners.add(probation.saw)
        self._pipeline.no_gate = lambda: probation.under_way
        self.prediction = PredictionBesideCameras(LiveModel(self._pool), self.problems, clock)
        self.evidence = EvidenceParts(
            environment, self._side, self._judges, self._pipeline.key_frames, self.live, self.problems, resolver, clock
        )
        self.learning = LearningParts(
            environment,
            self._side,
            self._judges,
            self._pool,
            self.evidence.detector,
            self.live,
            self.problems,
            resolver,
            clock,
        )
        self._last_good = LastGoodKeeper(InferenceTwin, environment.data_dir, environment.owner, self.problems, clock)
        self._twin = TwinSession(
            InferenceTwin,
            hub,
            clock,
            apply=self._apply,
            report=self._report,
            on_reported=self._publisher.count_reported,
            last_good=self._last_good,
        )
        self._heartbeat = Heartbeat(
            folder=environment.frames_dir,
            shards=environment.shards,
            instance=environment.instance,
            transport=environment.transport,
            hub=hub,
            problems=self.problems,
            clock=clock,
            every_frame=self._pipeline.every_frame,
        )
        self.methods = Methods()
        self.methods.add("ping", self._ping)
        for name in STATUS_METHODS:
            self.methods.add(name, self._get_status)
        EventMethods(self._events).add_to(self.methods)
        self.evidence.listen(self._pipeline.listeners, self._events, self.methods)
        self.learning.listen(self._pipeline.listeners, self.methods)
        ModelMethods(self._models).add_to(self.methods)
        self.page_actions = PageActions(self.methods, self._zone_desk())
        self._newest = NewestReport()
        self._analysed_fps: dict[str, float] = {}
        self._fps_told_s: float | None = None

    def handlers(self) -> HubHandlers:
        """What the hub calls; to be set before it connects."""
        return HubHandlers(
            on_message=self._pipeline.inbox.put,
            on_desired_patch=self._twin.on_patch,
            on_connection=self._twin.on_connection,
            on_method=self.methods,
        )

    async def run(self, lifecycle: Lifecycle, *watches: Coroutine[Any, Any, None]) -> None:
        """Work on an open hub; `watches` run beside it and end it by raising. Raises HubError, and what they do."""
        await self._twin.begin()
        await self.evidence.begin()
        await self._events.begin(seen_in(self._twin.reported))
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._publisher.sender.run(), name="sender")
            working = [
                group.create_task(work, name=name)
                for name, work in (
                    ("models", self._models.run()),
                    ("pipeline", self._pipeline.run()),
                    ("heartbeat", self._heartbeat.run()),
                    ("twin", self._twin.follow()),
                    ("reported", self._twin.keep_reported()),
                    ("last-good", self._last_good.run()),
                    ("health", self._send_health()),
                    ("budget", self._budget.run()),
                    ("events", self._events.run()),
                    ("evidence", self.evidence.run()),
                    ("learning", self.learning.run()),
                    ("tick", self._tick()),
                )
            ] + [group.create_task(watch) for watch in watches]
            await lifecycle.stopping.wait()
            for task in working:
                task.cancel()
            # The disk first: what is still in memory can be sent after the next start, if need be.
            await asyncio.wait(working, timeout=STORE_S)
            await self._events.stop()
            left = await self._publisher.sender.drain(DRAIN_S)
            if left:
                log.warning("%d messages could not be sent before the stop", left)
            sending.cancel()
            await self._events.flush()

    def close(self) -> None:
        """What must happen even where `run` failed."""
        self._pool.close()
        self._chooser.close()
        self._side.close()
        self._budget.save()

    def _apply(self, config: InferenceTwin) -> None:
        self._config = config
        set_level(config.log_level or self._environment.log_level)
        self._pipeline.configure(config)
        self._publisher.detections_config, self._publisher.budget_config = config.detections, config.budget
        self._budget.configured(config.budget)
        self._events.configure(config.outbox)
        self.evidence.configure(config.evidence)
        self.learning.configure(config.learning)
        self._judging.configure(config)
        self._second_look.config = config.second_look
        self._models.want(config.model)

    async def _send_health(self) -> None:
        while True:
            now_s = self._clock.monotonic_s()
            due_s = self._health.due_in_s(self._config.health_interval_s, now_s)
            if due_s > 0:
                await self._clock.sleep(min(due_s, TICK_S))  # the twin may shorten the interval meanwhile
                continue
            self._close_period(now_s)

    def _close_period(self, now_s: float) -> None:
        period_s = self._health.elapsed_s(now_s)
        cameras = self._coverage.close_period(now_s)
        name_overload(cameras, self.problems)
        message = self._health.close(
            cameras=cameras,
            queued=self._queued(),
            evicted=self._lost(),
            budget=self._publisher.budget(),
            silent_shards=self._coverage.silent_shards(now_s),
            now_s=self._clock.now_s(),
            monotonic_s=now_s,
            outbox=self._events.health,
            open_episodes=len(self._judges.open_episodes()),
            kpi=self._judges.kpi,
            evidence=self.evidence.health(),
            learning=self.learning.health(),
        )
        self._publisher.health(message, shard=",".join(self._environment.shards))
        self._metrics.health(message)
        fps = {camera.camera: camera.analysed / period_s for camera in cameras}
        told_s = self._fps_told_s
        if fps.keys() != self._analysed_fps.keys() or told_s is None or now_s - told_s >= FPS_REPORTED_EVERY_S:
            self._analysed_fps, self._fps_told_s = fps, now_s

    async def _tick(self) -> None:
        released_s = self._clock.monotonic_s()
        while True:
            budget = self._publisher.budget()
            self.live.budget(budget)
            self.live.model(self._models.state.as_document())
            self.live.problems(self.problems.as_document())
            outbox = self._events.health
            self._newest.update(outbox, self._clock.monotonic_s())
            if outbox is not None:
                self.live.outbox(self._queued()["events"], outbox.newest_sequence)
            self.live.compliance(self._judges.kpi.hour(self._clock.now_s()))
            self.live.forget_pictures(self._clock.monotonic_s())
            self._judging.tick()
            self.prediction.tick()
            sender = self._publisher.sender
            self._metrics.tick(
                cameras=self._coverage.names(),
                budget=budget,
                outcomes=self._publisher.reasons,
                sent=sender.sent,
                lost=self._lost(),
                retries=sender.retries,
                maybe_duplicated=sender.maybe_duplicated,
                queued=self._queued(),
                waiting=self._pipeline.waiting(),
                problems=self.problems.as_document(),
            )
            self._metrics.judging(
                people=self._judges.people(),
                open_episodes=Counter(episode.camera for episode in self._judges.open_episodes()),
                events=self._events.told,
                outbox=outbox,
                in_memory=self._events.waiting,
            )
            self._metrics.evidence(self.evidence.health())
            self._metrics.key_frames(self._pipeline.key_frames.outcomes)
            learning = self.learning.health()
            self._metrics.learning(learning)
            self.live.learning(learning)
            self._metrics.second_looks(self._second_look.outcomes)
            self._metrics.prediction(self.prediction.outcomes)
            self._metrics.last_good(self._last_good.outcomes)
            if self._clock.monotonic_s() - released_s >= RINGS_RELEASED_EVERY_S:
                released_s = self._clock.monotonic_s()
                self._pool.release_rings()
                self._side.release_rings()
            await self._clock.sleep(TICK_S)

    def _report(self) -> dict[str, Json]:
        return reported(
            instance=self._environment.instance,
            shards=self._environment.shards,
            desired_version=self._twin.desired_version,
            errors=(*self._twin.errors, *self._models.errors, *self._judging.errors),
            model=self._models.state,
            budget=self._publisher.budget(),
            analysed_fps=self._analysed_fps,
            problems=self.problems.as_document(),
            outbox=self._newest.as_document(),
        )

    def _zone_desk(self) -> ZoneDesk:
        def labels() -> tuple[str, ...]:
            return () if self._pool.model is None else self._pool.model.labels

        apply = self._environment.page_apply
        return ZoneDesk(lambda: self._config, labels, None if apply is None else LocalZones(apply))

    async def stored_picture(self, name: str) -> bytes | None:
        """The picture of that id, for the page."""
        return await self.evidence.desk.read(name)

    async def _ping(self, payload: Json) -> Json:
        del payload
        return {"instance": self._environment.instance, "version": __version__, "uptimeS": self._uptime_s()}

    async def _get_status(self, payload: Json) -> Json:
        del payload
        return self._status() | {"uptimeS": self._uptime_s()}

    def _uptime_s(self) -> float:
        return round(self._clock.monotonic_s() - self._started_s, 1)

    def _status(self) -> dict[str, Json]:
        sender = self._publisher.sender
        return self._report() | {
            "workers": self._environment.workers,
            "silentShards": self._coverage.silent_shards(self._clock.monotonic_s()),
            "frames": dict(self._publisher.reasons),
            "sent": dict(sender.sent),
            "queued": self._queued(),
            "retries": sender.retries,
            "maybeDuplicated": sender.maybe_duplicated,
            "dropped": self._lost(),
            "events": {"/".join(key): count for key, count in sorted(self._events.told.items())},
            "openEpisodes": len(self._judges.open_episodes()),
            "learning": self.learning.as_document(),
        }

    def _queued(self) -> dict[str, int]:
        queued: dict[str, int] = {lane: self._publisher.sender.depth(lane) for lane in PRIORITY}
        outbox = self._events.health
        # What is in the sender's lane is still in the outbox.
        return queued | {"events": self._events.waiting + (outbox.depth if outbox is not None else queued["events"])}

    def _lost(self) -> dict[str, int]:
        """Messages in and out that were dropped since the start, by reason."""
        outbox = self._events.health
        return dict(
            Counter(self._publisher.sender.evicted())
            + self._pipeline.inbox.dropped
            + self._pipeline.refused
            + self._events.dropped
            + Counter(outbox.evicted if outbox is not None else {})
            + Counter({"too-many-people": self._judges.refused()})
            + self.evidence.lost()
        )
