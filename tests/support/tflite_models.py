"""Small TensorFlow Lite files that tests make, through the format's own flatbuffers schema.

As in support/onnx_models.py, each looks like a Custom Vision export around numbers that are known. The schema comes
with the runtime: a test that needs one begins with `pytest.importorskip("ai_edge_litert")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class _Graph:
    """Tensors and operators in the order they are added; `bytes()` is the file."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str = "FLOAT32", *, scale: float = 0.0, zero: int = 0
    ) -> int:
        """Its number. `scale` and `zero`: quantised so."""
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape = name.encode(), list(shape)
        tensor.type = getattr(self._schema.TensorType, dtype)
        if scale:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, name: str, values: NDArray[Any]) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        index = self.tensor(name, values.shape, {"float32": "FLOAT32", "int32": "INT32"}[values.dtype.name])
        self._tensors[index].buffer = len(self._buffers) - 1
        return index

    def operator(
        self, name: str, inputs: Sequence[int], output: int, options: str | None = None, **fields: Any
    ) -> None:
        code = getattr(self._schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        operator = self._schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = self._codes.index(code), list(inputs), [output]
        if options is not None:
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(self._schema, f"{options}T")()
            for field, value in fields.items():
                setattr(operator.builtinOptions, field, value)
        self._operators.append(operator)

    def bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        import flatbuffers

        schema = self._schema
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self._buffers, []
        for code in self._codes:
            operator_code = schema.OperatorCodeT()
            operator_code.builtinCode, operator_code.deprecatedBuiltinCode = code, min(code, 127)
            operator_code.version = 1
            model.operatorCodes.append(operator_code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _channel_means(graph: _Graph, source: int) -> int:
    axes = graph.constant("axes", np.array([0, 1, 2], np.int32))
    means = graph.tensor("means", (3,))
    graph.operator("MEAN", [source, axes], means, "ReducerOptions", keepDims=False)
    return means


def _fixed(graph: _Graph, name: str, values: Floats, means: int) -> int:
    """An output that is `values` whatever the picture shows."""
    flat = graph.tensor(f"{name}_flat", (1,))
    first = graph.constant(f"{name}_axis", np.array([0], np.int32))
    graph.operator("MEAN", [means, first], flat, "ReducerOptions", keepDims=True)
    nothing = graph.tensor(f"{name}_nothing", (1,))
    graph.operator("MUL", [flat, graph.constant(f"{name}_zero", np.zeros(1, np.float32))], nothing, "MulOptions")
    output = graph.tensor(name, values.shape)
    graph.operator("ADD", [graph.constant(f"{name}_values", values), nothing], output, "AddOptions")
    return output


def custom_vision_compact(head: Floats, *, name: str = "model_outputs") -> bytes:
    """General (compact): `head` is (1, 13, 13, 5 * (5 + classes)), as TensorFlow has it."""
    graph = _Graph()
    source = graph.tensor("data", (1, 416, 416, 3))
    return graph.bytes([source], [_fixed(graph, name, head, _channel_means(graph, source))])


def custom_vision_s1(boxes: Floats, classes: Floats) -> bytes:
    """General (compact) [S1] without a batch: three boxes (3, 4) and classes (3,), whose scores are the means of the
    input's channels by 255. The order of the outputs is another than the ONNX export's."""
    graph = _Graph()
    source = graph.tensor("image_tensor", (1, 320, 320, 3))
    means = _channel_means(graph, source)
    scores = graph.tensor("detected_scores", (3,))
    graph.operator("MUL", [means, graph.constant("share", np.full(1, 1 / 255, np.float32))], scores, "MulOptions")
    return graph.bytes(
        [source],
        [scores, _fixed(graph, "detected_classes", classes, means), _fixed(graph, "detected_boxes", boxes, means)],
    )


def classifier(*, size: int = 224, name: str = "loss", quantised: bool = False) -> bytes:
    """Three probabilities, which are the means of the input's channels by 255 (they add up to 1 where the picture's
    channels add up to 255). `quantised`: input and output are uint8."""
    graph = _Graph()
    source = graph.tensor("Placeholder", (1, size, size, 3))
    means = _channel_means(graph, source)
    output = graph.tensor(name, (1, 3))
    shape = graph.constant("row", np.array([1, 3], np.int32))
    scaled = graph.tensor("scaled", (3,))
    graph.operator("MUL", [means, graph.constant("share", np.full(1, 1 / 255, np.float32))], scaled, "MulOptions")
    graph.operator("RESHAPE", [scaled, shape], output, "ReshapeOptions", newShape=[1, 3])
    if not quantised:
        return graph.bytes([source], [output])
    whole = graph.tensor("Placeholder_uint8", (1, size, size, 3), "UINT8", scale=2.0)
    graph.operator("DEQUANTIZE", [whole], source, "DequantizeOptions")
    graph._operators.insert(0, graph._operators.pop())
    steps = graph.tensor(f"{name}_uint8", (1, 3), "UINT8", scale=1 / 255)
    graph.operator("QUANTIZE", [output], steps, "QuantizeOptions")
    return graph.bytes([whole], [steps])
