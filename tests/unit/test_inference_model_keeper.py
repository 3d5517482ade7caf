"""The wanted model is kept in use; one that can't be used is a named state, and the module goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.config import ModelConfig
from safetygear_inference.detectors import Model
from safetygear_inference.model_keeper import ModelKeeper
from safetygear_inference.problems import Problems


class Pool(AnalysisPool):
    """Its loading meets what nobody has thought of."""

    async def load(self, path: Path) -> Model:
        raise TypeError("ufunc 'isnan' not supported for the input types")


async def test_a_model_file_that_surprises_is_refused_and_does_not_end_the_module(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "odd.onnx").touch()
    pool, problems = Pool(1, tmp_path), Problems()
    keeper = ModelKeeper(pool, [tmp_path], problems)
    keeper.want(ModelConfig(name="odd"))
    task = asyncio.create_task(keeper.run())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    assert (keeper.state.state(), keeper.state.refused_code) == ("refused", "internal")
    assert "odd can't be used: unexpected TypeError" in problems.as_document()["model"]["message"]
    assert "isnan" in caplog.text, "the log has the place"
    task.cancel()
    pool.close()
