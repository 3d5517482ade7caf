"""TensorFlow's Object Detection API (SSD, EfficientDet, …), converted by tf2onnx.

Source: tensorflow/models, research/object_detection/exporter.py and exporter_lib_v2.py (names, boxes as ymin, xmin,
ymax, xmax in 0..1, classes as float numbers from 1) and tensorflow-onnx, tutorials/ConvertingSSDMobilenetToONNX.ipynb.
The order of the outputs differs between exports: they are bound by name.
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
    refuse_nan,
)
from safetygear_inference.detectors.labels import without_background
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "tf-object-detection"
BOXES, SCORES, CLASSES, NUMBER = "detection_boxes", "detection_scores", "detection_classes", "num_detections"
FIRST_CLASS = 1
FREE_SIZE = (640, 640)
"""Such networks take any size and resize by themselves; one size is fed, because others cost memory for good."""
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    names = {_bare(tensor.name) for tensor in signature.outputs}
    if {BOXES, SCORES, CLASSES} <= names:
        return Evidence("names", f"outputs {BOXES}, {SCORES} and {CLASSES}")
    return None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    names = {_bare(tensor.name) for tensor in signature.outputs}
    missing = [name for name in (BOXES, SCORES, CLASSES) if name not in names]
    if missing:
        raise ModelError(f"{NAME} needs the output {missing[0]}; the network has: {signature}")
    network_input = read_network_input(
        signature,
        settings,
        channels="rgb",
        pixel_range="0-255",
        fits=("stretch", "center"),
        free_size=FREE_SIZE,
    )
    # A list that names the background names class 0, which is never given.
    named, _ = without_background(labels)
    if not named:
        raise ModelError(f"the labels name no class but {labels[0]}", code="model-labels")
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None, labels=named)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """detection_boxes (1, n, 4), detection_scores and detection_classes (1, n), num_detections (1,) if it is there."""
    by_name = {_bare(name): value for name, value in outputs.items()}
    yxyx = by_name[BOXES].reshape(-1, 4).astype(np.float32)
    classes, probability = (by_name[name].reshape(-1).astype(np.float32) for name in (CLASSES, SCORES))
    if not len(yxyx) == len(classes) == len(probability):
        raise ModelError(
            f"the network gave {len(yxyx)} boxes, {len(classes)} classes and {len(probability)} scores",
            code="model-failed",
        )
    # The rows behind num_detections are filling, of class 1 and score 0.
    valid = len(yxyx) if NUMBER not in by_name else int(by_name[NUMBER].reshape(-1)[0])
    yxyx, classes, probability = yxyx[:valid], classes[:valid], probability[:valid]
    refuse_nan(classes)
    class_id = np.rint(classes).astype(np.int64) - FIRST_CLASS
    boxes = as_xyxy(yxyx[:, [1, 0, 3, 2]] * np.array(network * 2, np.float32))
    return chosen(boxes, class_id, probability, thresholds)


def _bare(name: str) -> str:
    """`detection_boxes:0` of a graph that was not exported as a SavedModel is `detection_boxes`."""
    return name.split(":")[0]
