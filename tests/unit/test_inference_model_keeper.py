"""The wanted model is kept in use; one that can't be used is a named state, and the module goes on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import ModelError
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.runtimes.choice import Choice, Variant
from safetygear_inference.last_model import LastModelFile, ModelMemory, OnTrial
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.refusals import NAMED_S
from support.hub import eventually
from support.model_keeping import keeping
from support.onnx_models import colour_meter, convolutional_compact


class Pool(AnalysisPool):
    """Its loading meets what nobody has thought of."""

    async def load(self, path: Path) -> Model:
        raise TypeError("ufunc 'isnan' not supported for the input types")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "good.onnx").write_bytes(convolutional_compact(1))
    (folder / "good.labels.txt").write_text("helmet")
    return folder


async def test_a_model_file_that_surprises_is_refused_and_does_not_end_the_module(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with keeping(tmp_path, pool=Pool(1, tmp_path)) as module:
        await module.want(ModelConfig(name="good"), "refused")
        assert module.keeper.state.code == "internal"
        assert "good can't be used: unexpected TypeError" in module.problems.as_document()["model"]["message"]
        assert "isnan" in caplog.text, "the log has the place"
        assert not module.task.done()


async def test_after_a_restart_under_a_refused_model_the_last_good_one_is_used(tmp_path: Path, models: Path) -> None:
    good = ModelConfig(name="good", thresholds={"helmet": 0.7})
    async with keeping(tmp_path) as module:
        await module.want(good, "ok")
        assert module.problems.as_document() == {}
        await eventually(lambda: LastModelFile(tmp_path).load().good == good)

    async with keeping(tmp_path) as module:
        await module.want(ModelConfig(name="missing"), "refused")
        state = module.keeper.state
        assert state.identity is not None
        assert (state.identity.name, state.code) == ("good", "model-missing")
        assert "good stays in use" in module.problems.as_document()["model"]["message"]
        assert LastModelFile(tmp_path).load().good == good


async def test_a_named_model_that_is_missing_is_looked_for_again(tmp_path: Path, models: Path) -> None:
    clock = FakeClock()
    async with keeping(tmp_path, clock=clock) as module:
        await module.want(ModelConfig(name="late"), "refused")
        (models / "good.onnx").rename(models / "late.onnx")
        (models / "good.labels.txt").rename(models / "late.labels.txt")
        await clock.advance(NAMED_S)
        await module.until("ok")


async def test_other_thresholds_take_the_model_that_is_open(tmp_path: Path, models: Path) -> None:
    async with keeping(tmp_path) as module:
        await module.want(ModelConfig(name="good"), "ok")
        opened = module.pool.model
        (models / "good.onnx").unlink()
        module.keeper.want(ModelConfig(name="good", thresholds={"gloves": 0.5}))
        await eventually(lambda: module.keeper.errors)
        assert module.pool.model is opened
        assert [(error.path, error.code) for error in module.keeper.errors] == [
            ("model.thresholds.gloves", "unknown-label")
        ]


async def test_reloading_reads_a_file_by_name_anew(tmp_path: Path, models: Path) -> None:
    async with keeping(tmp_path) as module:
        await module.want(ModelConfig(name="good"), "ok")
        before = module.keeper.state.identity
        (models / "good.onnx").write_bytes(colour_meter())
        (models / "good.labels.txt").write_text("red\ngreen\nblue")
        module.keeper.reload()
        await eventually(lambda: module.keeper.state.identity != before)
        assert module.phase == "ok"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"good": {"name": "../x"}}', b"\xff", b'{"good": 1}'])
def test_a_memory_that_can_not_be_read_is_none(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "last-model.json").write_bytes(content)
    assert LastModelFile(tmp_path).load() == ModelMemory()
    assert "can't be read" in caplog.text


def test_a_memory_is_kept_as_it_was(tmp_path: Path) -> None:
    config = ModelConfig(uri="https://models.example/a.zip", sha256="a" * 64, thresholds={"helmet": 0.5})
    memory = ModelMemory(good=config, before=ModelConfig(name="b"), on_trial=OnTrial(sha256="c" * 64, ends=2))
    LastModelFile(tmp_path).save(memory)
    assert LastModelFile(tmp_path).load() == memory


def test_a_memory_that_can_not_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the data folder") as raised:
        LastModelFile(tmp_path / "missing").save(ModelMemory())
    assert raised.value.code == "data-missing"


def test_the_last_two_that_worked_are_kept_whatever_the_thresholds() -> None:
    one, two = (ModelConfig(uri=f"https://x.example/{name}.zip", sha256=name * 64) for name in "ab")
    memory = ModelMemory().now_good(one).now_good(two)
    assert (memory.good, memory.before, memory.packages()) == (two, one, {"a" * 64, "b" * 64})
    other = msgspec.structs.replace(two, default_threshold=0.7)
    assert (memory.now_good(other).good, memory.now_good(other).before) == (other, one)
    assert memory.now_good(ModelConfig(name="c")).packages() == {"b" * 64}


async def test_a_model_that_another_runtime_runs_better_after_all_is_changed_without_a_gap(
    tmp_path: Path, models: Path
) -> None:
    choices = [Choice(reason="still being tried"), Choice(Variant("openvino"), reason="the fastest here")]
    pool = AnalysisPool(1, tmp_path, lambda path: replace(open_model(path), choice=choices[0]))
    async with keeping(tmp_path, pool=pool) as module:
        await module.want(ModelConfig(name="good"), "ok")
        del choices[0]
        await asyncio.to_thread(module.keeper.open_again)
        await eventually(lambda: pool.model is not None and pool.model.choice == choices[0])
        runtime = module.keeper.state.as_document()["runtime"]
        assert runtime == {"used": "openvino", "reason": "the fastest here", "timed": [], "passedOver": []}
