"""Keeps the wanted model in use. One that is refused is a named state, not an exit: no restart would cure it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from pathlib import Path

from safetygear.clock import Clock
from safetygear.errors import ModelError
from safetygear.secret_references import SecretResolver
from safetygear.twin.reading import FieldError
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.detectors import Model
from safetygear_inference.environment import Environment
from safetygear_inference.last_model import LastModelFile, same_model
from safetygear_inference.model_change.change import PackageChange
from safetygear_inference.model_change.config import DEFAULT_MODEL, ModelConfig
from safetygear_inference.model_change.desk import ModelDesk, unexpected
from safetygear_inference.model_change.download import Downloads
from safetygear_inference.model_change.package_check import open_and_check
from safetygear_inference.model_change.package_store import PackageStore
from safetygear_inference.model_change.probation import Probation
from safetygear_inference.model_change.refusals import NAMED_S
from safetygear_inference.model_change.state import ModelState
from safetygear_inference.model_store import find_model
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis

log = logging.getLogger(__name__)


def keep_models(
    environment: Environment,
    pool: AnalysisPool,
    side: SideAnalysis,
    problems: Problems,
    secrets: SecretResolver | None,
    clock: Clock,
) -> tuple[ModelKeeper, Probation]:
    """The keeper with all it needs, and whose `saw` wants to be told of each analysed frame."""
    folders = (environment.data_dir / "models", environment.models_dir)
    desk, store = ModelDesk(problems, LastModelFile(environment.data_dir)), PackageStore(folders[0])
    probation = Probation(pool, side, clock)
    change = PackageChange(desk, pool, Downloads(store, folders, secrets, clock), store, probation, clock)
    return ModelKeeper(desk, pool, folders, store, change, clock), probation


class ModelKeeper:
    """`want` says which model; `run` brings it into use and keeps it there. What works stays in use meanwhile.

    A model by name is in `folders`, and is swapped at once; one by address takes the way of `change`.
    """

    def __init__(
        self,
        desk: ModelDesk,
        pool: AnalysisPool,
        folders: Sequence[Path],
        store: PackageStore,
        change: PackageChange,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._pool = pool
        self._folders = folders
        self._store = store
        self._change = change
        self._clock = clock
        self._wanted: ModelConfig | None = None
        self._again = False
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def state(self) -> ModelState:
        """How it stands."""
        return self._desk.state

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """What of the wanted thresholds does not fit the model in use."""
        return self._desk.errors

    def want(self, config: ModelConfig) -> None:
        """Use this model with these thresholds from now on."""
        if config != self._wanted:
            self._wanted = config
            self._changed.set()

    def reload(self) -> None:
        """Look at the wanted model again now, also where it was refused for good."""
        self._again = True
        self._changed.set()

    def open_again(self) -> None:
        """From any thread: a model by name would be opened otherwise now, and is changed for that between two frames.

        One by address stays as it is until the next start: it has stood its trial as it is.
        """

        def look() -> None:
            if self._wanted is not None and self._wanted.package is None:
                self.reload()

        if self._loop is not None:
            self._loop.call_soon_threadsafe(look)

    async def run(self) -> None:
        """Follow what is wanted until cancelled. Raises ModelError where a model hangs: a restart frees its thread."""
        self._loop = asyncio.get_running_loop()
        await self._desk.load()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._wanted is None:
                continue
            again, self._again = self._again, False
            await self._until_changed(self._follow(self._wanted, again=again))

    async def _until_changed(self, work: Coroutine[object, object, None]) -> None:
        """Do `work`; it is called off where something else is wanted meanwhile."""
        following = asyncio.create_task(work, name="model-change")
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({following, changed}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
                await changed
        finally:
            changed.cancel()
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, ModelError):
                await following

    async def _follow(self, wanted: ModelConfig, *, again: bool) -> None:
        if again:
            await self._desk.forget_trials()
        if wanted.package is None:
            await self._follow_name(wanted, again=again)
            return
        if self._desk.used is None:
            await self._come_up(wanted)
        if self._is_used(wanted):
            refusal = await self._use(wanted)
            if refusal is None:
                await self._desk.settled(wanted)
            else:
                self._desk.waiting(refusal, "refused")
            return
        await self._change.follow(wanted)

    async def _follow_name(self, wanted: ModelConfig, *, again: bool) -> None:
        while True:
            refusal = await self._use(wanted, fresh=again)
            if refusal is None:
                await self._desk.settled(wanted)
                await asyncio.to_thread(self._store.keep_only, self._desk.memory.packages())
                return
            if self._desk.used is None:
                await self._use_the_first([self._desk.memory.good, self._desk.memory.before])
            self._desk.waiting(refusal, "refused")
            await self._clock.sleep(NAMED_S)

    async def _come_up(self, wanted: ModelConfig) -> None:
        """After a start: something that works at once, before a package is fetched."""
        good, before = self._desk.memory.good, self._desk.memory.before
        if good is not None and same_model(good, wanted):
            good = wanted  # with its thresholds, which may be new
        await self._use_the_first([good, before, ModelConfig(name=wanted.name), ModelConfig(name=DEFAULT_MODEL)])

    async def _use_the_first(self, configs: Sequence[ModelConfig | None]) -> None:
        for config in configs:
            if config is not None and await self._use(config, checked=True) is None:
                return

    async def _use(self, config: ModelConfig, *, fresh: bool = False, checked: bool = False) -> ModelError | None:
        """Put a model in use that is here; why it can't be. `fresh`: its files may be others. `checked`: its golden
        pictures were looked at before."""
        try:
            model = await self._open(config, fresh=fresh, checked=checked)
            await self._pool.use(model, thresholds=config.thresholds, default_threshold=config.default_threshold)
        except ModelError as exc:
            return exc
        except Exception as exc:
            # Whatever a strange file does to the libraries that read it, the model in use goes on.
            log.exception("model %s: unexpected error", config.name)
            return unexpected(exc, config.name)
        self._desk.in_use(config, model)
        return None

    async def _open(self, config: ModelConfig, *, fresh: bool, checked: bool) -> Model:
        in_use = self._pool.model
        if in_use is not None and self._is_used(config) and not fresh:
            return in_use  # other thresholds only
        if config.package is not None:
            path = await asyncio.to_thread(self._store.find, config.package)
            if path is None:
                raise ModelError(f"the package {config.package[:12]} is not here", code="model-missing")
        else:
            path = find_model(config.name, self._folders)
        return await (self._pool.load(path) if checked else open_and_check(self._pool, path))

    def _is_used(self, config: ModelConfig) -> bool:
        return self._desk.used is not None and same_model(self._desk.used, config)
