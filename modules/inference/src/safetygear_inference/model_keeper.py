"""Keeps the wanted model in use. One that is refused is a named state, not an exit: no restart would cure it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from safetygear.errors import ModelError
from safetygear.twin.reading import FieldError
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.config import ModelConfig
from safetygear_inference.detectors import Model
from safetygear_inference.last_model import LastModelFile
from safetygear_inference.model_store import find_model
from safetygear_inference.problems import Problems
from safetygear_inference.reporting import ModelState

TRY_AGAIN_S = 30.0
"""A refused or missing model is looked at again: somebody may have put the right file there."""

log = logging.getLogger(__name__)


class ModelKeeper:
    """`want` says which model; `run` loads it beside the one in use and swaps them when it works.

    `last` remembers the one that worked, over restarts: where the wanted one is refused and none is in use, it is used.
    """

    def __init__(self, pool: AnalysisPool, folders: Sequence[Path], problems: Problems, last: LastModelFile) -> None:
        self.state = ModelState()
        self.errors: tuple[FieldError, ...] = ()
        """What of the wanted thresholds does not fit the model in use."""
        self._pool = pool
        self._folders = folders
        self._problems = problems
        self._last = last
        self._wanted: ModelConfig | None = None
        self._used: ModelConfig | None = None
        self._changed = asyncio.Event()

    def want(self, config: ModelConfig) -> None:
        """Use this model with these thresholds from now on."""
        if config != self._wanted:
            self._wanted = config
            self._changed.set()

    async def run(self) -> None:
        """Follow what is wanted until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRY_AGAIN_S if self.state.refused else None):
                    await self._changed.wait()
            self._changed.clear()
            if self._wanted is not None:
                await self._follow(self._wanted)

    async def _follow(self, wanted: ModelConfig) -> None:
        refusal = await self._use(wanted)
        if refusal is None:
            self._problems.solved("model")
            await asyncio.to_thread(self._last.save, wanted)
            return
        if self._used is None:
            last = await asyncio.to_thread(self._last.load)
            if last is not None and last != wanted:
                await self._use(last)
        self.state = ModelState(self.state.identity, self.state.format, str(refusal), refusal.code)
        staying = "" if self._used is None else f"; {self._used.name} stays in use"
        self._problems.raised("model", refusal.code, f"{refusal}{staying}")

    async def _use(self, config: ModelConfig) -> ModelError | None:
        """Put a model in use; why it can't be."""
        try:
            model = await self._open(config)
            identity = await self._pool.use(
                model, thresholds=config.thresholds, default_threshold=config.default_threshold
            )
        except ModelError as exc:
            return exc
        except Exception as exc:
            # Whatever a strange file does to the libraries that read it, the model in use goes on.
            log.exception("model %s: unexpected error", config.name)
            message = f"{config.name} can't be used: unexpected {type(exc).__name__}; see the log"
            return ModelError(message, code="internal")
        self._used = config
        self.state = ModelState(identity, model.format.name)
        self.errors = unknown_labels(config, model.labels)
        log.info("model %s %s (%s) is in use: %s", identity.name, identity.version, model.format.name, model.format.why)
        return None

    async def _open(self, wanted: ModelConfig) -> Model:
        in_use = self._pool.model
        if in_use is not None and self._used is not None and self._used.name == wanted.name:
            return in_use  # other thresholds only
        return await self._pool.load(find_model(wanted.name, self._folders))


def unknown_labels(config: ModelConfig, labels: Sequence[str]) -> tuple[FieldError, ...]:
    """A threshold for a label that the model does not have is most likely a typing error."""
    return tuple(
        FieldError(
            path=f"model.thresholds.{label}",
            code="unknown-label",
            message=f"the model has no such label; it has: {', '.join(labels)}",
        )
        for label in config.thresholds
        if label not in labels
    )
