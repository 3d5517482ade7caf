"""Whether a package can be used: opened, tried, and its golden pictures looked at. In the thread that loads models."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from safetygear.errors import ModelError
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.detectors import Model
from safetygear_inference.detectors.golden_run import golden_differences, refuse_differences
from safetygear_inference.detectors.package import read_model_files

CHECK_S: Final = 300.0
"""A network that is not done with its first pictures by then never will be."""


async def open_and_check(pool: AnalysisPool, path: Path) -> Model:
    """Raises ModelError with the reason; `model-hung` where the network does not come back."""
    try:
        async with asyncio.timeout(CHECK_S):
            model = await pool.load(path)
            await pool.beside(lambda: _look_at_golden(model, model.path or path))
            return model
    except TimeoutError as exc:
        raise ModelError(f"{path.name} was not opened and tried within {CHECK_S:g} s", code="model-hung") from exc


def _look_at_golden(model: Model, path: Path) -> None:
    refuse_differences(golden_differences(model, read_model_files(path).golden))
