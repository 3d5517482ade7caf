"""RF-DETR: queries with a box and a logit per class, of which the best pairs count.

Source: roboflow/rf-detr, models/postprocess.py (`PostProcess`): sigmoid, all queries and classes in one row, the best
300 of them; one query may give two boxes of different classes. It is no softmax: the classes do not exclude each other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import xyxy_from_cxcywh
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, refuse_nan
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "rf-detr"
BOXES, LOGITS, MASKS = "dets", "labels", "masks"
BEST = 300
"""num_select."""
DEFAULT_THRESHOLD = 0.5
"""That of RF-DETR's own predict()."""


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
    if isinstance(logits.shape[2], int):
        _check_classes(logits.shape[2], len(labels))
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="imagenet", fits=("stretch", "center")
    )
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """dets (1, queries, 4): centre and size in 0..1; labels (1, queries, classes or one more): logits."""
    boxes, logits = outputs[BOXES], outputs[LOGITS]
    if boxes.ndim != 3 or boxes.shape[0] != 1 or boxes.shape[2] != 4 or logits.shape[:2] != boxes.shape[:2]:
        raise ModelError(f"the network gave outputs of shape {boxes.shape} and {logits.shape}", code="model-failed")
    _check_classes(logits.shape[2], len(thresholds))
    values = logits[0].astype(np.float32)
    refuse_nan(values)
    # By tanh, which does not overflow. The place for "no object" is a class like the others when the best are taken.
    probability = np.asarray(0.5 * (1 + np.tanh(0.5 * values)), np.float32)
    best = np.argsort(-probability, axis=None, kind="stable")[:BEST]
    query, class_id = np.unravel_index(best, probability.shape)
    named = class_id < len(thresholds)
    query, class_id = query[named], class_id[named]
    score = probability[query, class_id]
    enough = score >= thresholds[class_id]
    scale = np.array(network * 2, np.float32)
    xyxy = xyxy_from_cxcywh(boxes[0].astype(np.float32)[query[enough]]) * scale
    return Candidates(xyxy, class_id[enough].astype(np.int64), score[enough])


def _check_classes(network: int, labels: int) -> None:
    """The head has a place more than there are classes, for "no object"; it is the last."""
    if network in (labels, labels + 1):
        return
    raise ModelError(
        f"the network has {network} classes, or {network - 1} and one for no object, but there are {labels} labels: "
        "labels.txt is not the one of this model (a head of 91 is COCO's: the model was exported untrained)",
        code="model-labels",
    )
