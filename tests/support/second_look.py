"""A second look's network that answers by colour: what is mostly red is `no`, mostly green `yes`, else unclear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE_PX = 8
GEARS = ("helmet", "vest")
SURE = 0.99


def write_network(folder: Path, *, side_px: int = SIDE_PX, settings: dict[str, Any] | None = None) -> Path:
    """`second_look.onnx` and the settings beside it; `settings` replaces some of them. Returns the network's path."""
    # BGR means over the crop, times ten and softmaxed: (red, green, a constant).
    pick = np.array([[0, 0, 1], [0, 1, 0], [0, 0, 0]], np.float32).T * 10 / 255
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["crops"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["mean", "pick"], ["picked"]),
            helper.make_node("Add", ["picked", "unclear"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["one"], axis=1),
            helper.make_node("Unsqueeze", ["one", "axis"], ["row"]),
            helper.make_node("Concat", ["row", "row"], ["answers"], axis=1),
        ],
        "second-look",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", side_px, side_px, 3])],
        [helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["n", 2, 3])],
        [
            numpy_helper.from_array(pick, "pick"),
            numpy_helper.from_array(np.array([0, 0, 5], np.float32), "unclear"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path = folder / "second_look.onnx"
    onnx.save(model, path)
    described = {
        "version": "t",
        "gears": list(GEARS),
        "answers": ["no", "yes", "unclear"],
        "input": {"side_px": side_px, "order": "BGR"},
        "thresholds": {gear: {"no": 0.9, "yes": 0.9} for gear in GEARS},
    }
    path.with_suffix(".json").write_text(json.dumps(described | (settings or {})))
    return path
