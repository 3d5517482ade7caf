"""Small ONNX models that tests make: the shapes and names of real exports around a graph whose result is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Dims = Sequence[int | str | None]
TYPES = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def model_bytes(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[tuple[str, int, Dims]],
    outputs: Sequence[tuple[str, int, Dims]],
    constants: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A whole model; tensors as (name, element type, dimensions)."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    domains = {"": 17, **{node.domain: 1 for node in nodes if node.domain}}
    opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    return model.SerializeToString()


def fixed_output(
    value: NDArray[np.float32],
    *,
    input_name: str,
    input_dims: Dims,
    output_name: str,
    output_dims: Dims | None = None,
    dtype: str = "float",
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """One input, one output that is `value` whatever the picture shows."""
    kind = TYPES[dtype]
    nodes = [
        helper.make_node("Cast", [input_name], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "value"], ["sum"]),
        helper.make_node("Cast", ["sum"], [output_name], to=kind if dtype != "uint8" else TensorProto.FLOAT),
    ]
    return model_bytes(
        nodes,
        [(input_name, kind, input_dims)],
        [(output_name, kind if dtype != "uint8" else TensorProto.FLOAT, output_dims or value.shape)],
        {"zero": np.float32(0), "value": value.astype(np.float32)},
        metadata,
    )


def custom_vision_compact(
    value: NDArray[np.float32], *, dtype: str = "float", channel_dim: int | str | None = None, **metadata: str
) -> bytes:
    """General (compact) whose head (1, 5 * (5 + classes), h, w) gives `value`."""
    dims = list(value.shape)
    return fixed_output(
        value,
        input_name="data",
        input_dims=[1, 3, 416, 416],
        output_name="model_outputs0",
        output_dims=[None, channel_dim or dims[1], *dims[2:]],
        dtype=dtype,
        metadata=metadata,
    )


def convolutional_compact(classes: int) -> bytes:
    """General (compact) as a real one is: any input size works. Only the first anchor's objectness sees the picture:
    10 in cells that are white, -10 in black ones; the first class wins there."""
    channels = 5 * (5 + classes)
    weight = np.zeros((channels, 3, 1, 1), np.float32)
    weight[4] = 20 / (3 * 255)
    bias = np.full(channels, -10, np.float32)
    bias[:4] = 0
    bias[5] = 10
    nodes = [
        helper.make_node("AveragePool", ["data"], ["cells"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Conv", ["cells", "weight", "bias"], ["model_outputs0"]),
    ]
    return model_bytes(
        nodes,
        [("data", TensorProto.FLOAT, [1, 3, 416, 416])],
        [("model_outputs0", TensorProto.FLOAT, [1, channels, 13, 13])],
        {"weight": weight, "bias": bias},
    )


def colour_meter(
    *, dtype: str = "float", layout: str = "nchw", scale: float = 1 / 255, offset: float = 0.0, **metadata: str
) -> bytes:
    """General (compact) [S1] whose three scores are the mean of each channel of its input, times `scale` + `offset`."""
    dims = [1, 3, 320, 320] if layout == "nchw" else [1, 320, 320, 3]
    boxes = np.array([[[0.0, 0.0, 0.25, 0.5], [0.25, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 1.0]]], np.float32)
    axes = [2, 3] if layout == "nchw" else [1, 2]
    nodes = [
        helper.make_node("Cast", ["image_tensor"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["detected_scores"]),
        helper.make_node("Identity", ["boxes"], ["detected_boxes"]),
        helper.make_node("Identity", ["classes"], ["detected_classes"]),
    ]
    return model_bytes(
        nodes,
        [("image_tensor", TYPES[dtype], dims)],
        [
            ("detected_scores", TensorProto.FLOAT, [1, None]),
            ("detected_classes", TensorProto.INT64, [1, None]),
            ("detected_boxes", TensorProto.FLOAT, [1, None, 4]),
        ],
        {
            "scale": np.float32(scale),
            "offset": np.float32(offset),
            "boxes": boxes,
            "classes": np.array([[0, 1, 2]], np.int64),
        },
        metadata,
    )


def classifier(labels: Sequence[str], *, by_label: bool = True, dtype: str = "float", **metadata: str) -> bytes:
    """Custom Vision's classifier, whose three probabilities are the means of its input's channels.

    `by_label`: with `classLabel` and a map in `loss`, as General (compact) has them; else one row, as [S1] has.
    """
    nodes = [
        helper.make_node("Cast", ["data"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["row"], axes=[2, 3], keepdims=0),
    ]
    source = [("data", TYPES[dtype], [None, 3, 224, 224])]
    if not by_label:
        nodes.append(helper.make_node("Identity", ["row"], ["model_output"]))
        return model_bytes(nodes, source, [("model_output", TensorProto.FLOAT, [None, 3])], {}, metadata)
    nodes += [
        helper.make_node("ZipMap", ["row"], ["loss"], domain="ai.onnx.ml", classlabels_strings=list(labels)),
        helper.make_node("Constant", [], ["classLabel"], value_strings=[labels[0]]),
    ]
    model = onnx.load_model_from_string(
        model_bytes(nodes, source, [("classLabel", TensorProto.STRING, [None])], {}, metadata)
    )
    probability = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    by_name = helper.make_map_type_proto(TensorProto.STRING, probability)
    model.graph.output.append(helper.make_value_info("loss", helper.make_sequence_type_proto(by_name)))
    return model.SerializeToString()


def yolox(value: NDArray[np.float32], *, size: tuple[int, int] = (64, 64), **metadata: str) -> bytes:
    """YOLOX with an output (1, rows, 5 + classes) that is `value`; `size` is width and height."""
    return fixed_output(
        value, input_name="images", input_dims=[1, 3, size[1], size[0]], output_name="output", metadata=metadata
    )


def with_decoding(model: bytes, size: tuple[int, int], strides: Sequence[int] = (8, 16, 32)) -> bytes:
    """A raw YOLOX export with the decoding put behind it, as `export_onnx.py --decode_in_inference` exports it."""
    proto = onnx.load_model_from_string(model)
    del proto.metadata_props[:]
    grid, steps = [], []
    for stride in strides:
        for y in range(size[1] // stride):
            for x in range(size[0] // stride):
                grid.append((x, y))
                steps.append((stride, stride))
    output = proto.graph.output[0].name
    for node in proto.graph.node:
        node.output[:] = ["raw" if name == output else name for name in node.output]
    constants = {
        "grid": np.array([grid], np.float32),
        "steps": np.array([steps], np.float32),
        "splits": np.array([2, 2, proto.graph.output[0].type.tensor_type.shape.dim[2].dim_value - 4], np.int64),
    }
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    proto.graph.node.extend(
        [
            helper.make_node("Split", ["raw", "splits"], ["xy", "wh", "rest"], axis=2),
            helper.make_node("Add", ["xy", "grid"], ["moved"]),
            helper.make_node("Mul", ["moved", "steps"], ["centre_px"]),
            helper.make_node("Exp", ["wh"], ["size"]),
            helper.make_node("Mul", ["size", "steps"], ["size_px"]),
            helper.make_node("Concat", ["centre_px", "size_px", "rest"], [output], axis=2),
        ]
    )
    return proto.SerializeToString()
