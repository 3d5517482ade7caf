"""YOLO-NAS and what else super-gradients exports with its first and last steps in the network.

Source: Deci-AI/super-gradients, documentation/source/models_export.md (`model.export`: an input of whole numbers, RGB;
batch format: num_predictions, pred_boxes, pred_scores, pred_classes behind a prefix such as `graph2_`; flat format:
rows of picture, corners, score, class) and training/processing/defaults.py (centred, grey 114). An input of float
numbers was exported without the first step, and how it is scaled must be said.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, chosen, refuse_parts
from safetygear_inference.detectors.near_misses import YOLO_NAS
from safetygear_inference.detectors.network_input import read_network_input, the_image_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "yolo-nas"
BATCH: Final = ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")
COLUMNS = 7
DEFAULT_THRESHOLD = 0.25
"""That of YOLO-NAS's own predict(); the network itself drops what is below its confidence_threshold."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1:
        return None
    if _by_role(signature) is not None or _is_flat(signature):
        names = ", ".join(tensor.name for tensor in signature.outputs)
        return Evidence("names", f"outputs {names}" if len(signature.outputs) > 1 else f"output {names}")
    return None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    flat = _is_flat(signature)
    if not flat and _by_role(signature) is None:
        raise ModelError(
            f"{NAME} has the outputs {', '.join(BATCH)}, or one {YOLO_NAS} with rows of {COLUMNS} values; the network "
            f"has: {signature}"
        )
    picture = the_image_input(signature)
    if picture.dtype != "uint8" and settings.pixel_range is None:
        raise ModelError(
            f"It looks like YOLO-NAS with {'flat' if flat else 'batched'} predictions, but its input {picture} takes "
            "no whole numbers: export it with its preprocessing, or say `pixelRange` in the settings file (0-1 for "
            "YOLO-NAS)",
            code="model-ambiguous",
        )
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="0-255", fits=("center", "stretch")
    )
    return Format(NAME, why, network_input, decode_flat if flat else decode_batch, DEFAULT_THRESHOLD, nms_iou=None)


def decode_flat(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """One output (n, 7): place in the batch, corners in network px, score, class."""
    (output,) = outputs.values()
    if output.ndim not in (2, 3) or output.shape[-1] != COLUMNS:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = output.reshape(-1, COLUMNS).astype(np.float32)
    class_id = np.rint(rows[:, 6])
    if np.any(class_id != rows[:, 6]) or np.any(rows[:, 5] > 1):
        raise ModelError(
            f"the network's rows are no {NAME}: the sixth value must be a score and the seventh a class's number",
            code="model-failed",
        )
    return _found(rows[:, 1:5], class_id.astype(np.int64), rows[:, 5], thresholds)


def decode_batch(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """num_predictions (1, 1), pred_boxes (1, n, 4): corners in network px; pred_scores and pred_classes (1, n)."""
    number, boxes, scores, classes = (
        next(value for name, value in outputs.items() if name.endswith(role)) for role in BATCH
    )
    # What stands behind that many is filling.
    valid = max(0, int(number.reshape(-1)[0]))
    rows = boxes.reshape(-1, 4)[:valid].astype(np.float32)
    return _found(
        rows, classes.reshape(-1)[:valid].astype(np.int64), scores.reshape(-1)[:valid].astype(np.float32), thresholds
    )


def _found(
    rows: NDArray[np.float32],
    class_id: NDArray[np.int64],
    score: NDArray[np.float32],
    thresholds: NDArray[np.float32],
) -> Candidates:
    found = chosen(as_xyxy(rows), class_id, score, thresholds)
    refuse_parts(found.xyxy_network_px, rows, NAME)
    return found


def _by_role(signature: Signature) -> dict[str, str] | None:
    """The outputs' names by what they are; None where one is missing."""
    found = {role: tensor.name for role in BATCH for tensor in signature.outputs if tensor.name.endswith(role)}
    return found if len(found) == len(BATCH) == len(signature.outputs) else None


def _is_flat(signature: Signature) -> bool:
    return (
        len(signature.outputs) == 1
        and YOLO_NAS in signature.outputs[0].name
        and len(signature.outputs[0].shape) in (2, 3)
        and signature.outputs[0].shape[-1] in (COLUMNS, "")
    )
