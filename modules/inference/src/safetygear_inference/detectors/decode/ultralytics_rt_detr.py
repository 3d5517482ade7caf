"""RT-DETR as Ultralytics exports it: 300 rows of centre and size in parts of the picture, and a score for each class.

Source: ultralytics/nn/modules/head.py (`RTDETRDecoder.forward`: boxes and scores after their sigmoid, side by side),
ultralytics/models/rtdetr/predict.py (`pre_transform`: stretched; `postprocess`: the best class of each row, from 0.25
on, no suppression).
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
)
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature
from safetygear_inference.detectors.ultralytics_metadata import declared_size, is_ultralytics

NAME: Final[FormatName] = "ultralytics-rt-detr"
MOST_ROWS = 1000
DEFAULT_THRESHOLD = 0.25


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        return None
    output = signature.outputs[0]
    _, rows, columns = output.shape
    if columns != 4 + len(labels) or not isinstance(rows, int) or not columns < rows <= MOST_ROWS:
        return None
    if not is_ultralytics(signature.metadata):
        return None
    # With two classes end-to-end boxes have six columns as well.
    why = f"metadata of an Ultralytics export and output {output} with a row for each query"
    return Evidence("possible" if len(labels) == 2 else "shape", why)


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        raise ModelError(f"{NAME} has one output with three dimensions; the network has: {signature}")
    columns = signature.outputs[0].shape[2]
    if isinstance(columns, int):
        check_class_count(columns - 4, len(labels), f"the network's {columns} values a row")
    network_input = read_network_input(
        signature,
        settings,
        channels="rgb",
        pixel_range="0-1",
        fits=("stretch",),
        free_size=declared_size(signature.metadata),
    )
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """One output (1, rows, 4 + classes): centre and size in 0..1, and a score per class."""
    (output,) = outputs.values()
    if output.ndim != 3 or output.shape[0] != 1:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = output[0].astype(np.float32)
    check_class_count(rows.shape[1] - 4, len(thresholds), f"the network's {rows.shape[1]} values a row")
    refuse_nan(rows)
    boxes = xyxy_from_cxcywh(rows[:, :4]) * np.array(network * 2, np.float32)
    return best_class(boxes, rows[:, 4:], thresholds)
