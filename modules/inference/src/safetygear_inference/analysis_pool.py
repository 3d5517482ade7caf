"""The worker threads and the detectors they use. The event loop never waits for either."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from safetygear.errors import ModelError
from safetygear.frames.ring import FrameRingReader
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.analysis import Analysed, PictureWanted, analyse
from safetygear_inference.detectors import Detector, Model, open_model
from safetygear_inference.intake import Arrival


class AnalysisPool:
    """`workers` threads with a ring reader each and, once a model is in use, a detector each."""

    def __init__(self, workers: int, frames_dir: Path) -> None:
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="analysis")
        # Loading has its own thread: a big model must not hold up the analysis with the old one.
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._readers = [FrameRingReader(frames_dir) for _ in range(workers)]
        self._detectors: list[Detector] = []
        self._model: Model | None = None

    @property
    def model(self) -> Model | None:
        """The model in use."""
        return self._model

    async def load(self, path: Path) -> Model:
        """Open the model at `path`. Raises ModelError with the reason; the model in use stays."""
        return await asyncio.get_running_loop().run_in_executor(self._loading, open_model, path)

    async def use(
        self, model: Model, *, thresholds: Mapping[str, float], default_threshold: float | None
    ) -> ModelIdentity:
        """Use `model` from the next frame on: one detector per worker. Raises ModelError; what was in use stays."""

        def detectors() -> list[Detector]:
            return [
                model.detector(thresholds=thresholds, default_threshold=default_threshold) for _ in range(self.workers)
            ]

        made = await asyncio.get_running_loop().run_in_executor(self._loading, detectors)
        self._detectors, self._model = made, model
        return model.identity

    async def analyse(
        self, worker: int, arrival: Arrival, *, with_visibility: bool, picture_wanted: PictureWanted | None
    ) -> tuple[Analysed, Model]:
        """Analyse one frame in a thread; each worker analyses one at a time. Raises FrameError, ModelError."""
        if self._model is None:
            raise ModelError("no model is in use", code="no-model")
        model, detector = self._model, self._detectors[worker]
        analysed = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: analyse(
                arrival,
                detector,
                self._readers[worker],
                with_visibility=with_visibility,
                picture_wanted=picture_wanted,
            ),
        )
        return analysed, model

    def release_rings(self) -> None:
        """Let go of rings that were removed: while mapped they keep their memory."""
        for reader in self._readers:
            reader.forget_missing()

    def close(self) -> None:
        """Take no more work; a thread that is busy ends with its frame."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._loading.shutdown(wait=False, cancel_futures=True)
