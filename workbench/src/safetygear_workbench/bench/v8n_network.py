"""A network of YOLOv8n's size and shape with random weights: what a team's own detector costs, with nobody's weights.

Widths and depths are those that the architecture's description gives for its smallest size (3.0 M parameters); the file
carries its exporter's metadata, so that it is recognised like one. Its own boxes never reach a threshold. Instead it
always sees the same three people with their gear, so that tracking, rules and messages have work to do, and reads the
frame number (numbering.py), so that a message tells which picture it is of.

The only file of the workbench that imports `onnx` (an extra: bench).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from safetygear_workbench.bench.numbering import LABELS, SQUARES, square_px, square_xyxy_px

WIDTH_PX, HEIGHT_PX = 640, 384
INNER_HEIGHT_PX = 360
"""A 16:9 picture's rows in the input; the rest is letterbox, half above and half below."""
GEAR_LABELS = ("person", "helmet", "vest", "head", "no-vest")
STRIDES = (8, 16, 32)
BINS = 16
"""Of the distribution over a side's distance from its anchor."""
NEVER = -12.0
"""Bias of the class branch: no random score comes near a threshold."""
PEOPLE_CXCYWH_PX = ((160.0, 210.0, 60.0, 170.0), (330.0, 200.0, 56.0, 160.0), (500.0, 215.0, 62.0, 176.0))
SEEN = 0.9


