"""YOLOv5: a row per anchor of every cell, box in px, objectness and class scores after their sigmoid.

Source: ultralytics/yolov5, models/yolo.py (`Detect.forward`), utils/general.py (`non_max_suppression`), export.py
(metadata stride and names). Azure ML's AutoML gives the same rows first and the grids they come from behind them:
how-to-inference-onnx-automl-image-models.md, "The first output is needed".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import xyxy_from_cxcywh
from safetygear_inference.detectors.format import (
    Candidates,
    Evidence,
    Format,
    Outputs,
    Size,
    best_class,
    check_class_count,
    refuse_nan,
    refuse_parts,
)
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.parts import told_by_a_run
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature
from safetygear_inference.detectors.ultralytics_metadata import NAMES, STRIDE, TASK, declared_size

NAME: Final[FormatName] = "yolov5"
DEFAULT_THRESHOLD = 0.25
NMS_IOU = 0.45
"""Both are the defaults of YOLOv5's detect.py."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or not signature.outputs or len(signature.outputs[0].shape) != 3:
        return None
    output, *grids = signature.outputs
    columns = output.shape[2]
    if grids:
        if any(len(grid.shape) != 5 or grid.shape[4] != columns for grid in grids):
            return None
        return Evidence("shape", f"output {output} and {len(grids)} grids of anchors behind it")
    metadata = signature.metadata
    if STRIDE in metadata and NAMES in metadata and TASK not in metadata and columns == 5 + len(labels):
        return Evidence("shape", f"metadata entries {STRIDE} and {NAMES}, as YOLOv5 writes them, and output {output}")
    if columns != 5 + len(labels):
        return None
    return Evidence("possible", f"output {output} has 5 + {len(labels)} values a row")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    if not signature.outputs or len(signature.outputs[0].shape) != 3:
        raise ModelError(f"{NAME} has a first output with three dimensions; the network has: {signature}")
    columns = signature.outputs[0].shape[2]
    if isinstance(columns, int):
        check_class_count(columns - 5, len(labels), f"the network's {columns} values a row")
    network_input = read_network_input(
        signature,
        settings,
        channels="rgb",
        pixel_range="0-1",
        fits=("center", "stretch"),
        free_size=declared_size(signature.metadata),
    )
    format_ = Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, NMS_IOU)
    return told_by_a_run(format_, signature, axis=2)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """The first output (1, rows, 5 + classes): centre and size in px, objectness, a score per class."""
    output = next(iter(outputs.values()))
    if output.ndim != 3 or output.shape[0] != 1:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = output[0]
    check_class_count(rows.shape[1] - 5, len(thresholds), f"the network's {rows.shape[1]} values a row")
    refuse_nan(rows[:, 4])
    likely = rows[rows[:, 4] >= thresholds.min(initial=1.0)].astype(np.float32)
    refuse_nan(likely)
    boxes = xyxy_from_cxcywh(likely[:, :4])
    refuse_parts(boxes, rows[:, :4], NAME)
    return best_class(boxes, likely[:, 5:] * likely[:, 4:5], thresholds)
