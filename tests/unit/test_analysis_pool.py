"""A change of the model is between two frames, and one that fails costs none."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from safetygear.errors import FrameError, ModelError
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.analysis_pool import AnalysisPool, Generation
from safetygear_inference.detectors import Detector, Model
from safetygear_inference.intake import Arrival
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.thread_priority import NICE
from support.frame_source import FrameSource

NOTHING = DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


class Eyes(Detector):
    """Sees nothing, or fails; waits while `go` is not set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.go = threading.Event()
        self.go.set()

    def detect(self, picture: Picture) -> DetectedBoxes:
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        return NOTHING


def generation(name: str, *eyes: Eyes) -> Generation:
    identity = ModelIdentity(name=name, version="1", sha256="0" * 64)
    model = cast(Model, SimpleNamespace(identity=identity, labels=("person",)))
    return Generation(model, eyes or (Eyes(), Eyes()), np.zeros(1, np.float32))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[AnalysisPool]:
    made = AnalysisPool(2, tmp_path)
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FrameSource]:
    frames = FrameSource(tmp_path, "gate", "north")
    yield frames
    frames.close()


async def seen_by(pool: AnalysisPool, source: FrameSource, worker: int = 0) -> str:
    arrival = Arrival("north", source.reference(), 0.0)
    _, model = await pool.analyse(worker, arrival, with_visibility=False, picture_wanted=None)
    return model.identity.name


async def test_a_worker_ends_its_frame_with_the_model_it_began_it_with(pool: AnalysisPool, source: FrameSource) -> None:
    slow = Eyes()
    slow.go.clear()
    pool.switch_to(generation("old", slow, Eyes()), on_probation=False)
    busy = asyncio.create_task(seen_by(pool, source))
    await asyncio.sleep(0.05)
    pool.switch_to(generation("new"), on_probation=True)
    assert await seen_by(pool, source, worker=1) == "new", "nobody waits for the worker that is busy"
    slow.go.set()
    assert await busy == "old"
    assert await seen_by(pool, source) == "new"


@pytest.mark.parametrize("error", [ModelError("NaN", code="model-failed"), ZeroDivisionError("x")])
async def test_a_frame_on_which_a_model_on_probation_fails_is_looked_at_by_the_one_before(
    pool: AnalysisPool, source: FrameSource, error: Exception
) -> None:
    pool.switch_to(generation("old"), on_probation=False)
    pool.switch_to(generation("new", Eyes(error), Eyes(error)), on_probation=True)
    assert await seen_by(pool, source) == "old"
    assert pool.gave_back is error
    assert pool.model is not None
    assert pool.model.identity.name == "old"


async def test_both_workers_may_meet_the_failure_at_once(pool: AnalysisPool, source: FrameSource) -> None:
    first, second = Eyes(ModelError("one")), Eyes(ModelError("two"))
    pool.switch_to(generation("old"), on_probation=False)
    pool.switch_to(generation("new", first, second), on_probation=True)
    first.go.clear()
    second.go.clear()
    both = [asyncio.create_task(seen_by(pool, source, worker)) for worker in (0, 1)]
    await asyncio.sleep(0.05)
    first.go.set()
    second.go.set()
    assert await asyncio.gather(*both) == ["old", "old"]


async def test_a_frame_that_is_gone_says_nothing_of_the_model(pool: AnalysisPool, source: FrameSource) -> None:
    pool.switch_to(generation("old"), on_probation=False)
    gone = FrameError("gone", code="overwritten")
    pool.switch_to(generation("new", Eyes(gone), Eyes(gone)), on_probation=True)
    with pytest.raises(FrameError):
        await seen_by(pool, source)
    assert pool.gave_back is None
    assert pool.model is not None
    assert pool.model.identity.name == "new"


async def test_a_model_that_has_shown_itself_fails_by_itself(pool: AnalysisPool, source: FrameSource) -> None:
    pool.switch_to(generation("old"), on_probation=False)
    pool.switch_to(generation("new", Eyes(ModelError("late")), Eyes()), on_probation=True)
    pool.keep()
    with pytest.raises(ModelError, match="late"):
        await seen_by(pool, source)
    pool.give_back()
    assert pool.model is not None
    assert pool.model.identity.name == "new", "there is none to give it back for"
    assert pool.gave_back is None


async def test_without_probation_nothing_is_given_back(pool: AnalysisPool, source: FrameSource) -> None:
    pool.switch_to(generation("old"), on_probation=False)
    pool.switch_to(generation("new", Eyes(ModelError("at once")), Eyes()), on_probation=False)
    with pytest.raises(ModelError, match="at once"):
        await seen_by(pool, source)
    assert pool.model is not None
    assert pool.model.identity.name == "new"


@pytest.mark.skipif(sys.platform != "linux", reason="only there has a thread a priority of its own")
async def test_a_model_is_opened_and_tried_out_of_the_workers_way(pool: AnalysisPool) -> None:
    def own_nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await pool.beside(own_nice) == max(own_nice(), NICE)
