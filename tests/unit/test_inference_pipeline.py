"""One frame's failure is counted and named, and nobody else's; a camera that was removed is not brought back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, cast

import msgspec
import numpy as np
import pytest
from prometheus_client import generate_latest

from safetygear.clock import FakeClock, rfc3339
from safetygear.errors import FrameError, ModelError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, IncomingMessage
from safetygear.messages.codec import Message, decode, encode
from safetygear.messages.detections import DetectionsMessage, ModelIdentity
from safetygear.messages.event import EventMessage
from safetygear.messages.frames import CamerasMessage, CameraStatus, DecodedFrames, FrameReference, FramesMessage
from safetygear.telemetry import ModuleMetrics
from safetygear_inference import pipeline
from safetygear_inference.analysis import Analysed, PictureWanted, Unchanged
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.compliance.zone_config import RulesConfig
from safetygear_inference.config import DetectionsConfig, InferenceTwin
from safetygear_inference.coverage import Coverage
from safetygear_inference.detectors import Model
from safetygear_inference.event_keeper import EventKeeper
from safetygear_inference.gating.config import MotionGateConfig
from safetygear_inference.gating.gates import GateLook
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging_desk import JudgingDesk
from safetygear_inference.live import LiveState
from safetygear_inference.metrics import InferenceMetrics
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pipeline import FAILURE_SHOWN_S, HUNG_AFTER_S, Pipeline
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.budget import MessageBudget
from safetygear_inference.publishing.publisher import Publisher
from safetygear_inference.second_look.desk import SecondLookDesk
from safetygear_inference.second_look.looking import SecondLook
from safetygear_inference.visibility import Visibility
from support.outbox import inline

M = TypeVar("M", bound=Message)
NOTHING = DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
IDENTITY = ModelIdentity(name="m", version="1", sha256="0")
LABELS = ("Person", "hard hat", "vest", "head", "no_vest")


BRIGHT = Visibility(mean_luma=120.0, sharpness=50.0)


def works() -> None:
    """An analysis that finds nothing."""


class Pool(AnalysisPool):
    """One worker whose analysis is `outcome`; it waits while `hold` is set."""

    def __init__(self) -> None:
        self.workers = 1
        self._model = cast(Model, SimpleNamespace(labels=LABELS, identity=IDENTITY))
        self.boxes = NOTHING
        self.picture = Picture.from_bgr(np.zeros((360, 640, 3), np.uint8))
        """What a gate looks at."""
        self.outcome: Callable[[], None] = works
        self.go = asyncio.Event()
        self.go.set()

    @property
    def model(self) -> Model | None:
        return self._model

    async def analyse(
        self,
        worker: int,
        arrival: Arrival,
        *,
        with_visibility: bool,
        picture_wanted: PictureWanted | None,
        second_look: SecondLook | None = None,
        gate: GateLook | None = None,
    ) -> tuple[Analysed | Unchanged, Model]:
        await self.go.wait()
        self.outcome()
        assert self._model is not None
        if gate is not None and gate.closes(self.picture):
            return Unchanged(BRIGHT if with_visibility else None), self._model
        return Analysed(self.boxes, arrival.decoded_s, 1.0, None, None), self._model


class World:
    """A pipeline with everything but a detector and a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.pool = Pool()
        self.problems = Problems()
        self.coverage = Coverage(self.clock.monotonic_s())
        self.hub = FakeHub()
        self.publisher = Publisher(self.hub, self.clock, MessageBudget(), run="r")
        self.publisher.detections_config = DetectionsConfig(policy="all")
        self.judges = Judges(origin="d/i", token="t")
        self.keeper = EventKeeper(
            folder, self.judges, self.publisher.event, self.problems, self.clock, shard="default", off_loop=inline
        )
        self.publisher.on_event_sent = self.keeper.pump.sent
        self.live = LiveState()
        self.desk = JudgingDesk(self.judges, self.keeper, self.problems, self.clock)
        self.module_metrics = ModuleMetrics("safetygear_inference_", {})
        self.metrics = InferenceMetrics(self.module_metrics)
        self.pipeline = Pipeline(
            shards=("default",),
            pool=self.pool,
            publisher=self.publisher,
            coverage=self.coverage,
            judging=self.desk,
            second_look=SecondLookDesk(folder, self.desk.look_wishes, self.problems),
            live=self.live,
            metrics=self.metrics,
            problems=self.problems,
            clock=self.clock,
        )
        self._frames = 0

    async def frame(self, camera: str) -> None:
        """The next frame of `camera` comes in."""
        self._frames += 1
        now = rfc3339(self.clock.now_s())
        reference = FrameReference(
            camera=camera, frame=self._frames, ring=camera, epoch=1, slot=0, sequence=2, width=1280, height=720,
            stride=1280, pixel_format="i420", captured_at=now, clock="arrival", decoded_at=now,
        )  # fmt: skip
        await self._put("frames", FramesMessage(shard="default", references=[reference]))

    async def watch(self, seconds: float, boxes: DetectedBoxes, camera: str = "gate") -> None:
        """The camera shows these boxes for so long."""
        self.pool.boxes = boxes
        for _ in range(round(seconds * 5)):
            await self.frame(camera)
            self.desk.tick()

    def sent(self, kind: type[M]) -> list[M]:
        """What the hub has taken of one kind."""
        output = "events" if kind is EventMessage else "detections"
        return [decode(message.body, kind) for message in self.hub.sent if message.output == output]

    async def status(
        self, *cameras: str, reason: str = "ok", priority: float = 1.0, frames: DecodedFrames = "all"
    ) -> None:
        """Capture tells which cameras it has."""
        now = rfc3339(self.clock.now_s())
        statuses = [
            CameraStatus(
                camera=camera, state="streaming", reason=reason, since=now, stall_budget_s=10.0, frames_decoded=1,
                frames_sent=1, dropped={}, decoded_fps=5.0, priority=priority, frames=frames,
            )
            for camera in cameras
        ]  # fmt: skip
        await self._put("cameras", CamerasMessage(shard="default", sent_at=now, started_at=now, cameras=statuses))

    def health(self) -> dict[str, tuple[int, dict[str, int]]]:
        """Analysed and dropped frames of each camera since the last look."""
        found = self.coverage.close_period(self.clock.monotonic_s())
        return {camera.camera: (camera.analysed, camera.dropped) for camera in found}

    async def _put(self, to: str, message: Message) -> None:
        self.pipeline.inbox.put(IncomingMessage(to, encode(message)))
        await self.clock.advance(0.2)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.hub.open(HubHandlers())
    works = (made.pipeline.run(), made.keeper.run(), made.publisher.sender.run())
    tasks = [asyncio.create_task(work) for work in works]
    yield made
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def fails(error: Exception) -> Callable[..., None]:
    def outcome(*args: object, **kwargs: object) -> None:
        raise error

    return outcome


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelError("no numbers", code="model-failed"), "model-failed"), (ZeroDivisionError("x"), "internal")],
)
async def test_a_frame_that_can_not_be_analysed_is_a_named_problem_while_it_lasts(
    world: World, error: Exception, code: str
) -> None:
    world.pool.outcome = fails(error)
    await world.frame("gate")
    assert world.problems.as_document()["analysis"]["code"] == code
    world.pool.outcome = works
    await world.frame("gate")
    assert world.health() == {"gate": (1, {code: 1})}, "the next one is analysed"
    assert "analysis" in world.problems.as_document()
    await world.clock.advance(FAILURE_SHOWN_S)
    await world.frame("gate")
    assert world.problems.as_document() == {}


