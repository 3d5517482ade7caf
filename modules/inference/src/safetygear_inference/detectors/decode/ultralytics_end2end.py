"""Ultralytics with the suppression in the network: YOLOv10, YOLO26, and any model exported with nms=True.

Source: ultralytics/nn/modules/head.py (`Detect.postprocess`) and ultralytics/engine/exporter.py (`NMSModel`): rows of
corners in px, score and class, filled up with zeros.
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
    refuse_nan,
    refuse_parts,
    refuse_unknown_class,
)
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature
from safetygear_inference.detectors.ultralytics_metadata import (
    declared_size,
    is_rt_detr,
    is_ultralytics,
    suppresses_by_itself,
)

NAME: Final[FormatName] = "ultralytics-end2end"
COLUMNS = 6
MOST_ROWS = 1000
"""max_det is 300 unless it is set; formats with a row per cell have thousands."""
DEFAULT_THRESHOLD = 0.25
MOST_SCORE = 1.05
"""Quantised or in half precision a score of 1 may be a little more."""
MOST_ROUNDING = 0.01
"""How far from a whole number a class may be."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or len(signature.outputs) != 1:
        return None
    output = signature.outputs[0]
    said = suppresses_by_itself(signature.metadata)
    # dynamic=True names the last dimension as it does without suppression.
    columns = COLUMNS if said and isinstance(output.shape[-1], str) else output.shape[-1]
    if len(output.shape) not in (2, 3) or columns != COLUMNS:
        return None
    if len(output.shape) == 2:
        # No exporter of Ultralytics leaves the batch out; others do, and some put score and class first.
        return Evidence("possible", f"output {output} has {COLUMNS} values a row")
    rt_detr = is_rt_detr(signature.metadata)
    if rt_detr:
        return None
    if said:
        return Evidence("shape", f"metadata of an Ultralytics export with suppression and output {output}")
    # With two classes RT-DETR of Ultralytics, with one YOLOX and YOLOv5 have six columns as well.
    others = (len(labels) == 2 and rt_detr is None and is_ultralytics(signature.metadata)) or len(labels) == 1
    if said is False or others or (isinstance(output.shape[1], int) and output.shape[1] > MOST_ROWS):
        return Evidence("possible", f"output {output} has {COLUMNS} values a row")
    return Evidence("shape", f"output {output} has rows of corners, score and class")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    output = signature.outputs[0] if len(signature.outputs) == 1 else None
    columns = COLUMNS if output is None or isinstance(output.shape[-1], str) else output.shape[-1]
    if output is None or len(output.shape) not in (2, 3) or columns != COLUMNS:
        raise ModelError(f"{NAME} has one output with rows of {COLUMNS} values; the network has: {signature}")
    network_input = read_network_input(
        signature,
        settings,
        channels="rgb",
        pixel_range="0-1",
        fits=("center", "stretch"),
        free_size=declared_size(signature.metadata),
    )
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """One output (1, rows, 6), or (rows, 6): x_min, y_min, x_max, y_max in px, score, class. Rows that fill up have the
    score 0 and no size."""
    (output,) = outputs.values()
    output = output[None] if output.ndim == 2 else output
    if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] != COLUMNS:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = output[0].astype(np.float32)
    refuse_nan(rows[:, 4:])
    class_id = np.rint(rows[:, 5]).astype(np.int64)
    refuse_unknown_class(class_id, len(thresholds))
    rounded_by = np.abs(rows[:, 5] - class_id)
    if np.any(rounded_by > MOST_ROUNDING):
        raise ModelError(
            f"the network gives the class {rows[rounded_by.argmax(), 5]:g}: the fifth value of {NAME}'s rows is the "
            "score, the sixth the class",
            code="model-failed",
        )
    if np.any(rows[:, 4] > MOST_SCORE):
        raise ModelError(
            f"the network gives the score {rows[:, 4].max():g}: the fifth value of {NAME}'s rows is the score, the "
            "sixth the class",
            code="model-failed",
        )
    enough = rows[:, 4] >= thresholds[class_id]
    boxes = as_xyxy(rows[enough, :4])
    refuse_parts(boxes, rows[:, :4], NAME)
    return Candidates(boxes, class_id[enough], np.clip(rows[enough, 4], 0, 1))
