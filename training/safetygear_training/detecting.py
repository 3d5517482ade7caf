"""Pictures through a network to boxes in the picture's own pixels: torch while training, ONNX Runtime afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from safetygear_training.anchors import decode
from safetygear_training.average_precision import Found
from safetygear_training.boxes import suppress
from safetygear_training.pictures import DataError, Pixels, letterbox

SUPPRESS_IOU = 0.6
MIN_SCORE = 0.01
MOST = 300

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, 3, H, W) BGR 0-255 -> (A, 5 + classes): offsets in strides, objectness and classes as chances."""


def onnx_network(path: Path, threads: int = 1) -> tuple[Network, tuple[int, int]]:
    """The network of a YOLOX ONNX file, and the height and width it takes. Raises DataError where there is no file."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    return (lambda x: session.run(None, {first.name: x})[0][0]), (first.shape[2], first.shape[3])


def find(network: Network, size: tuple[int, int], pixels: Pixels, classes: int) -> Found:
    """What the network finds in one picture; only its first `classes` classes."""
    canvas, scale = letterbox(pixels, *size)
    raw = network(np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32))
    chances = raw[:, 4:5] * raw[:, 5 : 5 + classes]
    anchor, label = np.nonzero(chances > MIN_SCORE)
    scores, boxes = chances[anchor, label], decode(raw, *size)[anchor]
    kept = suppress(boxes, scores, label, SUPPRESS_IOU, MOST)
    return Found(boxes[kept] / scale, scores[kept], label[kept])