async def test_a_surprise_has_its_place_in_the_log_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.pool.outcome = fails(ZeroDivisionError("x"))
    for _ in range(3):
        await world.frame("gate")
    assert caplog.text.count("Traceback") == 1


@pytest.mark.parametrize("outcome", [works, fails(FrameError("gone", code="ring-missing"))])
async def test_a_camera_that_is_removed_during_its_analysis_does_not_come_back(
    world: World, outcome: Callable[[], None]
) -> None:
    world.pool.outcome = outcome
    world.pool.go.clear()
    await world.status("gate", "yard")
    await world.frame("gate")
    await world.status("yard")
    world.pool.go.set()
    await world.clock.advance(0.2)
    assert set(world.health()) == {"yard"}
    assert not world.publisher.reasons, "nothing is said of it"


async def test_an_analysis_that_does_not_come_back_ends_the_module(tmp_path: Path) -> None:
    world = World(tmp_path)
    task = asyncio.create_task(world.pipeline.run())
    world.pool.go.clear()
    await world.frame("gate")
    await world.clock.advance(HUNG_AFTER_S - 1)
    assert not task.done()
    await world.clock.advance(1)
    with pytest.raises(ExceptionGroup) as raised:
        await task
    assert [getattr(error, "code", None) for error in raised.value.exceptions] == ["analysis-hung"]


