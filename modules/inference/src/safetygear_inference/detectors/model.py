"""A model that finds boxes, opened and tried, and the detectors made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import Letterbox, area
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors.classifier import ClassifierModel
from safetygear_inference.detectors.format import Format
from safetygear_inference.detectors.nms import keep_best
from safetygear_inference.detectors.person_classifying import PersonClassifying
from safetygear_inference.detectors.preprocess import Preprocessor
from safetygear_inference.detectors.runtimes.choice import Choice
from safetygear_inference.detectors.runtimes.providers import Placement
from safetygear_inference.detectors.runtimes.session import Session
from safetygear_inference.detectors.settings import Region
from safetygear_inference.picture import DetectedBoxes, Picture


class Detector:
    """One network with its buffers, for one thread at a time. Its three steps can be called apart, to time them."""

    def __init__(
        self,
        session: Session,
        format_: Format,
        thresholds: NDArray[np.float32],
        name_of: NDArray[np.int64] | None = None,
        on_people: PersonClassifying | None = None,
    ) -> None:
        """`thresholds`: (classes,). `name_of`: (classes,), the index of each class's name in the model's labels.

        `on_people` looks at each person that was found; of the three steps apart it is no part.
        """
        self._session = session
        self._format = format_
        self._thresholds = thresholds
        self._name_of = name_of
        self._on_people = on_people
        self._preprocess = Preprocessor(format_.input)

    def detect(self, picture: Picture) -> DetectedBoxes:
        """What is in the picture, most probable first. Raises ModelError where the network fails, never an empty
        result instead."""
        tensor, letterbox = self.prepare(picture)
        found = self.decode(self.run(tensor), letterbox)
        return found if self._on_people is None else self._on_people.add(picture, found)

    def prepare(self, picture: Picture) -> tuple[NDArray[Any], Letterbox]:
        """The input tensor, which the next call overwrites, and how the picture lies in it."""
        return self._preprocess(picture)

    def run(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The network's outputs. Raises ModelError."""
        return self._session.run({self._format.input.name: tensor, **self._format.more_inputs})

    def decode(self, outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox) -> DetectedBoxes:
        """The boxes in the outputs. Raises ModelError."""
        network = (letterbox.network_width_px, letterbox.network_height_px)
        found = self._format.decode(outputs, network, self._thresholds)
        boxes, class_id, probability = found.xyxy_network_px, found.class_id, found.probability
        if self._name_of is not None:
            class_id = self._name_of[class_id]
        if not np.isfinite(boxes).all():
            raise ModelError("the network gave boxes that are no numbers", code="model-failed")
        if self._format.nms_iou is None:
            order = np.argsort(-probability, kind="stable")
        else:
            order = keep_best(boxes, class_id, probability, iou_above=self._format.nms_iou)
        xyxy_norm = letterbox.to_source_norm(boxes[order])
        # What lies in the padding is cut to nothing, and is in no picture.
        seen = area(xyxy_norm) > 0
        return DetectedBoxes(xyxy_norm[seen], class_id[order][seen], probability[order][seen])


@dataclass(frozen=True)
class OnPeople:
    """The classifier in a model's folder `classifier`."""

    model: ClassifierModel
    region: Region
    person: int
    """Index of the people's label."""
    name_of: tuple[int, ...]
    """For each of the classifier's classes, the index of its name in the model's labels; -1: it makes no box."""

    def for_a_thread(self, thresholds: NDArray[np.float32]) -> PersonClassifying:
        """`thresholds`: (labels,). Raises ModelError."""
        return PersonClassifying(
            self.model.classifier(),
            self.region,
            person=self.person,
            name_of=np.array(self.name_of, np.int64),
            thresholds=thresholds,
        )


@dataclass(frozen=True)
class Model:
    """A model that has been opened and tried. Holds the weights once; each detector has a session of its own."""

    identity: ModelIdentity
    labels: tuple[str, ...]
    """As messages and rules have them: after the settings' labelMapping."""
    format: Format
    own_thresholds: Mapping[str, float]
    """From the model's settings file, by label."""
    own_default_threshold: float
    placement: Placement
    """On which hardware it was tried; its detectors are asked to run on the same."""
    _new_session: Callable[[], Session]
    _name_of: tuple[int, ...]
    """For each of the network's classes, the index of its name in `labels`."""
    on_people: OnPeople | None = None
    path: Path | None = None
    """What it was opened from: another file than the one that was asked for, where its int8 twin runs."""
    choice: Choice | None = None
    """Which runtime was chosen for it, and from what; None where nobody has chosen."""

    def detector(
        self, *, thresholds: Mapping[str, float] | None = None, default_threshold: float | None = None
    ) -> Detector:
        """A detector for one thread. What is given goes before the model's own; labels it doesn't have are ignored.

        Raises ModelError.
        """
        by_name = [self._threshold(label, thresholds or {}, default_threshold) for label in self.labels]
        name_of, least = np.array(self._name_of, np.int64), np.array(by_name, np.float32)
        on_people = self.on_people.for_a_thread(least) if self.on_people is not None else None
        return Detector(self._new_session(), self.format, least[name_of], name_of, on_people)

    def own_threshold(self, label: str) -> float:
        """The least probability of that label's boxes where nothing else is asked for."""
        return self._threshold(label, {}, None)

    def _threshold(self, label: str, thresholds: Mapping[str, float], default: float | None) -> float:
        own = self.own_thresholds.get(label, self.own_default_threshold) if default is None else default
        return thresholds.get(label, own)
