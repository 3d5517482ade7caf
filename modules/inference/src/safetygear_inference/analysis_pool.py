"""The worker threads and the detectors they use. The event loop never waits for either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import FrameError, ModelError
from safetygear.frames.ring import FrameRingReader
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.analysis import Analysed, PictureWanted, Unchanged, analyse
from safetygear_inference.detectors import Detector, Model, open_model
from safetygear_inference.gating.gates import GateLook
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.weak_boxes import thresholds_of
from safetygear_inference.second_look.looking import SecondLook
from safetygear_inference.thread_priority import give_way

T = TypeVar("T")


@dataclass(frozen=True)
class Generation:
    """A model and its detectors, one per worker."""

    model: Model
    detectors: tuple[Detector, ...]
    """They give weak boxes too (judging/weak_boxes.py)."""
    shown_from: NDArray[np.float32]
    """(classes,): the probability from which on a box is shown."""


class AnalysisPool:
    """`workers` threads with a ring reader each and, once a model is in use, a detector each. `open_` opens models.

    A change of the model is between two frames: a worker ends its frame with the detector it began it with, and none
    waits. A model that is on probation keeps the one before at hand: where it fails on a frame, that frame is analysed
    once more with the one before, which is in use again from then on.
    """

    def __init__(self, workers: int, frames_dir: Path, open_: Callable[[Path], Model] = open_model) -> None:
        self.workers = workers
        self._open = open_
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="analysis")
        # Loading has its own thread: a big model must not hold up the analysis with the old one.
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="model", initializer=give_way)
        self._readers = [FrameRingReader(frames_dir) for _ in range(workers)]
        self._current: Generation | None = None
        self._before: Generation | None = None
        self._gave_back: Exception | None = None

    @property
    def generation(self) -> Generation | None:
        """The model in use with what belongs to it; another object whenever anything of it is another."""
        return self._current

    @property
    def model(self) -> Model | None:
        """The model in use."""
        return self._current.model if self._current is not None else None

    def shown_from(self, model: Model) -> list[float]:
        """(classes): the probability from which on a box of `model` is shown; its own where it is no longer in use."""
        for generation in (self._current, self._before):
            if generation is not None and generation.model is model:
                return [float(least) for least in generation.shown_from]
        return [model.own_threshold(label) for label in model.labels]

    @property
    def gave_back(self) -> Exception | None:
        """What the model on probation has failed with, since the last `prepare`d one was put in use; None: nothing."""
        return self._gave_back

    async def load(self, path: Path) -> Model:
        """Open the model at `path`. Raises ModelError with the reason; the model in use stays."""
        return await self.beside(lambda: self._open(path))

    async def beside(self, work: Callable[[], T]) -> T:
        """Do `work` for a model that is not in use yet, in the thread that loads them."""
        return await asyncio.get_running_loop().run_in_executor(self._loading, work)

    async def prepare(
        self, model: Model, *, thresholds: Mapping[str, float], default_threshold: float | None
    ) -> Generation:
        """One detector of `model` per worker. Raises ModelError; what is in use stays."""
        own = {label: model.own_threshold(label) for label in model.labels}
        by_label = thresholds_of(own, thresholds, default_threshold)

        def detectors() -> tuple[Detector, ...]:
            return tuple(model.detector(thresholds=by_label.asked) for _ in range(self.workers))

        return Generation(model, await self.beside(detectors), by_label.shown_from(model.labels))

    async def use(
        self, model: Model, *, thresholds: Mapping[str, float], default_threshold: float | None
    ) -> ModelIdentity:
        """Use `model` from the next frame on. Raises ModelError; what was in use stays."""
        self.switch_to(
            await self.prepare(model, thresholds=thresholds, default_threshold=default_threshold), on_probation=False
        )
        return model.identity

    def switch_to(self, generation: Generation, *, on_probation: bool) -> None:
        """Use `generation` from the next frame on."""
        self._before = self._current if on_probation else None
        self._current, self._gave_back = generation, None

    def keep(self) -> None:
        """The model on probation has shown itself: the one before is let go of."""
        self._before = None

    def give_back(self) -> None:
        """Use the model before from the next frame on. Nothing happens where none is on probation."""
        if self._before is not None:
            self._current, self._before = self._before, None

    async def analyse(
        self,
        worker: int,
        arrival: Arrival,
        *,
        with_visibility: bool,
        picture_wanted: PictureWanted | None,
        second_look: SecondLook | None = None,
        gate: GateLook | None = None,
    ) -> tuple[Analysed | Unchanged, Model]:
        """Analyse one frame in a thread; each worker analyses one at a time. Raises FrameError, ModelError."""
        used = self._current
        if used is None:
            raise ModelError("no model is in use", code="no-model")

        def work(generation: Generation) -> Analysed | Unchanged:
            return analyse(
                arrival,
                generation.detectors[worker],
                self._readers[worker],
                labels=generation.model.labels,
                shown_from=generation.shown_from,
                with_visibility=with_visibility,
                picture_wanted=picture_wanted,
                gate=gate,
                second_look=second_look,
            )

        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, used), used.model
        except FrameError:
            raise
        except Exception as exc:
            if used is self._current and self._before is None:
                raise
            if used is self._current:
                self._gave_back = exc
                self.give_back()
        # Another worker may have given the model back, or the keeper changed it, while this frame was looked at.
        instead = self._current
        assert instead is not None
        return await loop.run_in_executor(self._threads, work, instead), instead.model

    def release_rings(self) -> None:
        """Let go of rings that were removed: while mapped they keep their memory."""
        for reader in self._readers:
            reader.forget_missing()

    def close(self) -> None:
        """Take no more work; a thread that is busy ends with its frame."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._loading.shutdown(wait=False, cancel_futures=True)
