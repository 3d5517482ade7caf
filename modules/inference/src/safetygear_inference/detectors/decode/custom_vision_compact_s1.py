"""Custom Vision, domain General (compact) [S1]: boxes, classes and scores, with non-maximum suppression in the graph.

Source: Azure-Samples/customvision-export-samples, samples/python/onnx/object_detection_s1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
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

NAME: Final[FormatName] = "custom-vision-compact-s1"
BOXES, CLASSES, SCORES = "detected_boxes", "detected_classes", "detected_scores"
DEFAULT_THRESHOLD = 0.5
"""The probability threshold Custom Vision's portal shows results with."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if all(signature.output(name) is not None for name in (BOXES, CLASSES, SCORES)):
        return Evidence("names", f"outputs {BOXES}, {CLASSES} and {SCORES}")
    return None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    missing = [name for name in (BOXES, CLASSES, SCORES) if signature.output(name) is None]
    if missing:
        raise ModelError(f"{NAME} needs the output {missing[0]}; the network has: {signature}")
    network_input = read_network_input(signature, settings, channels="rgb", pixel_range="0-255", fits=("stretch",))
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """detected_boxes (1, n, 4) or (n, 4): xyxy in 0..1; detected_classes and detected_scores (1, n) or (n,).

    Outputs are bound by name, because their order differs between exports.
    """
    if outputs[BOXES].shape[-1:] != (4,):
        raise ModelError(f"the network gave boxes of shape {outputs[BOXES].shape}", code="model-failed")
    boxes = as_xyxy(outputs[BOXES].reshape(-1, 4).astype(np.float32))
    class_id = outputs[CLASSES].reshape(-1).astype(np.int64)
    probability = outputs[SCORES].reshape(-1).astype(np.float32)
    return chosen(boxes * np.array(network * 2, np.float32), class_id, probability, thresholds)