async def test_many_analyses_in_a_row_are_not_one_that_hangs(world: World) -> None:
    for _ in range(3 * HUNG_AFTER_S):
        await world.frame("gate")
        await world.clock.advance(0.8)
    assert world.health()["gate"] == (3 * HUNG_AFTER_S, {})


def person(*gear: int) -> DetectedBoxes:
    """Somebody standing, with a box of each class in `gear` where it belongs (1 helmet, 2 vest, 3 head, 4 no-vest)."""
    places = {0: (600, 300, 700, 560), 1: (632, 300, 668, 336), 2: (620, 342, 680, 440)}
    rows = [0, *gear]
    xyxy = np.array([places[row if row < 3 else row - 2] for row in rows], np.float32)
    return DetectedBoxes(
        xyxy / np.array([1280, 720, 1280, 720], np.float32), np.array(rows), np.full(len(rows), 0.9, np.float32)
    )


async def test_a_frame_s_message_says_who_wears_what(world: World) -> None:
    await world.watch(3, person(1, 2))
    message = world.sent(DetectionsMessage)[-1]
    (one,) = message.people
    assert (one.helmet, one.vest, one.status, one.reason) == ("worn", "worn", "compliant", "all-worn")
    assert [detection.track for detection in message.detections] == [one.track] * 3
    assert [detection.label for detection in message.detections] == ["Person", "hard hat", "vest"]


async def test_a_violation_is_told_once_from_its_opening_to_its_end(world: World) -> None:
    await world.watch(6, person(3, 2))
    await world.watch(4, person(1, 2))
    events = world.sent(EventMessage)
    assert [(one.state, one.rule, one.close_reason) for one in events] == [
        ("open", "no-helmet", None),
        ("closed", "no-helmet", "complied"),
    ]
    assert [one.event_sequence for one in events] == [1, 2]
    message = next(message for message in world.hub.sent if message.output == "events")
    assert message.properties == {
        "schema": "safetygear.event/1", "camera": "gate", "shard": "default", "rule": "no-helmet",
        "severity": "medium", "state": "open",
    }  # fmt: skip


async def test_a_verdict_that_changes_is_worth_a_message(world: World) -> None:
    world.publisher.detections_config = DetectionsConfig(policy="changes")
    await world.watch(8, person(3, 2))
    reasons = [message.people[0].reason for message in world.sent(DetectionsMessage) if message.people]
    assert "missing-helmet" in reasons
    assert len(world.sent(DetectionsMessage)) < 6


async def test_a_frozen_picture_is_not_judged_and_its_episodes_end(world: World) -> None:
    await world.watch(6, person(3, 2))
    for _ in range(20):
        await world.status("gate", reason="frozen")
        await world.watch(1, person(3, 2))
    assert world.sent(DetectionsMessage)[-1].people == []
    assert [(one.state, one.close_reason) for one in world.sent(EventMessage)][1:] == [("closed", "camera-lost")]


async def test_a_camera_that_was_removed_ends_its_episodes(world: World) -> None:
    await world.status("gate")
    await world.watch(6, person(3, 2))
    await world.status()
    assert [one.close_reason for one in world.sent(EventMessage)] == [None, "camera-lost"]


async def test_a_camera_that_was_removed_goes_on_counting_when_it_is_put_in_again(world: World) -> None:
    for cameras in (("gate", "yard"), ("yard",), ("gate", "yard")):
        await world.status(*cameras)
        for camera in cameras:
            await world.frame(camera)
    sequences = [(message.camera, message.sequence) for message in world.sent(DetectionsMessage)]
    assert sequences == [("gate", 1), ("yard", 1), ("yard", 2), ("gate", 2), ("yard", 3)]


