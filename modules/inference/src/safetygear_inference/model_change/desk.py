"""What is known of the models: which is in use, which worked before, and how far a change has come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from safetygear.errors import ModelError
from safetygear.twin.reading import FieldError
from safetygear_inference.detectors import Model
from safetygear_inference.last_model import LastModelFile, ModelMemory, OnTrial, Rejected, same_model
from safetygear_inference.model_change.comparison import Comparison
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.state import InUse, ModelState, Phase
from safetygear_inference.problems import Problems

log = logging.getLogger(__name__)


class ModelDesk:
    """Read by what reports, written by what changes the model. `last` carries the memory over restarts."""

    def __init__(self, problems: Problems, last: LastModelFile) -> None:
        self.state = ModelState()
        self.used: ModelConfig | None = None
        """What the model in use was asked for with."""
        self.errors: tuple[FieldError, ...] = ()
        """What of the thresholds does not fit the model in use."""
        self.memory = ModelMemory()
        self._problems = problems
        self._last = last

    async def load(self) -> None:
        """Read what an earlier run has left."""
        self.memory = await asyncio.to_thread(self._last.load)
        on_trial = self.memory.on_trial
        if on_trial is not None:
            # The process has ended while a model was being tried: by it or by chance, the next times will tell.
            ends = OnTrial(sha256=on_trial.sha256, ends=on_trial.ends + 1)
            await self._remember_if_possible(msgspec.structs.replace(self.memory, on_trial=ends))

    def in_use(self, config: ModelConfig, model: Model) -> None:
        """The pool uses it from now on."""
        self.used, self.errors = config, unknown_labels(config, model.labels)
        identity = model.identity
        in_use = InUse(identity, model.format.name, config.package, model.placement, model.choice)
        self.state = replace(self.state, in_use=in_use)
        log.info("model %s %s (%s) is in use: %s", identity.name, identity.version, model.format.name, model.format.why)
        if model.placement.reason is not None:
            log.warning("the model runs on %s: %s", model.placement.used, model.placement.reason)

    def snapshot(self) -> tuple[ModelConfig | None, tuple[FieldError, ...], InUse | None]:
        """What `put_back` takes."""
        return self.used, self.errors, self.state.in_use

    def put_back(self, snapshot: tuple[ModelConfig | None, tuple[FieldError, ...], InUse | None]) -> None:
        """The pool uses again what it used then."""
        self.used, self.errors, in_use = snapshot
        self.state = replace(self.state, in_use=in_use)

    def coming(
        self, phase: Phase, wanted: ModelConfig, *, percent: int | None = None, comparison: Comparison | None = None
    ) -> None:
        """A package is on its way; nothing is wrong with it so far."""
        self.state = ModelState(
            in_use=self.state.in_use,
            phase=phase,
            wanted_package=wanted.package,
            progress_percent=percent,
            comparison=comparison,
        )

    def waiting(self, refusal: ModelError, phase: Phase) -> None:
        """The wanted model is not the one in use; `phase` says what becomes of it."""
        self.state = replace(self.state, phase=phase, progress_percent=None, reason=str(refusal), code=refusal.code)
        staying = "" if self.state.identity is None else f"; {self.state.identity.name} stays in use"
        self._problems.raised("model", refusal.code, f"{refusal}{staying}")

    async def settled(self, config: ModelConfig) -> None:
        """The wanted model is in use and has shown itself."""
        same = self.memory.good is not None and same_model(self.memory.good, config)
        comparison = self.state.comparison if same or self.state.phase == "watching" else None
        self.state = ModelState(in_use=self.state.in_use, phase="ok", comparison=comparison)
        self._problems.solved("model")
        if self.memory.good != config or self.memory.on_trial is not None:
            await self._remember_if_possible(self.memory.now_good(config))

    async def trial(self, wanted: ModelConfig) -> int:
        """A package is about to be opened; how often the process has ended while it was tried. Raises ModelError."""
        before, sha256 = self.memory.on_trial, wanted.package or ""
        if before is None or before.sha256 != sha256:
            before = OnTrial(sha256=sha256)
            await self.remember(msgspec.structs.replace(self.memory, on_trial=before))
        return before.ends

    async def rejected(self, wanted: ModelConfig, refusal: ModelError, *, rolled_back: bool) -> None:
        """The wanted package won't be tried again by itself."""
        self.waiting(refusal, "rolled-back" if rolled_back else "refused")
        rejected = Rejected(config=wanted, code=refusal.code, message=str(refusal), rolled_back=rolled_back)
        await self._remember_if_possible(msgspec.structs.replace(self.memory, on_trial=None, rejected=rejected))

    async def forget_trials(self) -> None:
        """Nothing is being tried, and what was refused may be tried again."""
        await self._remember_if_possible(msgspec.structs.replace(self.memory, on_trial=None, rejected=None))

    def abandon_trial(self) -> None:
        """A change is called off in an orderly way. Writes to the disk on the event loop: one small file, seldom."""
        if self.memory.on_trial is not None:
            self.memory = msgspec.structs.replace(self.memory, on_trial=None)
            with contextlib.suppress(ModelError):
                self._last.save(self.memory)

    async def remember(self, memory: ModelMemory) -> None:
        """Raises ModelError where it can't be written; until the next start it counts all the same."""
        self.memory = memory
        await asyncio.to_thread(self._last.save, memory)

    async def _remember_if_possible(self, memory: ModelMemory) -> None:
        try:
            await self.remember(memory)
        except ModelError as exc:
            log.warning("%s", exc)


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


def unexpected(exc: Exception, name: str) -> ModelError:
    """What nobody has thought of, as a refusal."""
    return ModelError(f"{name} can't be used: unexpected {type(exc).__name__}; see the log", code="internal")
