"""Detectors of Hugging Face's transformers: a box and a logit per class for each query, as the networks themselves give
them.

Source: huggingface/transformers, `post_process_object_detection` of each model's image processor. DETR, YOLOS and Table
Transformer: a softmax over the classes and a last one, "no object"; the best class of each query. RT-DETR, RT-DETRv2,
D-FINE, Conditional and Deformable DETR: a sigmoid per class, the best pairs of query and class. Inputs and outputs are
named as huggingface/optimum-onnx names them (`pixel_values`, `pixel_mask`; `logits`, `pred_boxes`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import xyxy_from_cxcywh
from safetygear_inference.detectors.activations import sigmoid, softmax
from safetygear_inference.detectors.format import (
    Candidates,
    Evidence,
    Format,
    Outputs,
    Size,
    best_class,
    refuse_nan,
)
from safetygear_inference.detectors.network_input import read_network_input, the_image_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import DTYPES, Signature

NAME: Final[FormatName] = "hugging-face"
MASK = "pixel_mask"
"""Input of DETR: 1 where the picture is, 0 where it was padded."""
LOGITS, BOXES, MASKS = "logits", "pred_boxes", "pred_masks"
BEST = 100
"""Pairs of query and class that Conditional and Deformable DETR keep; RT-DETR keeps as many as it has queries."""
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    logits, boxes = signature.output(LOGITS), signature.output(BOXES)
    if logits is None or boxes is None or len(logits.shape) != 3 or len(boxes.shape) != 3:
        return None
    return Evidence("names", f"outputs {logits} and {boxes}")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    logits = signature.output(LOGITS)
    if signature.output(BOXES) is None or logits is None or len(logits.shape) != 3:
        raise ModelError(f"{NAME} needs the outputs {LOGITS} and {BOXES}; the network has: {signature}")
    if signature.output(MASKS) is not None:
        raise ModelError(f"output {MASKS}: this is a segmentation model; export an object detection model")
    classes = logits.shape[2]
    if not isinstance(classes, int):
        raise ModelError(f"the output {logits} does not say how many classes there are: export it with a fixed number")
    _check_classes(classes, len(labels))
    no_object = classes == len(labels) + 1
    if settings.pixel_range is None and not no_object:
        raise ModelError(
            "the range of the input's values is ambiguous: say `pixelRange` in the settings file, 0-1 for RT-DETR and "
            "D-FINE, imagenet for Conditional and Deformable DETR (do_normalize in preprocessor_config.json: false is "
            "0-1)",
            code="model-ambiguous",
        )
    network_input = read_network_input(
        _with_channels(signature), settings, channels="rgb", pixel_range="imagenet", fits=("stretch",), beside=(MASK,)
    )
    assert network_input.size is not None
    scores = "softmax with no object as the last class" if no_object else "sigmoid per class"
    return Format(
        NAME,
        f"{why}; {scores}",
        network_input,
        HuggingFaceDecode(no_object),
        DEFAULT_THRESHOLD,
        nms_iou=None,
        more_inputs=_whole_picture(signature, network_input.size),
    )


@dataclass(frozen=True)
class HuggingFaceDecode:
    """`no_object`: whether the last logit is that of no object, and a softmax goes over all."""

    no_object: bool

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """logits (1, queries, classes or one more); pred_boxes (1, queries, 4): centre and size in 0..1."""
        logits, boxes = outputs[LOGITS], outputs[BOXES]
        if boxes.ndim != 3 or boxes.shape[0] != 1 or boxes.shape[2] != 4 or logits.shape[:2] != boxes.shape[:2]:
            raise ModelError(f"the network gave outputs of shape {logits.shape} and {boxes.shape}", code="model-failed")
        values = logits[0].astype(np.float32)
        refuse_nan(values)
        xyxy = xyxy_from_cxcywh(boxes[0].astype(np.float32)) * np.array(network * 2, np.float32)
        if self.no_object:
            return best_class(xyxy, softmax(values)[:, :-1], thresholds)
        probability = sigmoid(values)
        best = np.argsort(-probability, axis=None, kind="stable")[: max(BEST, len(values))]
        query, class_id = np.unravel_index(best, probability.shape)
        score = probability[query, class_id]
        enough = score >= thresholds[class_id]
        return Candidates(xyxy[query[enough]], class_id[enough].astype(np.int64), score[enough])


def _with_channels(signature: Signature) -> Signature:
    """Optimum leaves even the number of channels open; it is the second dimension always."""
    picture = the_image_input(signature, beside=(MASK,))
    if len(picture.shape) != 4 or not isinstance(picture.shape[1], str) or picture.shape[3] == 3:
        return signature
    three = replace(picture, shape=(picture.shape[0], 3, *picture.shape[2:]))
    return replace(signature, inputs=tuple(three if tensor is picture else tensor for tensor in signature.inputs))


def _whole_picture(signature: Signature, size: Size) -> dict[str, NDArray[np.generic]]:
    """What is fed to the mask, where there is one: the stretched picture fills the input."""
    mask = next((tensor for tensor in signature.inputs if tensor.name == MASK), None)
    if mask is None:
        return {}
    if mask.dtype not in DTYPES or len(mask.shape) != 3:
        raise ModelError(f"the input {mask} has another type than {', '.join(DTYPES)}, or not three dimensions")
    height, width = (
        declared if isinstance(declared, int) else side
        for declared, side in zip(mask.shape[1:], (size[1], size[0]), strict=True)
    )
    return {MASK: np.ones((1, height, width), DTYPES[mask.dtype])}


def _check_classes(network: int, labels: int) -> None:
    if network not in (labels, labels + 1):
        raise ModelError(
            f"the network has {network} classes, or {network - 1} and one for no object, but there are {labels} "
            "labels: labels.txt is not the one of this model",
            code="model-labels",
        )
