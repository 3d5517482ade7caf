"""RF-DETR: queries with a box and a logit per class, of which the best pairs count.

Source: roboflow/rf-detr, models/postprocess.py (`PostProcess`): sigmoid, all queries and classes in one row, the best
300 of them; one query may give two boxes of different classes. It is no softmax: the classes do not exclude each
other. The head has a place more than there are classes. Releases before 1.6.2 kept COCO's numbers, so that with classes
from 1 on the first place was no class; later ones, and data in YOLO's form, begin with 0 and leave the last (issues 913
and 961 there). Its files do not say which; what follows 1.11.2 writes it down: export/_runtime/metadata.py,
`class_id_to_name`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import xyxy_from_cxcywh
from safetygear_inference.detectors.activations import sigmoid
from safetygear_inference.detectors.class_ids import first_of
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, refuse_nan
from safetygear_inference.detectors.labels import checked_labels
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "rf-detr"
BOXES, LOGITS, MASKS = "dets", "labels", "masks"
BEST = 300
"""num_select."""
DEFAULT_THRESHOLD = 0.5
"""That of RF-DETR's own predict()."""
SAID = "rfdetr_inference"
"""Metadata entry of releases after 1.11.2: JSON."""
WHICH = (
    ": for rfdetr 1.6.2 and later it is 0, and for any that was trained on data in YOLO's form; for older ones, "
    "trained on COCO's form with numbers from 1 on, as Roboflow writes it, it is 1"
)


class _Said(msgspec.Struct):
    class_id_to_name: dict[int, str] = {}


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    boxes, logits = signature.output(BOXES), signature.output(LOGITS)
    if boxes is None or logits is None or len(signature.inputs) != 1:
        return None
    # MMDeploy uses the same names for boxes with a score as fifth value and for class ids.
    if len(boxes.shape) != 3 or boxes.shape[2] not in (4, "") or len(logits.shape) != 3:
        return None
    return Evidence("names", f"outputs {boxes} and {logits}")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    logits = signature.output(LOGITS)
    if signature.output(BOXES) is None or logits is None or len(logits.shape) != 3:
        raise ModelError(f"{NAME} needs the outputs {BOXES} and {LOGITS}; the network has: {signature}")
    if signature.output(MASKS) is not None:
        raise ModelError(f"output {MASKS}: this is RF-DETR's segmentation model; export a detection model")
    places = logits.shape[2]
    if not isinstance(places, int):
        raise ModelError(f"the output {logits} does not say how many classes there are: export it with a fixed number")
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="imagenet", fits=("stretch", "center")
    )
    said = _numbers(signature)
    if said:
        place_of = tuple(said)
        if len(said) != len(labels) or max(said) >= places:
            raise ModelError(
                f"metadata entry {SAID} names {len(said)} classes ({', '.join(said.values())}), but there are "
                f"{len(labels)} labels: labels.txt is not the one of this model",
                code="model-labels",
            )
        why = f"{why}; class numbers by the metadata entry {SAID}"
    else:
        _check_classes(places, len(labels))
        where = f"the values of the output {LOGITS}"
        labels, first = first_of(labels, settings, counted=places, where=where, hint=WHICH)
        place_of = tuple(range(first, first + len(labels)))
        why = f"{why}; class {first} is the first label"
    return Format(NAME, why, network_input, RfDetrDecode(place_of, places), DEFAULT_THRESHOLD, None, labels=labels)


@dataclass(frozen=True)
class RfDetrDecode:
    """`place_of`: for each label the logit's; `places`: how many logits a query has."""

    place_of: tuple[int, ...]
    places: int

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """dets (1, queries, 4): centre and size in 0..1; labels (1, queries, places): logits."""
        boxes, logits = outputs[BOXES], outputs[LOGITS]
        if boxes.ndim != 3 or boxes.shape[0] != 1 or boxes.shape[2] != 4 or logits.shape[:2] != boxes.shape[:2]:
            raise ModelError(f"the network gave outputs of shape {boxes.shape} and {logits.shape}", code="model-failed")
        _check_classes(logits.shape[2], self.places)
        values = logits[0].astype(np.float32)
        refuse_nan(values)
        # The place for no object is a class like the others when the best are taken.
        probability = sigmoid(values)
        best = np.argsort(-probability, axis=None, kind="stable")[:BEST]
        query, place = np.unravel_index(best, probability.shape)
        label_of = np.full(logits.shape[2], -1, np.int64)
        label_of[list(self.place_of)] = np.arange(len(self.place_of))
        class_id = label_of[place]
        query, place, class_id = query[class_id >= 0], place[class_id >= 0], class_id[class_id >= 0]
        score = probability[query, place]
        enough = score >= thresholds[class_id]
        scale = np.array(network * 2, np.float32)
        xyxy = xyxy_from_cxcywh(boxes[0].astype(np.float32)[query[enough]]) * scale
        return Candidates(xyxy, class_id[enough], score[enough])


def names(signature: Signature) -> tuple[str, ...] | None:
    """The class names that the file itself has. Raises ModelError."""
    said = _numbers(signature)
    return checked_labels(list(said.values()), f"the metadata entry {SAID}") if said else None


def _numbers(signature: Signature) -> dict[int, str]:
    """Names by the places of their logits, in their order; empty where the file does not say. Raises ModelError."""
    text = signature.metadata.get(SAID)
    if text is None:
        return {}
    try:
        found = msgspec.json.decode(text, type=_Said).class_id_to_name
    except msgspec.DecodeError as exc:
        raise ModelError(f"the metadata entry {SAID} can't be read: {exc}", code="model-labels") from exc
    if any(number < 0 for number in found):
        raise ModelError(f"the metadata entry {SAID} has a class number below 0", code="model-labels")
    return dict(sorted(found.items()))


def _check_classes(network: int, labels: int) -> None:
    """The head has a place more than there are classes, for "no object"."""
    if network in (labels, labels + 1):
        return
    raise ModelError(
        f"the network has {network} classes, or {network - 1} and one for no object, but there are {labels} labels: "
        "labels.txt is not the one of this model (a head of 91 is COCO's: the model was exported untrained)",
        code="model-labels",
    )
