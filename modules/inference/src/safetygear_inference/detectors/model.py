"""A model, opened and tried, and the detectors made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import Letterbox, area
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors.fingerprint import find_labels, fingerprint
from safetygear_inference.detectors.format import Format
from safetygear_inference.detectors.nms import keep_best
from safetygear_inference.detectors.package import ModelFiles, read_model_files
from safetygear_inference.detectors.preprocess import Preprocessor
from safetygear_inference.detectors.runtimes.onnx import OnnxSession
from safetygear_inference.detectors.runtimes.onnx_file import with_free_size
from safetygear_inference.picture import DetectedBoxes, Picture

TRIAL_SIZE = (1280, 720)
"""Width and height of the grey picture every model is tried with before it is used."""


class Detector:
    """One network with its buffers, for one thread at a time. Its three steps can be called apart, to time them."""

    def __init__(self, session: OnnxSession, format_: Format, thresholds: NDArray[np.float32]) -> None:
        self._session = session
        self._format = format_
        self._thresholds = thresholds
        self._preprocess = Preprocessor(format_.input)

    def detect(self, picture: Picture) -> DetectedBoxes:
        """What is in the picture, most probable first. Raises ModelError where the network fails, never an empty
        result instead."""
        tensor, letterbox = self.prepare(picture)
        return self.decode(self.run(tensor), letterbox)

    def prepare(self, picture: Picture) -> tuple[NDArray[Any], Letterbox]:
        """The input tensor, which the next call overwrites, and how the picture lies in it."""
        return self._preprocess(picture)

    def run(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The network's outputs. Raises ModelError."""
        return self._session.run(self._format.input.name, tensor)

    def decode(self, outputs: Mapping[str, NDArray[Any]], letterbox: Letterbox) -> DetectedBoxes:
        """The boxes in the outputs. Raises ModelError."""
        network = (letterbox.network_width_px, letterbox.network_height_px)
        found = self._format.decode(outputs, network, self._thresholds)
        boxes, class_id, probability = found.xyxy_network_px, found.class_id, found.probability
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
class Model:
    """A model that has been opened and tried. Holds the weights once; each detector has a session of its own."""

    identity: ModelIdentity
    labels: tuple[str, ...]
    format: Format
    own_thresholds: Mapping[str, float]
    """From the model's settings file, by label."""
    own_default_threshold: float
    _onnx: bytes

    def detector(
        self, *, thresholds: Mapping[str, float] | None = None, default_threshold: float | None = None
    ) -> Detector:
        """A detector for one thread. What is given goes before the model's own; labels it doesn't have are ignored.

        Raises ModelError.
        """
        return Detector(OnnxSession(self._onnx), self.format, self._by_class(thresholds or {}, default_threshold))

    def _by_class(self, thresholds: Mapping[str, float], default: float | None) -> NDArray[np.float32]:
        values = []
        for label in self.labels:
            own = self.own_thresholds.get(label, self.own_default_threshold) if default is None else default
            values.append(thresholds.get(label, own))
        return np.array(values, np.float32)


def open_model(path: Path) -> Model:
    """Read, recognise and try the model at `path`: a .onnx, a folder or an export zip.

    Raises ModelError with the reason and what would be right; a model that is returned has run once.
    """
    files = read_model_files(path)
    session = OnnxSession(files.onnx)
    labels = find_labels(
        session.signature,
        files.settings,
        files.settings_name,
        own=files.labels,
        neighbour=files.neighbour_labels,
    )
    format_ = fingerprint(session.signature, labels, files.settings, files.settings_name)
    onnx, session, format_ = _try_out(files.onnx, session, format_, len(labels))
    unknown = [label for label in files.settings.thresholds if label not in labels]
    if unknown:
        raise ModelError(
            f"{files.settings_name}: thresholds.{unknown[0]}: the model has no such label; it has: {', '.join(labels)}",
            code="model-settings",
        )
    default = files.settings.default_threshold
    return Model(
        identity=_identity(files),
        labels=labels,
        format=format_,
        own_thresholds=files.settings.thresholds,
        own_default_threshold=format_.default_threshold if default is None else default,
        _onnx=onnx,
    )


def _try_out(onnx: bytes, session: OnnxSession, format_: Format, classes: int) -> tuple[bytes, OnnxSession, Format]:
    """Run the model once, and settle what only a run can tell. Raises ModelError."""
    if format_.input.fit == "pixel-count" and format_.input.size is not None:
        declared = replace(format_.input, fit="stretch")
        try:
            free = with_free_size(onnx, format_.input.name)
            free_format = replace(format_, input=replace(format_.input, size=None))
            return (free, *_run_once(OnnxSession(free), free_format, classes))
        except ModelError as exc:
            # Not every network takes another size than the one it was exported with.
            width, height = format_.input.size
            why = f"{format_.why}; fed {width}x{height}, because a trial run with another size failed ({exc})"
            format_ = replace(format_, input=declared, why=why)
    return (onnx, *_run_once(session, format_, classes))


def _run_once(session: OnnxSession, format_: Format, classes: int) -> tuple[OnnxSession, Format]:
    width, height = TRIAL_SIZE
    picture = Picture.from_bgr(np.full((height, width, 3), 114, np.uint8))
    detector = Detector(session, format_, np.zeros(classes, np.float32))
    tensor, letterbox = detector.prepare(picture)
    outputs = detector.run(tensor)
    if format_.settle is not None:
        format_ = format_.settle(outputs, (letterbox.network_width_px, letterbox.network_height_px))
    Detector(session, format_, np.ones(classes, np.float32)).decode(outputs, letterbox)
    return session, format_


def _identity(files: ModelFiles) -> ModelIdentity:
    sha256 = hashlib.sha256(files.onnx).hexdigest()
    iteration = files.manifest.iteration_id if files.manifest is not None else None
    return ModelIdentity(name=files.name, version=files.settings.version or iteration or sha256[:12], sha256=sha256)