async def test_what_is_kept_of_cameras_that_were_removed_has_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "MOST_LEFT", 2)
    for camera in ("a", "b", "c", "d"):
        await world.status(camera)
        await world.frame(camera)
    await world.status()
    assert list(world.pipeline._sequences) == ["c", "d"]


async def test_metrics_show_the_cameras_that_there_are(world: World) -> None:
    await world.status("gate", "yard")
    for camera in ("gate", "yard"):
        await world.frame(camera)
    await world.status("yard")
    world.metrics.tick(
        cameras=world.coverage.names(), budget=world.publisher.budget(), outcomes={}, sent={}, lost={}, retries=0,
        maybe_duplicated=0, queued={}, waiting=0, problems={},
    )  # fmt: skip
    served = generate_latest(world.module_metrics._registry).decode()
    assert 'safetygear_inference_frames_analysed_total{camera="yard"' in served
    assert 'camera="gate"' not in served


async def test_a_camera_that_sends_nothing_ends_its_episodes(world: World) -> None:
    await world.watch(6, person(3, 2))
    for _ in range(20):
        await world.clock.advance(1.0)
        world.desk.tick()
    await world.clock.advance(0.1)
    assert [one.close_reason for one in world.sent(EventMessage)] == [None, "camera-lost"]


async def test_a_rule_that_the_model_can_not_judge_is_named(world: World) -> None:
    world.desk.configure(InferenceTwin(rules=RulesConfig(requires=("gloves",))))
    await world.watch(6, person(3, 2))
    assert world.problems.as_document()["rules"]["code"] == "label-missing"
    assert [(error.path, error.code) for error in world.desk.errors] == [("rules.requires", "unknown-label")]
    assert world.sent(DetectionsMessage)[-1].people[0].reason == "label-missing"
    assert world.sent(EventMessage) == []
    world.desk.configure(InferenceTwin())
    assert "rules" not in world.problems.as_document()


async def test_a_model_without_people_is_named(world: World) -> None:
    world.pool._model = cast(Model, SimpleNamespace(labels=("helmet", "vest"), identity=IDENTITY))
    await world.watch(1, NOTHING)
    assert [error.code for error in world.desk.errors] == ["no-person-label"]


async def test_a_surprise_in_the_judging_costs_no_detection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.judges, "judge", fails(ZeroDivisionError("x")))
    await world.watch(2, person(3, 2))
    assert len(world.sent(DetectionsMessage)) == 10
    assert world.problems.as_document()["rules"]["code"] == "internal"


async def test_what_could_not_be_judged_was_not_watched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pipeline.configure(GATED)
    await world.status("gate")
    monkeypatch.setattr(world.judges, "judge", fails(ZeroDivisionError("x")))
    await world.watch(8, NOTHING)
    (health,) = world.coverage.close_period(world.clock.monotonic_s())
    assert (health.seconds_watched, health.analysed, health.gated) == (0, 0, 0)
    assert health.dropped == {"internal": 40}
    assert world.live.watched(world.clock.monotonic_s()) == frozenset()


GATED = InferenceTwin(motion_gate=MotionGateConfig(enabled=True, floor_s=5.0))


async def test_where_nothing_moves_few_frames_are_analysed_and_all_of_the_time_is_watched(world: World) -> None:
    world.pipeline.configure(GATED)
    await world.status("gate")
    world.health()
    began_s = world.clock.monotonic_s()
    await world.watch(30.0, NOTHING)
    (health,) = world.coverage.close_period(world.clock.monotonic_s())
    assert health.seconds_watched == pytest.approx(world.clock.monotonic_s() - began_s, abs=0.3)
    # The first two seconds, in which the gate is still open, and one per floor.
    assert (health.analysed + health.gated, health.dropped) == (150, {})
    assert 10 <= health.analysed <= 18
    messages = world.sent(DetectionsMessage)
    assert [message.sequence for message in messages] == list(range(1, health.analysed + 1))
    assert world.pipeline.config is GATED


