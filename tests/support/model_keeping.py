"""A model keeper with all its parts, for tests: on a folder of the test's, without cameras."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from safetygear.clock import Clock, SystemClock
from safetygear.secret_references import SecretResolver
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.last_model import LastModelFile
from safetygear_inference.model_change.change import PackageChange
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.desk import ModelDesk
from safetygear_inference.model_change.download import Downloads
from safetygear_inference.model_change.package_store import PackageStore
from safetygear_inference.model_change.probation import Probation
from safetygear_inference.model_keeper import ModelKeeper
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis
from support.hub import eventually


@dataclass
class Keeping:
    """A start of the module, as far as models go. `data` is its data folder."""

    data: Path
    keeper: ModelKeeper
    desk: ModelDesk
    pool: AnalysisPool
    probation: Probation
    problems: Problems
    store: PackageStore
    task: asyncio.Task[None]

    @property
    def phase(self) -> str:
        return self.keeper.state.phase

    async def until(self, *phases: str, timeout_s: float = 10.0) -> None:
        await eventually(lambda: self.phase in phases, timeout_s)

    async def want(self, config: ModelConfig, *phases: str) -> None:
        """Want it, and wait until that has settled in one of `phases`."""
        self.keeper.want(config)
        await asyncio.sleep(0)
        await self.until(*phases)


@contextlib.asynccontextmanager
async def keeping(
    data: Path,
    *,
    image: Path | None = None,
    pool: AnalysisPool | None = None,
    clock: Clock | None = None,
    secrets: SecretResolver | None = None,
) -> AsyncIterator[Keeping]:
    """Models by name lie in `data`/models and in `image`."""
    pool, problems, clock = pool or AnalysisPool(1, data), Problems(), clock or SystemClock()
    side = SideAnalysis(data)
    folders = (data / "models", image or data / "image")
    desk, store = ModelDesk(problems, LastModelFile(data)), PackageStore(folders[0])
    probation = Probation(pool, side, clock)
    change = PackageChange(desk, pool, Downloads(store, folders, secrets, clock), store, probation, clock)
    keeper = ModelKeeper(desk, pool, folders, store, change, clock)
    task = asyncio.create_task(keeper.run())
    try:
        yield Keeping(data, keeper, desk, pool, probation, problems, store, task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
        pool.close()
        side.close()
