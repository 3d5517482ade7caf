"""A model keeper with all its parts, for tests: on a folder of the test's, without cameras."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from safetygear.clock import Clock, SystemClock
from safetygear.errors import ModelError
from safetygear.messages.detections import DetectionsMessage
from safetygear.secret_references import SecretResolver
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.camera_judge import JudgedFrame
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
from support.frame_source import FrameSource
from support.hub import eventually
from support.pictures import plain


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
        await eventually(lambda: self.phase in phases and (self.phase != "ok" or self.desk.memory.good == config), 10.0)


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


class Watching:
    """One camera whose frames are analysed by the module's pool, as the pipeline does, one after the other."""

    def __init__(self, module: Keeping, level: int) -> None:
        self._module = module
        self._level = level
        self._task: asyncio.Task[None] | None = None
        self.seen: list[str] = []
        """The name of the model that looked at each frame."""
        self.lost: list[Exception] = []
        """Frames that no model could look at."""

    async def __aenter__(self) -> Watching:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        frames = FrameSource(self._module.data, "gate", "north", planes=plain(640, 360, (self._level,) * 3).planes)
        try:
            while True:
                arrival = Arrival("north", frames.reference(), 0.0)
                try:
                    analysed, model = await self._module.pool.analyse(
                        0, arrival, with_visibility=False, picture_wanted=None
                    )
                except (ModelError, ValueError) as exc:
                    self.lost.append(exc)
                else:
                    self.seen.append(model.identity.name)
                    judged, message = JudgedFrame(), cast(DetectionsMessage, None)
                    self._module.probation.saw(SeenFrame(arrival, analysed, model, judged, message, dark=False))
                await asyncio.sleep(0.01)
        finally:
            frames.close()
