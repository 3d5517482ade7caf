"""Custom Vision, domain General (compact): a YOLO v2 head, one grid of five anchors.

Source: `object_detection.py` in Custom Vision's own export (the sigmoid on x and y is there; the script in
Azure-Samples/customvision-export-samples leaves it out and is off by up to half a cell).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import xyxy_from_cxcywh
from safetygear_inference.detectors.activations import sigmoid, softmax
from safetygear_inference.detectors.format import Candidates, Evidence, Fit, Format, Outputs, Size, refuse_nan
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature, Tensor

NAME: Final[FormatName] = "custom-vision-compact"
INPUT, OUTPUT = "data", "model_outputs0"
ANCHORS = np.array([[0.573, 0.677], [1.87, 2.06], [3.34, 5.47], [7.88, 3.53], [9.77, 9.17]], np.float32)
"""Width and height in grid cells."""
CELL_PX = 32
DEFAULT_THRESHOLD = 0.5
"""The probability threshold Custom Vision's portal shows results with."""
NMS_IOU = 0.45
MAX_LOG_SIZE = 20.0
"""exp of more is no box, only an overflow."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.outputs) != 1 or len(signature.inputs) != 1:
        return None
    output = signature.outputs[0]
    if len(output.shape) != 4:
        return None
    if (signature.inputs[0].name, output.name) == (INPUT, OUTPUT):
        return Evidence("names", f"input {INPUT} and output {OUTPUT}")
    if output.shape[_channel_axis(signature)] == _channels(len(labels)) and _grid_fits(signature, output):
        return Evidence("shape", f"output {output} is a grid of 5 x (5 + {len(labels)} classes)")
    return None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 4:
        raise ModelError(f"{NAME} has one output with four dimensions; the network has: {signature}")
    output = signature.outputs[0]
    # The channel dimension may be a symbol: then the labels are all that says how many classes there are.
    channels = output.shape[_channel_axis(signature)]
    if isinstance(channels, int):
        _check_channels(channels, len(labels))
    channels_last = _channel_axis(signature) == 3
    # TensorFlow Lite fixes the size: its own script stretches.
    fits: tuple[Fit, ...] = ("stretch",) if channels_last else ("pixel-count", "stretch")
    network_input = read_network_input(signature, settings, channels="bgr", pixel_range="0-255", fits=fits)
    return Format(
        NAME, why, network_input, decode_channels_last if channels_last else decode, DEFAULT_THRESHOLD, NMS_IOU
    )


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """One output (1, 5 * (5 + classes), grid_h, grid_w): x, y, w, h, objectness and class logits per anchor."""
    (output,) = outputs.values()
    classes, anchors = len(thresholds), len(ANCHORS)
    if output.ndim != 4 or output.shape[0] != 1:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    _check_channels(output.shape[1], classes)
    grid_h, grid_w = output.shape[2:]
    values = output[0].reshape(anchors, 5 + classes, grid_h, grid_w)
    objectness = sigmoid(values[:, 4].astype(np.float32))
    refuse_nan(objectness)
    anchor, row, column = np.nonzero(objectness >= thresholds.min(initial=1.0))
    picked = values[anchor, :, row, column].astype(np.float32)
    probability = softmax(picked[:, 5:]) * objectness[anchor, row, column][:, None]
    refuse_nan(probability)
    index, class_id = np.nonzero(probability >= thresholds)
    picked, anchor = picked[index], anchor[index]
    cells = np.stack((column[index], row[index]), axis=1).astype(np.float32)
    px_per_cell = np.array(network, np.float32) / np.array((grid_w, grid_h), np.float32)
    centre = (sigmoid(picked[:, :2]) + cells) * px_per_cell
    size = np.exp(np.minimum(picked[:, 2:4], MAX_LOG_SIZE)) * ANCHORS[anchor] * px_per_cell
    boxes = xyxy_from_cxcywh(np.concatenate((centre, size), axis=1))
    return Candidates(boxes, class_id.astype(np.int64), probability[index, class_id])


def decode_channels_last(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """As `decode`, for one output (1, grid_h, grid_w, 5 * (5 + classes)) as TensorFlow Lite gives it."""
    (output,) = outputs.values()
    return decode({OUTPUT: np.moveaxis(output, -1, 1)}, network, thresholds)


def _channel_axis(signature: Signature) -> int:
    return 3 if signature.inputs[0].shape[3:] == (3,) else 1


def _channels(classes: int) -> int:
    return len(ANCHORS) * (5 + classes)


def _check_channels(channels: int, classes: int) -> None:
    if channels == _channels(classes):
        return
    has = f"{channels // len(ANCHORS) - 5} classes" if channels % len(ANCHORS) == 0 else "no whole number of classes"
    raise ModelError(
        f"the network's {channels} channels are for {has}, but there are {classes} labels: "
        "labels.txt is not the one of this model",
        code="model-labels",
    )


def _grid_fits(signature: Signature, output: Tensor) -> bool:
    grid = slice(1, 3) if _channel_axis(signature) == 3 else slice(2, 4)
    pairs = list(zip(signature.inputs[0].shape[grid], output.shape[grid], strict=False))
    return len(pairs) == 2 and all(
        isinstance(side, str) or isinstance(cells, str) or side == cells * CELL_PX for side, cells in pairs
    )
