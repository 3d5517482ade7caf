"""YOLOX: one row per cell of every stride's grid, x, y, w, h, objectness and class scores.

Source: Megvii-BaseDetection/YOLOX, yolox/models/yolo_head.py (`decode_outputs`) and tools/export_onnx.py, which exports
raw boxes unless it is given --decode_in_inference. Objectness and classes come after their sigmoid in both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import xyxy_from_cxcywh
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, refuse_nan
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "yolox"
STRIDES = (8, 16, 32)
DEFAULT_THRESHOLD = 0.35
NMS_IOU = 0.5
MAX_LOG_SIZE = 20.0
NEAR_CELLS = 3.0
"""Half of all boxes have their centre nearer to their cell than this, whatever the picture shows."""


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        return None
    output = signature.outputs[0]
    if output.shape[2] != 5 + len(labels):
        return None
    return Evidence("possible", f"output {output} has 5 + {len(labels)} values a row, as YOLOX, YOLOv5, v6 and v7 have")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    network_input = read_network_input(signature, settings, channels="bgr", pixel_range="0-255", fits=("top-left",))
    strides = _strides(signature, settings)
    assert network_input.size is not None
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        raise ModelError(f"{NAME} has one output with three dimensions; the network has: {signature}")
    _, rows, columns = signature.outputs[0].shape
    if isinstance(columns, int):
        _check_columns(columns, len(labels))
    if isinstance(rows, int):
        _check_rows(rows, network_input.size, strides)
    decoded = settings.decoded
    if decoded is None:
        decoded = {"no": False, "yes": True}.get(signature.metadata.get("decoded", "").lower())
    if decoded is None:
        unsettled = Format(NAME, why, network_input, YoloxDecode(strides, False), DEFAULT_THRESHOLD, NMS_IOU)
        return replace(unsettled, settle=lambda outputs, network: _settle(unsettled, strides, outputs, network))
    return Format(NAME, why, network_input, YoloxDecode(strides, decoded), DEFAULT_THRESHOLD, NMS_IOU)


@dataclass(frozen=True)
class YoloxDecode:
    """`decoded`: whether the network gives boxes in network px, or offsets in strides and logarithms of sizes."""

    strides: tuple[int, ...]
    decoded: bool

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """One output (1, rows, 5 + classes), rows by stride, then line by line."""
        rows = _the_rows(outputs)
        _check_columns(rows.shape[1], len(thresholds))
        _check_rows(len(rows), network, self.strides)
        objectness = rows[:, 4]
        refuse_nan(objectness)
        # A product can't reach what one factor does not: few rows are left to look at.
        likely = np.nonzero(objectness >= thresholds.min(initial=1.0))[0]
        probability = rows[likely, 5:].astype(np.float32) * objectness[likely, None].astype(np.float32)
        refuse_nan(probability)
        index, class_id = np.nonzero(probability >= thresholds)
        cxcywh = rows[likely[index], :4].astype(np.float32)
        if not self.decoded:
            cells, stride = _grid(network, self.strides)
            cells, stride = cells[likely[index]], stride[likely[index], None]
            size = np.exp(np.minimum(cxcywh[:, 2:], MAX_LOG_SIZE)) * stride
            cxcywh = np.concatenate(((cxcywh[:, :2] + cells) * stride, size), axis=1)
        boxes = xyxy_from_cxcywh(cxcywh)
        return Candidates(boxes, class_id.astype(np.int64), np.clip(probability[index, class_id], 0, 1))


def boxes_are_decoded(rows: NDArray[np.float32], network: Size, strides: tuple[int, ...]) -> bool | None:
    """Whether the boxes of a run (rows, 5 + classes) are in network px; None where they fit neither or both.

    Every row's centre lies near its own cell. Read as offsets, that makes them small numbers everywhere; read as px,
    it makes them follow the grid. Both can't hold at once for more than a few rows.
    """
    cells, stride = _grid(network, strides)
    raw = np.abs(rows[:, :2]) - 0.5
    decoded = np.abs(rows[:, :2] / stride[:, None] - cells - 0.5)
    fits = [bool(np.median(distance.max(axis=1)) < NEAR_CELLS) for distance in (raw, decoded)]
    return None if fits[0] == fits[1] else fits[1]


def _settle(format_: Format, strides: tuple[int, ...], outputs: Outputs, network: Size) -> Format:
    rows = _the_rows(outputs)
    _check_rows(len(rows), network, strides)
    decoded = boxes_are_decoded(rows.astype(np.float32), network, strides)
    if decoded is None:
        raise ModelError("a trial run did not show whether the boxes are decoded: set `decoded` in the settings file")
    seen = "boxes in px" if decoded else "raw boxes"
    return replace(
        format_, why=f"{format_.why}; {seen} by a trial run", decode=YoloxDecode(strides, decoded), settle=None
    )


@lru_cache(maxsize=8)
def _grid(network: Size, strides: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each row's cell, (rows, 2) x and y in cells, and its stride, (rows,)."""
    cells, stride = [], []
    for step in strides:
        y, x = np.mgrid[0 : network[1] // step, 0 : network[0] // step]
        cells.append(np.stack((x, y), axis=-1).reshape(-1, 2))
        stride.append(np.full(x.size, step))
    return np.concatenate(cells).astype(np.float32), np.concatenate(stride).astype(np.float32)


def _strides(signature: Signature, settings: ModelSettings) -> tuple[int, ...]:
    if settings.strides is not None:
        return tuple(settings.strides)
    text = signature.metadata.get("strides", "")
    parts = text.replace("[", "").replace("]", "").split(",")
    if not text or not all(part.strip().isdecimal() and 0 < int(part) <= 256 for part in parts):
        return STRIDES
    return tuple(int(part) for part in parts)


def _the_rows(outputs: Outputs) -> NDArray[np.float32]:
    (output,) = outputs.values()
    if output.ndim != 3 or output.shape[0] != 1:
        raise ModelError(f"the network gave an output of shape {output.shape}", code="model-failed")
    return np.asarray(output[0])


def _check_columns(columns: int, classes: int) -> None:
    if columns != 5 + classes:
        raise ModelError(
            f"the network's {columns} values a row are for {columns - 5} classes, but there are {classes} labels",
            code="model-labels",
        )


def _check_rows(rows: int, network: Size, strides: tuple[int, ...]) -> None:
    expected = sum((network[0] // step) * (network[1] // step) for step in strides)
    if rows != expected:
        raise ModelError(
            f"the network gives {rows} rows; YOLOX with strides {', '.join(map(str, strides))} gives {expected} for "
            f"{network[0]}x{network[1]}. Is it another format, or are there other `strides`?"
        )
