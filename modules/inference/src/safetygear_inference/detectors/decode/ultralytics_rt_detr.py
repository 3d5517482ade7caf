"""RT-DETR as Ultralytics exports it: 300 rows of centre and size in parts of the picture, and a score for each class.
Later releases (8.4.190 does) give the best pairs of query and class instead: one score and the class's number.

Source: ultralytics/nn/modules/head.py (`RTDETRDecoder.forward`: boxes and scores after their sigmoid, side by side;
`RTDETRDecoder.postprocess`: the pairs), ultralytics/models/rtdetr/predict.py (`pre_transform`: stretched;
`postprocess`: the best class of each row, or the pair, from 0.25 on, no suppression).
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
    chosen,
    refuse_nan,
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

NAME: Final[FormatName] = "ultralytics-rt-detr"
MOST_ROWS = 1000
PAIR = 6
"""Values a row where it is a pair of query and class: box, score, class."""
MOST_PARTS = 4.0
"""No box in parts of the picture has its centre so far out, or is so large; one in px is larger."""
DEFAULT_THRESHOLD = 0.25


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        return None
    output = signature.outputs[0]
    _, rows, columns = output.shape
    said = is_rt_detr(signature.metadata)
    # dynamic=True names the last dimension as it does for other networks.
    fits = columns in (4 + len(labels), PAIR) or (said is True and isinstance(columns, str))
    if not fits or said is False or not is_ultralytics(signature.metadata):
        return None
    why = f"metadata of an Ultralytics export and output {output} with a row for each query"
    if said:
        return Evidence("shape", f"{why}; its head is RT-DETR's")
    if not isinstance(rows, int) or not isinstance(columns, int) or not columns < rows <= MOST_ROWS:
        return None
    if columns != PAIR:
        return Evidence("shape", why)
    # End-to-end boxes have six columns as well; pairs came when all files said whether they are such.
    suppressed = suppresses_by_itself(signature.metadata)
    possible = not suppressed and (suppressed is False or len(labels) == PAIR - 4)
    return Evidence("possible", why) if possible else None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        raise ModelError(f"{NAME} has one output with three dimensions; the network has: {signature}")
    columns = signature.outputs[0].shape[2]
    if isinstance(columns, int) and columns != PAIR:
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
    """One output (1, rows, 4 + classes): centre and size in 0..1, and a score per class. Or (1, rows, 6): centre and
    size, a score, and the number of its class."""
    (output,) = outputs.values()
    if output.ndim != 3 or output.shape[0] != 1:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = output[0].astype(np.float32)
    pairs = _are_pairs(rows, len(thresholds))
    if not pairs:
        check_class_count(rows.shape[1] - 4, len(thresholds), f"the network's {rows.shape[1]} values a row")
    refuse_nan(rows)
    if len(rows) and rows[:, :4].max() > MOST_PARTS:
        raise ModelError(
            f"the network gives boxes in px, and {NAME} has them in parts of the picture: it is another format",
            code="model-failed",
        )
    boxes = xyxy_from_cxcywh(rows[:, :4]) * np.array(network * 2, np.float32)
    if pairs:
        return chosen(boxes, rows[:, 5].astype(np.int64), rows[:, 4], thresholds)
    return best_class(boxes, rows[:, 4:], thresholds)


def _are_pairs(rows: NDArray[np.float32], classes: int) -> bool:
    """Two classes have six values a row either way. The scores of a class are no whole numbers; where all are 0 both
    readings are the same."""
    if rows.shape[1] != PAIR:
        return False
    return classes != PAIR - 4 or bool((rows[:, 5] == np.rint(rows[:, 5])).all())
