"""Which model answers: one that was opened for the API alone, or the one that watches the cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from safetygear_inference.analysis_pool import AnalysisPool, Generation
from safetygear_inference.detectors import ClassifierModel, Model
from safetygear_inference.prediction.answers import iteration_id
from safetygear_inference.prediction.routes import Task


@dataclass(frozen=True, eq=False)
class Served:
    """A model, and from which probability on its boxes are told."""

    model: Model | ClassifierModel
    thresholds: Mapping[str, float] | None = None
    """By label; None: the model's own."""

    @property
    def task(self) -> Task:
        return "detect" if isinstance(self.model, Model) else "classify"

    @property
    def iteration(self) -> str:
        return iteration_id(self.model.identity.sha256)


ModelSource = Callable[[], Served | None]
"""The model in use now, the same object until it is another one; None: there is none yet."""


def fixed(model: Model | ClassifierModel) -> ModelSource:
    """Always that one."""
    served = Served(model)
    return lambda: served


class LiveModel:
    """The model in use for the cameras, with the thresholds in force there."""

    def __init__(self, pool: AnalysisPool) -> None:
        self._pool = pool
        self._seen: Generation | None = None
        self._served: Served | None = None

    def __call__(self) -> Served | None:
        generation = self._pool.generation
        if generation is not self._seen:
            self._seen = generation
            self._served = None if generation is None else _served(generation)
        return self._served


def _served(generation: Generation) -> Served:
    labels = generation.model.labels
    return Served(generation.model, dict(zip(labels, generation.shown_from.tolist(), strict=True)))
