"""Small TensorFlow Lite files that tests make, through the format's own flatbuffers schema.

As in support/onnx_models.py, each looks like a Custom Vision export around numbers that are known. The schema comes
with the runtime: a test that needs one begins with `pytest.importorskip("ai_edge_litert")`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        self._codes: list[int | str] = []
        """Numbers of operators; names of those that are not in the schema."""

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
        code: int | str = getattr(self._schema.BuiltinOperator, name)
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

    def custom(self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Mapping[str, Any]) -> None:
        from flatbuffers import flexbuffers

        operator = self._schema.OperatorT()
        self._codes.append(name)
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self._codes) - 1, list(inputs), list(outputs)
        operator.customOptions = np.frombuffer(flexbuffers.Dumps(dict(options)), np.uint8)
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
            number = schema.BuiltinOperator.CUSTOM if isinstance(code, str) else code
            if isinstance(code, str):
                operator_code.customCode = code.encode()
            operator_code.builtinCode, operator_code.deprecatedBuiltinCode = number, min(number, 127)
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


def ssd(
    boxes: Floats,
    scores: Floats,
    *,
    quantised: tuple[float, int] | None = None,
    order: Sequence[int] = (0, 1, 2, 3),
    names: Sequence[str] = (
        "StatefulPartitionedCall:3",
        "StatefulPartitionedCall:2",
        "StatefulPartitionedCall:1",
        "call",
    ),
    size: int = 320,
) -> bytes:
    """An SSD as export_tflite_graph_lib_tf2.py makes it: TFLite_Detection_PostProcess is its last operator.

    `boxes`: (n, 4), ymin, xmin, ymax, xmax in 0..1; `scores`: (n, classes). `quantised`: scale and zero point of an
    input of uint8. The outputs have `names`, and stand in `order` of the operator's own: boxes, classes, scores, how
    many.
    """
    graph = _Graph()
    source = graph.tensor("normalized_input", (1, size, size, 3))
    if quantised is not None:
        whole = graph.tensor(
            "serving_default_images:0", (1, size, size, 3), "UINT8", scale=quantised[0], zero=quantised[1]
        )
        graph.operator("DEQUANTIZE", [whole], source, "DequantizeOptions")
    means = _channel_means(graph, source)
    centres = np.stack(
        (
            (boxes[:, 0] + boxes[:, 2]) / 2,
            (boxes[:, 1] + boxes[:, 3]) / 2,
            boxes[:, 2] - boxes[:, 0],
            boxes[:, 3] - boxes[:, 1],
        ),
        axis=1,
    )
    # An anchor for each box: the network says that it need not be moved.
    encoded = _fixed(graph, "box_encodings", np.zeros((1, len(boxes), 4), np.float32), means)
    background = np.zeros((len(scores), 1), np.float32)
    rated = _fixed(graph, "class_predictions", np.concatenate((background, scores), axis=1)[None], means)
    anchors = graph.constant("anchors", centres.astype(np.float32))
    found = [graph.tensor(name, shape) for name, shape in zip(names, ((1, 10, 4), (1, 10), (1, 10), (1,)), strict=True)]
    options = {
        "max_detections": 10,
        "max_classes_per_detection": 1,
        "detections_per_class": 100,
        "use_regular_nms": False,
        "nms_score_threshold": 0.1,
        "nms_iou_threshold": 0.6,
        "num_classes": scores.shape[1],
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
    }
    graph.custom("TFLite_Detection_PostProcess", [encoded, rated, anchors], found, options)
    return graph.bytes([source if quantised is None else whole], [found[index] for index in order])


def ultralytics(rows: Floats, *, size: int = 320) -> bytes:
    """ultralytics, nn/modules/head.py for tflite: (1, 4 + classes, boxes), boxes in parts of the picture."""
    graph = _Graph()
    source = graph.tensor("images", (1, size, size, 3))
    return graph.bytes([source], [_fixed(graph, "Identity", rows, _channel_means(graph, source))])


def with_files(model: bytes, files: Mapping[str, str]) -> bytes:
    """With a zip of files behind it, as tflite-support and Ultralytics write them."""
    import io
    import zipfile

    buffer = io.BytesIO(model)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def with_normalization(model: bytes, mean: Sequence[float], deviation: Sequence[float]) -> bytes:
    """With metadata as tflite-support's writer adds them: NormalizationOptions of the only input."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    builder = flatbuffers.Builder(256)

    def vector(values: Sequence[float]) -> Any:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return builder.EndVector()

    def table(fields: Mapping[int, Any]) -> Any:
        builder.StartObject(9)
        for number, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        return builder.EndObject()

    def one(offset: Any) -> Any:
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    values = (vector(mean), vector(deviation))
    options = table({0: values[0], 1: values[1]})
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 1, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    unit = builder.EndObject()
    tensor = table({4: one(unit)})
    graph = table({2: one(tensor)})
    builder.Finish(table({3: one(graph)}), b"M001")

    proto = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(bytes(builder.Output()), np.uint8)
    proto.buffers.append(buffer)
    entry.name, entry.buffer = b"TFLITE_METADATA", len(proto.buffers) - 1
    proto.metadata = [entry]
    whole = flatbuffers.Builder(1024)
    whole.Finish(proto.Pack(whole), b"TFL3")
    return bytes(whole.Output())
