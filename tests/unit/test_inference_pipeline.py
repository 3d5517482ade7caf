"""One frame's failure is counted and named, and nobody else's; a camera that was removed is not brought back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from safetygear.clock import FakeClock, rfc3339
from safetygear.errors import FrameError, ModelError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import IncomingMessage
from safetygear.messages.codec import Message, encode
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.frames import CamerasMessage, CameraStatus, FrameReference, FramesMessage
from safetygear.telemetry import ModuleMetrics
from safetygear_inference.analysis import Analysed, PictureWanted
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.coverage import Coverage
from safetygear_inference.detectors import Model
from safetygear_inference.intake import Arrival
from safetygear_inference.live import LiveState
from safetygear_inference.metrics import InferenceMetrics
from safetygear_inference.picture import DetectedBoxes
from safetygear_inference.pipeline import FAILURE_SHOWN_S, HUNG_AFTER_S, Pipeline
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.budget import MessageBudget
from safetygear_inference.publishing.publisher import Publisher

NOTHING = DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
IDENTITY = ModelIdentity(name="m", version="1", sha256="0")


def works() -> None:
    """An analysis that finds nothing."""


class Pool(AnalysisPool):
    """One worker whose analysis is `outcome`; it waits while `hold` is set."""

    def __init__(self) -> None:
        self.workers = 1
        self._model = cast(Model, SimpleNamespace(labels=("person",), identity=IDENTITY))
        self.outcome: Callable[[], None] = works
        self.go = asyncio.Event()
        self.go.set()

    async def analyse(
        self, worker: int, arrival: Arrival, *, with_visibility: bool, picture_wanted: PictureWanted | None
    ) -> tuple[Analysed, Model]:
        await self.go.wait()
        self.outcome()
        assert self._model is not None
        return Analysed(NOTHING, arrival.decoded_s, 1.0, None, None), self._model


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pool = Pool()
        self.problems = Problems()
        self.coverage = Coverage(self.clock.monotonic_s())
        self.publisher = Publisher(FakeHub(), self.clock, MessageBudget(), run="r")
        self.pipeline = Pipeline(
            shards=("default",),
            pool=self.pool,
            publisher=self.publisher,
            coverage=self.coverage,
            live=LiveState(),
            metrics=InferenceMetrics(ModuleMetrics("safetygear_inference_", {})),
            problems=self.problems,
            clock=self.clock,
        )
        self._frames = 0

    async def frame(self, camera: str) -> None:
        """The next frame of `camera` comes in."""
        self._frames += 1
        now = rfc3339(self.clock.now_s())
        reference = FrameReference(
            camera=camera, frame=self._frames, ring=camera, epoch=1, slot=0, sequence=2, width=64, height=36, stride=64,
            pixel_format="i420", captured_at=now, clock="arrival", decoded_at=now,
        )  # fmt: skip
        await self._put("frames", FramesMessage(shard="default", references=[reference]))

    async def status(self, *cameras: str) -> None:
        """Capture tells which cameras it has."""
        now = rfc3339(self.clock.now_s())
        statuses = [
            CameraStatus(
                camera=camera, state="streaming", reason="ok", since=now, stall_budget_s=10.0, frames_decoded=1,
                frames_sent=1, dropped={}, decoded_fps=5.0,
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
async def world() -> AsyncIterator[World]:
    made = World()
    task = asyncio.create_task(made.pipeline.run())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def fails(error: Exception) -> Callable[[], None]:
    def outcome() -> None:
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


async def test_an_analysis_that_does_not_come_back_ends_the_module() -> None:
    world = World()
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
