"""YOLOv7 with the suppression in the network, for ONNX Runtime: a row of seven for each box that is left.

Source: WongKinYiu/yolov7, export.py (`--grid --end2end --max-wh 640`, output `output`) and models/experimental.py
(`ONNX_ORT`: batch, corners in px, class, score), utils/datasets.py (`letterbox`: centred, 114). YOLO-NAS's flat
predictions have seven columns too, the last two the other way round: what can't be class and score is refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, chosen, refuse_parts
from safetygear_inference.detectors.near_misses import YOLO_NAS
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "yolov7-end2end"
COLUMNS = 7
OUTPUT = "output"
DEFAULT_THRESHOLD = 0.25
"""That of YOLOv7's detect.py; the network itself drops what is below its --conf-thres."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or len(signature.outputs) != 1:
        return None
    output = signature.outputs[0]
    if len(output.shape) != 2 or output.shape[1] != COLUMNS or YOLO_NAS in output.name:
        return None
    if output.name == OUTPUT:
        return Evidence("shape", f"output {output} has rows of batch, corners, class and score")
    return Evidence("possible", f"output {output} has {COLUMNS} values a row")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    output = signature.outputs[0] if len(signature.outputs) == 1 else None
    if output is None or len(output.shape) not in (2, 3) or output.shape[-1] not in (COLUMNS, ""):
        raise ModelError(f"{NAME} has one output with rows of {COLUMNS} values; the network has: {signature}")
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="0-1", fits=("center", "stretch")
    )
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """One output (rows, 7), or (1, rows, 7): place in the batch, x_min, y_min, x_max, y_max in px, class, score."""
    (output,) = outputs.values()
    rows = output[0] if output.ndim == 3 and output.shape[0] == 1 else output
    if rows.ndim != 2 or rows.shape[1] != COLUMNS:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = rows.astype(np.float32)
    class_id, score = np.rint(rows[:, 5]), rows[:, 6]
    if np.any(class_id != rows[:, 5]) or np.any(score > 1):
        raise ModelError(
            f"the network's rows are no {NAME}: the sixth value must be a class's number and the seventh a score",
            code="model-failed",
        )
    found = chosen(as_xyxy(rows[:, 1:5]), class_id.astype(np.int64), score, thresholds)
    refuse_parts(found.xyxy_network_px, rows[:, 1:5], NAME)
    return found