async def test_a_violation_is_the_same_one_with_a_gate(world: World) -> None:
    told = []
    for config in (InferenceTwin(), GATED):
        world.pipeline.configure(config)
        before = len(world.sent(EventMessage))
        await world.watch(12.0, NOTHING)
        world.pool.picture = Picture.from_bgr(np.full((360, 640, 3), 255, np.uint8))
        world.pool.picture.planes[0][100:200, 300:340] = 0
        world.health()
        await world.watch(8.0, person(3, 2))
        assert next(iter(world.health().values())) == (40, {}), "whoever stands still is followed all the same"
        world.pool.picture = Picture.from_bgr(np.zeros((360, 640, 3), np.uint8))
        await world.watch(20.0, NOTHING)
        told.append([(one.state, one.close_reason) for one in world.sent(EventMessage)[before:]])
    assert told[0] == told[1]
    assert told[1][0] == ("open", None)
    assert len(told[1]) == 2


async def test_for_whoever_looks_at_the_page_every_frame_is_analysed(world: World) -> None:
    world.pipeline.configure(GATED)
    await world.status("gate")
    await world.watch(10.0, NOTHING)
    world.health()
    for _ in range(5):
        assert world.pipeline._live.look("gate", world.clock.monotonic_s())
        await world.watch(1.0, NOTHING)
    assert world.health()["gate"] == (25, {})


async def test_while_a_model_is_on_trial_every_frame_is_analysed(world: World) -> None:
    world.pipeline.configure(GATED)
    world.pipeline.no_gate = lambda: True
    await world.watch(10.0, NOTHING)
    assert world.health()["gate"] == (50, {})


async def test_a_gated_camera_is_watched_on_the_page_too(world: World) -> None:
    world.pipeline.configure(InferenceTwin(motion_gate=MotionGateConfig(enabled=True, floor_s=60.0)))
    for _ in range(12):
        await world.status("gate")
        await world.watch(1.0, NOTHING)
    live = world.pipeline._live
    assert live.watched(world.clock.monotonic_s()) == {"gate"}
    (camera,) = live.all_cameras()
    assert camera.analysed_fps(world.clock.monotonic_s()) < 1.0


async def test_the_cameras_priorities_reach_the_scheduler(world: World) -> None:
    await world.status("gate")
    assert world.pipeline._scheduler._priorities == {"gate": 1.0}
    await world.status("gate", priority=3.0)
    assert world.pipeline._scheduler._priorities == {"gate": 3.0}


async def test_a_key_frame_of_the_main_stream_is_kept_and_neither_analysed_nor_watched_by(world: World) -> None:
    await world.status("gate", "yard")
    await world.frame("gate")
    await world.frame("gate")
    assert world.health()["gate"] == (2, {})
    now = rfc3339(world.clock.now_s())
    key_frame = FrameReference(
        camera="gate", frame=1, ring="gate.main", epoch=9, slot=0, sequence=2, width=2560, height=1440, stride=2560,
        pixel_format="i420", captured_at=now, clock="arrival", decoded_at=now,
    )  # fmt: skip
    for camera, shard in (("gate", "default"), ("yard", "default"), ("gate", "north")):
        message = FramesMessage(
            shard=shard, references=[], key_frames=[msgspec.structs.replace(key_frame, camera=camera)]
        )
        await world._put("frames", message)
    assert world.health()["gate"] == (0, {})
    assert len(world.sent(DetectionsMessage)) == 2
    assert world.pipeline.waiting() == 0
    assert world.pipeline.key_frames.outcomes == {"received": 1, "unknown-camera": 1}
    assert world.pipeline.refused["other-shard"] == 1
    near = world.pipeline.key_frames.near(key_frame)
    assert near is not None and (near.stream, near.reference) == ("main", key_frame)
    await world.status("yard")
    assert world.pipeline.key_frames.near(key_frame) is None, "the camera was removed"


async def test_of_a_camera_on_call_every_frame_is_wanted_while_somebody_is_there(world: World) -> None:
    await world.status("gate", "yard", frames="key-frames-when-quiet")
    await world.watch(14.0, NOTHING)
    assert world.pipeline.every_frame() == []
    await world.watch(0.4, person(1, 2))
    assert world.pipeline.every_frame() == ["gate"]
    await world.watch(14.0, NOTHING)
    assert world.pipeline.every_frame() == []
    await world.watch(0.4, person(1, 2))
    await world.status("gate", "yard")
    assert world.pipeline.every_frame() is None, "none is on call any more"
