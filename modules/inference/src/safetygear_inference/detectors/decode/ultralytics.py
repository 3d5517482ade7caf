"""Ultralytics YOLOv8, v9, 11 and 12 as exported without suppression: one column per box, or one row where somebody has
turned the output round.

Source: ultralytics/nn/modules/head.py (`Detect`: box in px, class scores after their sigmoid, no objectness),
ultralytics/utils/ops.py and nms.py (`non_max_suppression`), ultralytics/data/augment.py (`LetterBox`: centred, 114).
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
from safetygear_inference.detectors.ultralytics_metadata import (
    declared_size,
    is_rt_detr,
    is_ultralytics,
    suppresses_by_itself,
)

NAME: Final[FormatName] = "ultralytics"
STRIDES = (8, 16, 32)
DEFAULT_THRESHOLD = 0.25
NMS_IOU = 0.7
"""Both are the defaults of Ultralytics' own predict mode."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        return None
    output = signature.outputs[0]
    _, values, boxes = output.shape
    if boxes == 4 + len(labels) and isinstance(values, int) and values == _cells(_input_size(signature)):
        return Evidence("shape", f"output {output} has 4 + {len(labels)} values for each of the grids' {values} cells")
    # Many boxes stand on the last axis: the other formats have them on the axis before.
    if isinstance(values, int) and isinstance(boxes, int) and boxes <= values:
        return None
    if is_ultralytics(signature.metadata):
        if suppresses_by_itself(signature.metadata) or is_rt_detr(signature.metadata):
            return None
        return Evidence("shape", f"metadata of an Ultralytics export and output {output}")
    if values != 4 + len(labels):
        return None
    return Evidence("shape", f"output {output} has 4 + {len(labels)} values for each of many boxes")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        raise ModelError(f"{NAME} has one output with three dimensions; the network has: {signature}")
    _, values, boxes = signature.outputs[0].shape
    if isinstance(values, int) and not (values != 4 + len(labels) and boxes in (4 + len(labels), "")):
        check_class_count(values - 4, len(labels), f"the network's {values} values a box")
    network_input = read_network_input(
        signature,
        settings,
        channels="rgb",
        pixel_range="0-1",
        fits=("center", "stretch"),
        free_size=declared_size(signature.metadata),
    )
    format_ = Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, NMS_IOU)
    return told_by_a_run(format_, signature, axis=1 if values == 4 + len(labels) else 2)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """One output (1, 4 + classes, boxes): centre and size in px, and a probability per class. Or (1, boxes, 4 +
    classes), where there is a box for each cell of the grids."""
    (output,) = outputs.values()
    if output.ndim != 3 or output.shape[0] != 1:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    if output.shape[1] != 4 + len(thresholds) and output.shape[2] == 4 + len(thresholds):
        if output.shape[1] != _cells(network):
            # Ultralytics' RT-DETR gives such rows too, 300 of them, in parts of the picture.
            raise ModelError(
                f"the network gives {output.shape[1]} rows; {NAME} gives {_cells(network)} for "
                f"{network[0]}x{network[1]}: it is another format",
                code="model-failed",
            )
        output = output.transpose(0, 2, 1)
    check_class_count(output.shape[1] - 4, len(thresholds), f"the network's {output.shape[1]} values a box")
    scores = output[0, 4:]
    best = scores.max(axis=0, initial=0)
    refuse_nan(best)
    # Few boxes are left to look at: no class of the others can reach its threshold.
    likely = np.nonzero(best >= thresholds.min(initial=1.0))[0]
    boxes = xyxy_from_cxcywh(output[0, :4, likely].astype(np.float32))
    refuse_parts(boxes, output[0, :4], NAME)
    return best_class(boxes, scores[:, likely].T.astype(np.float32), thresholds)


def _cells(network: Size | None) -> int | None:
    """How many cells the grids of a network of that size have; None where nobody knows its size."""
    return None if network is None else sum((network[0] // step) * (network[1] // step) for step in STRIDES)


def _input_size(signature: Signature) -> Size | None:
    shape = signature.inputs[0].shape
    height, width = shape[1:3] if len(shape) == 4 and shape[3] == 3 else shape[2:4] if len(shape) == 4 else ("", "")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None
