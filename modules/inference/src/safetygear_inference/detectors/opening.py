"""From a path to a model that has been recognised and tried."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from safetygear.errors import ModelError
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors.classifier import Classifier, ClassifierModel
from safetygear_inference.detectors.decode import classification
from safetygear_inference.detectors.fingerprint import find_labels, fingerprint
from safetygear_inference.detectors.format import Format
from safetygear_inference.detectors.labels import mapped_labels
from safetygear_inference.detectors.model import Detector, Model, OnPeople
from safetygear_inference.detectors.package import CLASSIFIER, ModelFiles, read_model_files
from safetygear_inference.detectors.runtimes.choice import Runtime
from safetygear_inference.detectors.runtimes.onnx import OnnxSession
from safetygear_inference.detectors.runtimes.onnx_file import with_free_size
from safetygear_inference.detectors.runtimes.openvino import OpenVinoSession
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, Provider
from safetygear_inference.detectors.runtimes.session import Session
from safetygear_inference.detectors.runtimes.tflite import TfliteSession
from safetygear_inference.detectors.signature import Signature
from safetygear_inference.picture import Picture

TRIAL_SIZE = (1280, 720)
"""Width and height of the grey picture every model is tried with before it is used."""
PERSON, NEGATIVE = "person", "negative"
"""Whom a classifier in a detector's package looks at; Custom Vision's tag for "none of these", which makes no box."""
CLASSIFIER_THRESHOLD = 0.5
JOINED_IOU = 0.5
"""For boxes of classes that labelMapping gives one name."""
Open = Callable[[], Session]


def open_model(path: Path, *, providers: Sequence[Provider] = CPU_ONLY, runtime: Runtime = "onnxruntime") -> Model:
    """Read, recognise and try the detector at `path`: a .onnx or .tflite, a folder or an export zip.

    `providers`: the hardware to run it on, in order of preference; what is not there is passed over, and
    `Model.placement` says so. `runtime`: `openvino` runs it instead, on the CPU; how it is read stays ONNX Runtime's to
    say. Raises ModelError with the reason and what would be right; a model that is returned has run once. A classifier
    is refused (`model-is-classifier`).
    """
    model = _open(read_model_files(path), providers, runtime)
    if isinstance(model, ClassifierModel):
        raise ModelError(
            f"{path.name} is a classifier ({model.why}): it gives no boxes. Give an object detection model here",
            code="model-is-classifier",
        )
    return replace(model, path=path)


def open_model_or_classifier(path: Path, *, providers: Sequence[Provider] = CPU_ONLY) -> Model | ClassifierModel:
    """As `open_model`, but takes a classifier too. Raises ModelError."""
    return _open(read_model_files(path), providers)


def _open(
    files: ModelFiles, providers: Sequence[Provider], runtime: Runtime = "onnxruntime"
) -> Model | ClassifierModel:
    new_session = _opener(files, files.network, providers)
    session = new_session()
    files = _with_what_lies_beside(files, session.signature)
    labels = find_labels(
        session.signature,
        files.settings,
        files.settings_name,
        own=files.labels,
        neighbour=files.neighbour_labels,
    )
    domain = files.manifest.domain_type if files.manifest is not None else None
    why = classification.evidence(session.signature, labels, files.settings, domain)
    if why is not None:
        return _classifier(files, session, new_session, labels, why)
    format_ = fingerprint(session.signature, labels, files.settings, files.settings_name)
    labels = format_.labels or labels
    session, new_session, format_ = _try_out(files, session, new_session, format_, len(labels), providers)
    if runtime == "openvino":
        new_session = _openvino(files, session, format_, len(labels))
    labels, name_of = mapped_labels(labels, files.settings.label_mapping, files.settings_name)
    if len(labels) < len(name_of) and format_.nms_iou is None:
        # The network's own suppression has kept one box per thing and class, and knows nothing of classes that are one.
        format_ = replace(format_, nms_iou=JOINED_IOU)
    unknown = [label for label in files.settings.thresholds if label not in labels]
    if unknown:
        raise ModelError(
            f"{files.settings_name}: thresholds.{unknown[0]}: the model has no such label; it has: {', '.join(labels)}",
            code="model-settings",
        )
    default = files.settings.default_threshold
    model = Model(
        identity=_identity(files),
        labels=labels,
        format=format_,
        own_thresholds=files.settings.thresholds,
        own_default_threshold=format_.default_threshold if default is None else default,
        placement=session.placement,
        _new_session=new_session,
        _name_of=name_of,
    )
    return model if files.person_classifier is None else _with_classifier(model, files.person_classifier, providers)


def _with_what_lies_beside(files: ModelFiles, signature: Signature) -> ModelFiles:
    """`files` with the size that preprocessor_config.json names, where the network leaves its own open."""
    if files.declared_size is None or files.settings.input_size is not None:
        return files
    if any(isinstance(side, int) and side != 3 for tensor in signature.inputs for side in tensor.shape[2:4]):
        return files
    settings = msgspec.structs.replace(files.settings, input_size=files.declared_size)
    return replace(files, settings=settings)


def _with_classifier(model: Model, files: ModelFiles, providers: Sequence[Provider]) -> Model:
    """`model` with the classifier that looks at its people. Raises ModelError."""
    classifier = _open(files, providers)
    if not isinstance(classifier, ClassifierModel):
        raise ModelError(
            f"the network in the folder {CLASSIFIER} finds boxes ({classifier.format.why}): a classifier belongs there"
        )
    if PERSON not in model.labels:
        raise ModelError(
            f"the folder {CLASSIFIER} is for each person, but the detector has no label {PERSON}; it has: "
            f"{', '.join(model.labels)}. `labelMapping` can give one that name",
            code="model-labels",
        )
    settings = files.settings
    names, name_of = mapped_labels(classifier.labels, settings.label_mapping, files.settings_name)
    labels = model.labels + tuple(name for name in names if name not in model.labels and name.casefold() != NEGATIVE)
    least = CLASSIFIER_THRESHOLD if settings.default_threshold is None else settings.default_threshold
    return replace(
        model,
        identity=_joined(model.identity, classifier.identity),
        labels=labels,
        own_thresholds={**dict.fromkeys(names, least), **settings.thresholds, **model.own_thresholds},
        on_people=OnPeople(
            classifier,
            settings.region or "head",
            model.labels.index(PERSON),
            tuple(labels.index(names[index]) if names[index] in labels else -1 for index in name_of),
        ),
    )


def _joined(first: ModelIdentity, second: ModelIdentity) -> ModelIdentity:
    """Of two networks that are one model: a digest of both digests, and a version that changes with either."""
    sha256 = hashlib.sha256(f"{first.sha256}{second.sha256}".encode()).hexdigest()
    version = sha256[:12] if first.version == first.sha256[:12] else first.version
    return ModelIdentity(name=first.name, version=version, sha256=sha256)


def _openvino(files: ModelFiles, session: Session, format_: Format, classes: int) -> Open:
    """What opens it in OpenVINO, tried once. Compiling takes a second: the first to ask gets what was tried."""
    if files.runtime != "onnx":
        raise ModelError("OpenVINO runs ONNX networks only", code="model-runtime")
    if format_.input.size is None:
        raise ModelError(
            "it is fed pictures of any size, for each of which OpenVINO would compile it anew", code="model-runtime"
        )
    new_session = partial(OpenVinoSession, files.network, session.signature)
    tried = deque([new_session()])
    _run_once(tried[0], format_, classes)

    def next_session() -> Session:
        try:
            return tried.popleft()
        except IndexError:
            return new_session()

    return next_session


def _opener(files: ModelFiles, network: bytes, providers: Sequence[Provider]) -> Open:
    if files.runtime == "tflite":
        return partial(TfliteSession, network, providers)
    return partial(OnnxSession, network, providers)


def _classifier(
    files: ModelFiles, session: Session, new_session: Open, labels: tuple[str, ...], why: str
) -> ClassifierModel:
    domain = files.manifest.domain_type if files.manifest is not None else None
    taken = classification.network_input(session.signature, files.settings, files.runtime, domain)
    model = ClassifierModel(_identity(files), labels, why, taken, session.placement, new_session)
    Classifier(session, taken, labels).classify(_trial_picture())
    return model


def _try_out(
    files: ModelFiles, session: Session, new_session: Open, format_: Format, classes: int, providers: Sequence[Provider]
) -> tuple[Session, Open, Format]:
    """Run the model once, and settle what only a run can tell. Raises ModelError."""
    if format_.input.fit == "pixel-count" and format_.input.size is not None:
        declared = replace(format_.input, fit="stretch")
        try:
            if files.runtime != "onnx":
                raise ModelError(f"{files.runtime} networks have one size")
            free = _opener(files, with_free_size(files.network, format_.input.name), providers)
            free_format = replace(format_, input=replace(format_.input, size=None))
            session = free()
            return session, free, _run_once(session, free_format, classes)
        except ModelError as exc:
            # Not every network takes another size than the one it was exported with.
            width, height = format_.input.size
            why = f"{format_.why}; fed {width}x{height}, because a trial run with another size failed ({exc})"
            format_ = replace(format_, input=declared, why=why)
            session = new_session()
    return session, new_session, _run_once(session, format_, classes)


def _run_once(session: Session, format_: Format, classes: int) -> Format:
    detector = Detector(session, format_, np.zeros(classes, np.float32))
    tensor, letterbox = detector.prepare(_trial_picture())
    outputs = detector.run(tensor)
    if format_.settle is not None:
        format_ = format_.settle(outputs, (letterbox.network_width_px, letterbox.network_height_px))
    Detector(session, format_, np.ones(classes, np.float32)).decode(outputs, letterbox)
    return format_


def _trial_picture() -> Picture:
    width, height = TRIAL_SIZE
    return Picture.from_bgr(np.full((height, width, 3), 114, np.uint8))


def _identity(files: ModelFiles) -> ModelIdentity:
    sha256 = hashlib.sha256(files.network).hexdigest()
    iteration = files.manifest.iteration_id if files.manifest is not None else None
    return ModelIdentity(name=files.name, version=files.settings.version or iteration or sha256[:12], sha256=sha256)
