"""Detectors of MMDetection by MMDeploy, end to end: boxes with their score as a fifth value, and class numbers.

Source: open-mmlab/mmdeploy, configs/_base_/onnx_config.py and configs/mmdet/_base_/base_static.py (input `input`,
outputs `dets` and `labels`), mmdeploy/codebase/mmdet/deploy/object_detection.py (`process_model_config`: with a fixed
shape the picture is stretched to it). How the values are scaled stands in the model's config (`data_preprocessor`), not
in the file: RTMDet is fed BGR, most others RGB. Suppression is in the network; class numbers begin with 0, -1 is
filling. Intel's training extensions gave the same as `boxes` and `labels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, chosen, refuse_parts
from safetygear_inference.detectors.network_input import PIXEL_FORMAT, PIXEL_RANGE, read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature, Tensor

NAME: Final[FormatName] = "mmdeploy"
BOXES, LABELS, MASKS = ("dets", "boxes"), "labels", "masks"
COLUMNS = 5
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    roles = _roles(signature)
    if roles is None or len(signature.inputs) != 1:
        return None
    return Evidence("names", f"outputs {roles[0]} and {roles[1]}")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    roles = _roles(signature)
    if roles is None:
        raise ModelError(
            f"{NAME} has the outputs {BOXES[0]} (1, n, {COLUMNS}) and {LABELS} (1, n); the network has: {signature}"
        )
    if signature.output(MASKS) is not None:
        raise ModelError(f"output {MASKS}: this is an instance segmentation model; export an object detection model")
    said = (
        settings.pixel_range or signature.metadata.get(PIXEL_RANGE),
        settings.channels or signature.metadata.get(PIXEL_FORMAT),
    )
    if None in said:
        raise ModelError(
            "how the picture is fed stands in the model's config, not in the file: say `channels` and `pixelRange` in "
            "the settings file, by data_preprocessor there (bgr_to_rgb=True is rgb; mean 123.675 … is imagenet, std "
            "255 alone 0-1, neither 0-255). RTMDet is bgr and imagenet, YOLOX bgr and 0-255, Faster R-CNN rgb and "
            "imagenet",
            code="model-ambiguous",
        )
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="imagenet", fits=("stretch", "top-left")
    )
    return Format(NAME, why, network_input, MmDeployDecode(roles[0].name), DEFAULT_THRESHOLD, nms_iou=None)


@dataclass(frozen=True)
class MmDeployDecode:
    """`boxes`: the output with boxes and scores."""

    boxes: str

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """Boxes (1, n, 5): corners in network px and a score; labels (1, n). Rows of class -1 are filling."""
        rows = outputs[self.boxes].reshape(-1, COLUMNS).astype(np.float32)
        class_id = outputs[LABELS].reshape(-1).astype(np.int64)
        if len(rows) == len(class_id):
            rows, class_id = rows[class_id >= 0], class_id[class_id >= 0]
        found = chosen(as_xyxy(rows[:, :4]), class_id, rows[:, 4], thresholds)
        refuse_parts(found.xyxy_network_px, rows[:, :4], NAME)
        return found


def _roles(signature: Signature) -> tuple[Tensor, Tensor] | None:
    labels = signature.output(LABELS)
    for name in BOXES:
        boxes = signature.output(name)
        if boxes is None or labels is None or not len(boxes.shape) == len(labels.shape) + 1 >= 2:
            continue
        if boxes.shape[-1] == COLUMNS and labels.dtype in ("int64", "int32"):
            return boxes, labels
    return None
