"""Azure ML's AutoML for images: Faster R-CNN and RetinaNet of torchvision, with suppression in the network.

Source: MicrosoftDocs/azure-docs, how-to-inference-onnx-automl-image-models.md. Faster R-CNN gives boxes, labels, scores
and RetinaNet boxes, scores, labels: they are bound by name. Class ids are places in labels.json, which begins with
`--bg--` where the network counts the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.class_ids import first_of, torchvision_classes
from safetygear_inference.detectors.format import (
    Candidates,
    Evidence,
    Format,
    Outputs,
    Size,
    chosen,
)
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "azure-automl"
BOXES, LABELS, SCORES, MASKS = "boxes_0", "labels_0", "scores_0", "masks_0"
"""Numbered by the picture in the batch."""
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if all(signature.output(name) is not None for name in (BOXES, LABELS, SCORES)):
        return Evidence("names", f"outputs {BOXES}, {LABELS} and {SCORES}")
    return None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    missing = [name for name in (BOXES, LABELS, SCORES) if signature.output(name) is None]
    if missing:
        raise ModelError(f"{NAME} needs the output {missing[0]}; the network has: {signature}")
    if signature.output(MASKS) is not None:
        raise ModelError(f"output {MASKS}: this is an instance segmentation model (Mask R-CNN); train object detection")
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="imagenet", fits=("stretch", "center")
    )
    counted = torchvision_classes(signature.weights)
    named, first = first_of(
        labels,
        settings,
        counted=None if counted is None else counted[0],
        background=counted is not None and counted[1],
        one_more=1,
        unknown=0,
        where="the weights of the network's head",
    )
    return Format(NAME, why, network_input, AutoMlDecode(first), DEFAULT_THRESHOLD, nms_iou=None, labels=named)


@dataclass(frozen=True)
class AutoMlDecode:
    """`first_class`: the network's number of the first label; 1 where it counts the background."""

    first_class: int

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """boxes_0 (n, 4): corners in network px; labels_0 and scores_0 (n,)."""
        boxes = as_xyxy(outputs[BOXES].reshape(-1, 4).astype(np.float32))
        class_id = outputs[LABELS].reshape(-1).astype(np.int64) - self.first_class
        probability = outputs[SCORES].reshape(-1).astype(np.float32)
        return chosen(boxes, class_id, probability, thresholds)
