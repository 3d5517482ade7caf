"""The way of one package: fetched, checked, compared, put in use, watched. What was in use stays until it is replaced,
and comes back where the new one was a mistake."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.errors import ModelError
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.last_model import Rejected
from safetygear_inference.model_change.comparison import Comparison
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.desk import ModelDesk, unexpected
from safetygear_inference.model_change.download import Downloads
from safetygear_inference.model_change.download_plan import DownloadError
from safetygear_inference.model_change.package_check import open_and_check
from safetygear_inference.model_change.package_store import PackageStore
from safetygear_inference.model_change.probation import Probation
from safetygear_inference.model_change.refusals import FIRST_PAUSE_S, LATER_S, LONGEST_PAUSE_S, cure
from safetygear_inference.model_change.state import progress_percent

MOST_ENDS: Final = 3
"""A package during whose trial the process has ended so often is not tried again."""
HUNG: Final = "model-hung"

log = logging.getLogger(__name__)


class RolledBackError(ModelError):
    """A model that had taken over was given back."""


class PackageChange:
    """Makes packages the model in use; `probation` is told of the live frames by whoever owns it."""

    def __init__(
        self,
        desk: ModelDesk,
        pool: AnalysisPool,
        downloads: Downloads,
        store: PackageStore,
        probation: Probation,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._pool = pool
        self._downloads = downloads
        self._store = store
        self._probation = probation
        self._clock = clock

    async def follow(self, wanted: ModelConfig) -> None:
        """Until `wanted` is in use, or refused for good. Raises ModelError where it hangs: only a restart frees its
        thread."""
        rejected = self._desk.memory.rejected
        if rejected is not None and rejected.config == wanted:
            self._desk.coming("checking", wanted)
            self._desk.waiting(_said_before(rejected), "rolled-back" if rejected.rolled_back else "refused")
            return
        backoff = Backoff(first_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S)
        while True:
            refusal = await self._attempt(wanted, backoff)
            if refusal is None:
                return
            help_comes = cure(refusal.code)
            if help_comes == "never":
                await self._desk.rejected(wanted, refusal, rolled_back=isinstance(refusal, RolledBackError))
                await asyncio.to_thread(self._keep_only, None)
                if refusal.code == HUNG:
                    raise refusal
                return
            self._desk.waiting(refusal, "downloading" if help_comes == "soon" else "refused")
            asked_s = refusal.retry_after_s if isinstance(refusal, DownloadError) else None
            await self._clock.sleep(asked_s or (backoff.next_s() if help_comes == "soon" else LATER_S))

    async def _attempt(self, wanted: ModelConfig, backoff: Backoff) -> ModelError | None:
        """Why it did not succeed; None where it did."""
        try:
            await asyncio.to_thread(self._keep_only, wanted.package)
            path = await self._fetch(wanted, backoff)
            await self._try(wanted, path)
        except asyncio.CancelledError:
            self._desk.abandon_trial()
            raise
        except ModelError as exc:
            return exc
        except Exception as exc:
            # Whatever a strange file does to the libraries that read it, the model in use goes on.
            log.exception("model.uri: unexpected error")
            return unexpected(exc, "the package")
        return None

    async def _fetch(self, wanted: ModelConfig, backoff: Backoff) -> Path:
        had_bytes = 0

        def progress(have_bytes: int, total_bytes: int | None) -> None:
            nonlocal had_bytes
            if have_bytes > had_bytes:
                had_bytes = have_bytes
                backoff.reset()  # it goes on, if in small steps
            percent = progress_percent(have_bytes, total_bytes)
            if percent != self._desk.state.progress_percent:
                self._desk.coming("downloading", wanted, percent=percent)

        if self._desk.state.code is None:  # else what went wrong is still the news
            self._desk.coming("downloading", wanted, percent=0)
        return await self._downloads.fetch(wanted, progress)

    async def _try(self, wanted: ModelConfig, path: Path) -> None:
        desk = self._desk
        known = wanted.package in desk.memory.packages()
        desk.coming("checking", wanted)
        ends = await desk.trial(wanted)
        if ends >= MOST_ENDS:
            raise ModelError(f"the module has ended {ends} times while it tried this model", code="model-ends-module")
        model = await open_and_check(self._pool, path)
        comparison: Comparison | None = None
        if wanted.shadow_s > 0 and not known and self._pool.model is not None:
            desk.coming("shadowing", wanted)
            comparison = await self._probation.compare(wanted, model)
            desk.coming("shadowing", wanted, comparison=comparison)
            self._probation.judge(wanted, comparison)
        generation = await self._pool.prepare(
            model, thresholds=wanted.thresholds, default_threshold=wanted.default_threshold
        )
        before = desk.snapshot()
        desk.coming("watching", wanted, comparison=comparison)
        desk.in_use(wanted, model)
        try:
            await self._probation.take_over(wanted, generation)
        except ModelError as exc:
            desk.put_back(before)
            raise RolledBackError(str(exc), code=exc.code) from exc
        except BaseException:
            desk.put_back(before)
            raise
        await desk.settled(wanted)
        await asyncio.to_thread(self._keep_only, None)

    def _keep_only(self, more: str | None) -> None:
        """On the disk: the last two packages that worked, and the one that is on its way."""
        self._store.keep_only(self._desk.memory.packages() | ({more} if more else set()))


def _said_before(rejected: Rejected) -> ModelError:
    return ModelError(rejected.message, code=rejected.code)
