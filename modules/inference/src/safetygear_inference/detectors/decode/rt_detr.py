"""RT-DETR, RT-DETRv2, D-FINE and DEIM: the 300 best boxes, with no suppression needed.

Source: lyuwenyu/RT-DETR, rtdetrv2_pytorch/references/deploy/rtdetrv2_onnxruntime.py and
src/zoo/rtdetr/rtdetr_postprocessor.py; Peterande/D-FINE, tools/inference/onnx_inf.py. All are trained and evaluated on
stretched pictures; D-FINE's later demo pads with black instead, which `"resize": "letterbox"` does.
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
from safetygear_inference.detectors.signature import DTYPES, Signature

NAME: Final[FormatName] = "rt-detr"
SIZES = "orig_target_sizes"
LABELS, BOXES, SCORES = "labels", "boxes", "scores"
BLACK = 0
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if not any(tensor.name == SIZES for tensor in signature.inputs):
        return None
    if any(signature.output(name) is None for name in (LABELS, BOXES, SCORES)):
        return None
    return Evidence("names", f"input {SIZES} and outputs {LABELS}, {BOXES} and {SCORES}")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    sizes = next((tensor for tensor in signature.inputs if tensor.name == SIZES), None)
    missing = [name for name in (LABELS, BOXES, SCORES) if signature.output(name) is None]
    if sizes is None or missing:
        what = f"output {missing[0]}" if missing else f"input {SIZES}"
        raise ModelError(f"{NAME} needs the {what}; the network has: {signature}")
    if sizes.dtype not in DTYPES:
        raise ModelError(f"the input {sizes} has another type than {', '.join(DTYPES)}")
    network_input = read_network_input(
        signature,
        settings,
        channels="rgb",
        pixel_range="0-1",
        fits=("stretch", "center"),
        pad=BLACK,
        beside=(SIZES,),
    )
    assert network_input.size is not None
    # The network multiplies its boxes with this: with its own size they come in its own px.
    fed = np.array([network_input.size], DTYPES[sizes.dtype])
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None, more_inputs={SIZES: fed})


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """labels and scores (1, n), boxes (1, n, 4): corners in px of what `orig_target_sizes` said."""
    boxes = as_xyxy(outputs[BOXES].reshape(-1, 4).astype(np.float32))
    class_id = outputs[LABELS].reshape(-1).astype(np.int64)
    probability = outputs[SCORES].reshape(-1).astype(np.float32)
    return chosen(boxes, class_id, probability, thresholds)