def write_v8n(path: Path, *, reads_numbers: bool, seed: int = 8) -> None:
    """Write the model; the same `seed` gives the same file."""
    network = _Network(len(GEAR_LABELS) + len(LABELS), seed)
    output = network.build(reads_numbers)
    labels = dict(enumerate((*GEAR_LABELS, *LABELS)))
    graph = helper.make_graph(
        network.nodes,
        "v8n-shape",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT_PX, WIDTH_PX])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 4 + len(labels), network.anchors])],
        network.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(
        model,
        {
            "task": "detect",
            "stride": "32",
            "batch": "1",
            "imgsz": str([HEIGHT_PX, WIDTH_PX]),
            "names": str(labels),
            "description": "random weights; for measuring speed only",
        },
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class _Network:
    def __init__(self, classes: int, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.anchors = sum(WIDTH_PX // stride * (HEIGHT_PX // stride) for stride in STRIDES)
        self._classes = classes
        self._random = np.random.default_rng(seed)

    def build(self, reads_numbers: bool) -> str:
        x = self._conv(self._conv("images", 3, 16, 3, 2), 16, 32, 3, 2)
        x = self._conv(self._c2f(x, 32, 32, 1, shortcut=True), 32, 64, 3, 2)
        p3 = self._c2f(x, 64, 64, 2, shortcut=True)
        p4 = self._c2f(self._conv(p3, 64, 128, 3, 2), 128, 128, 2, shortcut=True)
        p5 = self._c2f(self._conv(p4, 128, 256, 3, 2), 256, 256, 1, shortcut=True)
        p5 = self._pooled(p5, 256)
        up4 = self._c2f(self._concat([self._twice(p5), p4], 1), 384, 128, 1, shortcut=False)
        up3 = self._c2f(self._concat([self._twice(up4), p3], 1), 192, 64, 1, shortcut=False)
        down4 = self._c2f(self._concat([self._conv(up3, 64, 64, 3, 2), up4], 1), 192, 128, 1, shortcut=False)
        down5 = self._c2f(self._concat([self._conv(down4, 128, 128, 3, 2), p5], 1), 384, 256, 1, shortcut=False)
        heads = [self._head(x, channels) for x, channels in ((up3, 64), (down4, 128), (down5, 256))]
        output = self._decoded(self._concat(heads, 2))
        fixed = self._fixed(reads_numbers)
        kept = self.anchors - (len(PEOPLE_CXCYWH_PX) * 3 + (SQUARES if reads_numbers else 0))
        random = self._op("Slice", [output, self._ints([0]), self._ints([kept]), self._ints([2])])
        self.nodes.append(helper.make_node("Concat", [random, *fixed], ["output0"], axis=2))
        return "output0"

    def _conv(self, x: str, inputs: int, outputs: int, size: int, stride: int = 1, *, active: bool = True) -> str:
        weights = self._random.normal(0, math.sqrt(2 / (inputs * size * size)), (outputs, inputs, size, size))
        constants = [self._floats(weights), self._floats(np.zeros(outputs))]
        y = self._op("Conv", [x, *constants], strides=[stride] * 2, pads=[size // 2] * 4, kernel_shape=[size] * 2)
        return self._op("Mul", [y, self._op("Sigmoid", [y])]) if active else y

    def _c2f(self, x: str, inputs: int, outputs: int, depth: int, *, shortcut: bool) -> str:
        half = outputs // 2
        split = self._op("Split", [self._conv(x, inputs, outputs, 1)], outputs=2, axis=1)
        parts = [split, f"{split}.1"]
        for _ in range(depth):
            y = self._conv(self._conv(parts[-1], half, half, 3), half, half, 3)
            parts.append(self._op("Add", [parts[-1], y]) if shortcut else y)
        return self._conv(self._concat(parts, 1), half * len(parts), outputs, 1)

    def _pooled(self, x: str, channels: int) -> str:
        parts = [self._conv(x, channels, channels // 2, 1)]
        for _ in range(3):
            parts.append(self._op("MaxPool", [parts[-1]], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
        return self._conv(self._concat(parts, 1), channels * 2, channels, 1)

    def _twice(self, x: str) -> str:
        scales = self._floats(np.array([1, 1, 2, 2]))
        return self._op("Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric")

    def _head(self, x: str, channels: int) -> str:
        sides = self._conv(self._conv(x, channels, 64, 3), 64, 64, 3)
        sides = self._conv(sides, 64, 4 * BINS, 1, active=False)
        names = self._conv(self._conv(x, channels, 64, 3), 64, 64, 3)
        names = self._conv(names, 64, self._classes, 1, active=False)
        both = self._concat([sides, names], 1)
        return self._op("Reshape", [both, self._ints([1, 4 * BINS + self._classes, -1])])

    def _decoded(self, raw: str) -> str:
        """Distances to boxes (cxcywh in px) and logits to probabilities: (1, 4 + classes, anchors)."""
        split = self._op("Split", [raw, self._ints([4 * BINS, self._classes])], outputs=2, axis=1)
        bins = self._op("Reshape", [split, self._ints([1, 4, BINS, self.anchors])])
        weighted = self._op(
            "Mul", [self._op("Softmax", [bins], axis=2), self._floats(np.arange(BINS, dtype=np.float64)[:, None])]
        )
        distance = self._op("ReduceSum", [weighted, self._ints([2])], keepdims=0)
        near = self._op("Split", [distance], outputs=2, axis=1)
        centres, strides = _anchors()
        left_top = self._op("Sub", [self._floats(centres[None]), near])
        right_bottom = self._op("Add", [self._floats(centres[None]), f"{near}.1"])
        middle = self._op("Mul", [self._op("Add", [left_top, right_bottom]), self._floats(np.array(0.5))])
        size = self._op("Sub", [right_bottom, left_top])
        boxes = self._op("Mul", [self._concat([middle, size], 1), self._floats(strides[None, None])])
        scores = self._op("Sigmoid", [self._op("Add", [f"{split}.1", self._floats(np.array(NEVER))])])
        return self._concat([boxes, scores], 1)

    def _fixed(self, reads_numbers: bool) -> list[str]:
        """Columns in place of the last anchors: people with their gear, and the squares of the number."""
        boxes, classes = [], []
        for cx, cy, width, height in PEOPLE_CXCYWH_PX:
            top = cy - height / 2
            boxes += [(cx, cy, width, height), (cx, top + height * 0.07, width * 0.45, height * 0.13)]
            boxes.append((cx, top + height * 0.35, width * 0.8, height * 0.32))
            classes += [0, 1, 2]
        columns = np.zeros((4 + self._classes, len(boxes)), np.float32)
        columns[:4] = np.array(boxes).T
        columns[[4 + number for number in classes], range(len(classes))] = SEEN
        fixed = [self._floats(columns[None])]
        return [*fixed, self._numbers()] if reads_numbers else fixed

    def _numbers(self) -> str:
        side, above_px = square_px(WIDTH_PX), (HEIGHT_PX - INNER_HEIGHT_PX) // 2
        places = [square_xyxy_px(square, WIDTH_PX, INNER_HEIGHT_PX) for square in range(SQUARES)]
        left, top, _, bottom = places[0]
        right = places[-1][2]
        starts, ends = self._ints([top + above_px, left]), self._ints([bottom + above_px, right])
        row = self._op("Slice", ["images", starts, ends, self._ints([2, 3])])
        grey = self._op("ReduceMean", [row], axes=[1], keepdims=1)
        means = self._op("AveragePool", [grey], kernel_shape=[side, side], strides=[side, side])
        flat = self._op("Reshape", [means, self._ints([1, 1, SQUARES])])
        centred = self._op("Sub", [flat, self._floats(np.array(0.5))])
        white = self._op("Sigmoid", [self._op("Mul", [centred, self._floats(np.array(20.0))])])
        own = np.zeros((1, self._classes, SQUARES), np.float32)
        own[0, range(len(GEAR_LABELS), len(GEAR_LABELS) + SQUARES), range(SQUARES)] = 1
        boxes = np.array([[(a + c) / 2, (b + d) / 2 + above_px, c - a, d - b] for a, b, c, d in places], np.float32)
        return self._concat([self._floats(boxes.T[None]), self._op("Mul", [self._floats(own), white])], 1)

    def _concat(self, parts: list[str], axis: int) -> str:
        return self._op("Concat", parts, axis=axis)

    def _op(self, kind: str, inputs: list[str], *, outputs: int = 1, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        names = [name, *(f"{name}.{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return name

    def _floats(self, values: NDArray[np.floating]) -> str:
        return self._constant(np.asarray(values, np.float32))

    def _ints(self, values: list[int]) -> str:
        return self._constant(np.array(values, np.int64))

    def _constant(self, values: NDArray[np.generic]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def _anchors() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres in units of their stride (2, anchors), and strides in px (anchors)."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : HEIGHT_PX // stride, 0 : WIDTH_PX // stride] + 0.5
        centres.append(np.stack([columns.ravel(), rows.ravel()]))
        strides.append(np.full(rows.size, float(stride)))
    return np.concatenate(centres, 1), np.concatenate(strides)
