"""PaddleDetection's exports with their post-processing, by paddle2onnx: a row of class, score and corners for each box.

Source: PaddlePaddle/PaddleDetection, deploy/python/infer.py and preprocess.py, ppdet/modeling/architectures and
post_process.py (boxes are divided by `scale_factor`; class -1 is filling), deploy/README (inputs `image`, `im_shape`,
`scale_factor`). How the values are scaled stands in infer_cfg.yml beside the model, and differs from one release to the
next: PP-YOLOE was normalised by ImageNet's mean first and only scaled to 0..1 later.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, chosen, refuse_parts
from safetygear_inference.detectors.near_misses import PADDLE_INPUTS
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import DTYPES, Signature, Tensor

NAME: Final[FormatName] = "paddle-detection"
FACTOR, SHAPE = PADDLE_INPUTS
COLUMNS = 6
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    rows = _rows(signature)
    if rows is None or not any(tensor.name == FACTOR for tensor in signature.inputs):
        return None
    return Evidence("names", f"input {FACTOR} and output {rows} with rows of class, score and corners")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    rows = _rows(signature)
    if rows is None:
        raise ModelError(
            f"{NAME} has an output (n, {COLUMNS}) first, and at most the number of rows behind it; the network has: "
            f"{signature}. Export it with its post-processing"
        )
    if settings.pixel_range is None:
        raise ModelError(
            "the range of the input's values stands in infer_cfg.yml, not in the file: say `pixelRange` in the "
            "settings file, imagenet where NormalizeImage has the mean 0.485 … there, 0-1 where its mean is 0 or "
            "norm_type none",
            code="model-ambiguous",
        )
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="imagenet", fits=("stretch",), beside=PADDLE_INPUTS
    )
    assert network_input.size is not None
    # With a factor of 1 the boxes come in px of what is fed.
    fed = {FACTOR: (1, 1), SHAPE: network_input.size[::-1]}
    more = {}
    for tensor in signature.inputs:
        if tensor.name in fed:
            if tensor.dtype not in DTYPES:
                raise ModelError(f"the input {tensor} has another type than {', '.join(DTYPES)}")
            more[tensor.name] = np.array([fed[tensor.name]], DTYPES[tensor.dtype])
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None, more_inputs=more)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """The first output (n, 6): class, score, corners in network px. Rows of class -1 are filling."""
    output = next(iter(outputs.values()))
    if output.ndim < 2 or output.shape[-1] != COLUMNS:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    rows = output.reshape(-1, COLUMNS).astype(np.float32)
    rows = rows[~(rows[:, 0] < 0)]
    class_id, score = np.rint(rows[:, 0]), rows[:, 1]
    if np.any(class_id != rows[:, 0]) or np.any(score > 1):
        raise ModelError(
            f"the network's rows are no {NAME}: the first value must be a class's number and the second a score",
            code="model-failed",
        )
    found = chosen(as_xyxy(rows[:, 2:]), class_id.astype(np.int64), score, thresholds)
    refuse_parts(found.xyxy_network_px, rows[:, 2:], NAME)
    return found


def _rows(signature: Signature) -> Tensor | None:
    """The output with the boxes, where what is beside it can only be their number."""
    if not signature.outputs:
        return None
    first, *others = signature.outputs
    if len(first.shape) not in (2, 3) or first.shape[-1] not in (COLUMNS, "") or len(others) > 1:
        return None
    return first if all(tensor.dtype in ("int32", "int64") and len(tensor.shape) <= 1 for tensor in others) else None
