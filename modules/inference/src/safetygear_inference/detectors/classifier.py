"""A model that says of a whole picture what it is, opened and tried, and the classifiers made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors.decode import classification
from safetygear_inference.detectors.format import NetworkInput
from safetygear_inference.detectors.preprocess import Preprocessor
from safetygear_inference.detectors.runtimes.providers import Placement
from safetygear_inference.detectors.runtimes.session import Session
from safetygear_inference.picture import Picture


@dataclass(frozen=True)
class Classification:
    """What a picture is, most probable first."""

    class_id: NDArray[np.int64]
    """(labels,): index into the model's labels; each is there once."""
    probability: NDArray[np.float32]
    """(labels,), 0..1. They add up to 1 where one label excludes the others, and need not where several may hold."""


class Classifier:
    """One network with its buffers, for one thread at a time."""

    def __init__(self, session: Session, network_input: NetworkInput, labels: tuple[str, ...]) -> None:
        self._session = session
        self._input = network_input
        self._labels = labels
        self._preprocess = Preprocessor(network_input)

    def classify(self, picture: Picture) -> Classification:
        """What the picture is. Give `Picture.cut` for a part of it, such as one person. Raises ModelError."""
        tensor, _ = self._preprocess(picture)
        probability = classification.decode(self._session.run({self._input.name: tensor}), self._labels)
        order = np.argsort(-probability, kind="stable")
        return Classification(order.astype(np.int64), probability[order])


@dataclass(frozen=True)
class ClassifierModel:
    """A classifier that has been opened and tried. Each `Classifier` has a session of its own."""

    identity: ModelIdentity
    labels: tuple[str, ...]
    why: str
    """By what it was recognised."""
    input: NetworkInput
    placement: Placement
    _new_session: Callable[[], Session]

    def classifier(self) -> Classifier:
        """A classifier for one thread. Raises ModelError."""
        return Classifier(self._new_session(), self.input, self.labels)
