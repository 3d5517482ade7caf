"""The wanted model is kept in use; one that can't be used is a named state, and the module goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.config import ModelConfig
from safetygear_inference.detectors import Model
from safetygear_inference.last_model import LastModelFile
from safetygear_inference.model_keeper import ModelKeeper
from safetygear_inference.problems import Problems
from support.hub import eventually
from support.onnx_models import convolutional_compact


class Pool(AnalysisPool):
    """Its loading meets what nobody has thought of."""

    async def load(self, path: Path) -> Model:
        raise TypeError("ufunc 'isnan' not supported for the input types")


async def test_a_model_file_that_surprises_is_refused_and_does_not_end_the_module(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "odd.onnx").touch()
    pool, problems = Pool(1, tmp_path), Problems()
    keeper = ModelKeeper(pool, [tmp_path], problems, LastModelFile(tmp_path))
    keeper.want(ModelConfig(name="odd"))
    task = asyncio.create_task(keeper.run())
    await eventually(lambda: keeper.state.state() != "loading")
    assert not task.done()
    assert (keeper.state.state(), keeper.state.refused_code) == ("refused", "internal")
    assert "odd can't be used: unexpected TypeError" in problems.as_document()["model"]["message"]
    assert "isnan" in caplog.text, "the log has the place"
    task.cancel()
    pool.close()


async def follow(folder: Path, config: ModelConfig) -> tuple[ModelKeeper, Problems]:
    """A start of the module that wants `config`, until it has settled."""
    pool, problems = AnalysisPool(1, folder), Problems()
    keeper = ModelKeeper(pool, [folder], problems, LastModelFile(folder))
    keeper.want(config)
    task = asyncio.create_task(keeper.run())
    try:
        await eventually(lambda: keeper.state.state() != "loading" and (folder / "last-model.json").exists())
    finally:
        task.cancel()
        pool.close()
    return keeper, problems


async def test_after_a_restart_under_a_refused_model_the_last_good_one_is_used(tmp_path: Path) -> None:
    (tmp_path / "good.onnx").write_bytes(convolutional_compact(1))
    (tmp_path / "labels.txt").write_text("helmet")
    good = ModelConfig(name="good", thresholds={"helmet": 0.7})
    keeper, problems = await follow(tmp_path, good)
    assert (keeper.state.state(), problems.as_document()) == ("ok", {})

    keeper, problems = await follow(tmp_path, ModelConfig(name="missing"))
    assert keeper.state.identity is not None
    assert (keeper.state.identity.name, keeper.state.refused_code) == ("good", "model-missing")
    assert "good stays in use" in problems.as_document()["model"]["message"]
    assert LastModelFile(tmp_path).load() == good


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name": "../x"}', b"\xff"])
def test_a_memory_that_can_not_be_read_is_none(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "last-model.json").write_bytes(content)
    assert LastModelFile(tmp_path).load() is None
    assert "can't be read" in caplog.text


def test_a_memory_that_can_not_be_written_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    LastModelFile(tmp_path / "missing").save(ModelConfig())
    assert "the data folder" in caplog.text
