"""Small ONNX files that look like what exporters write: their names, shapes and metadata around given numbers.

What goes in is a box in px of the picture. How it is put into the outputs follows the exporter's documentation, which
each function names; the way back is what is tested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from support.onnx_models import model_bytes

PICTURE = (1280, 720)
"""Width and height in px of the picture the boxes lie in."""
SIDE = 320
"""The networks' input is as high as it is wide, so that a picture fits in only stretched or padded."""
LABELS = ("person", "helmet", "vest")
Precision = Literal["fp32", "fp16", "int8"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """`xyxy` in px of the picture."""

    xyxy: tuple[float, float, float, float]
    label: int
    score: float


@dataclass(frozen=True)
class Part:
    """Numbers of one kind. `most`: quantised to int8 they are scaled to 0..most, or -most..most where `signed`."""

    values: Floats
    most: float
    signed: bool = False

    @property
    def step(self) -> float:
        """Distance of two int8 values."""
        return self.most * (2 if self.signed else 1) / 255


@dataclass(frozen=True)
class Output:
    """One output: parts side by side along `axis`. `whole`: it holds whole numbers (int64)."""

    name: str
    parts: Sequence[Part]
    axis: int = -1
    whole: bool = False
    times_sizes: bool = False
    """Multiplied with the input orig_target_sizes, as RT-DETR does."""


@dataclass(frozen=True)
class Export:
    """What an exporter writes."""

    outputs: Sequence[Output]
    input_name: str = "images"
    input_dims: Sequence[int | str] = (1, 3, SIDE, SIDE)
    input_type: str = "float"
    sizes_input: bool = False
    mask_input: bool = False
    """pixel_mask beside the picture: boxes are where they should be only while it is 1 everywhere."""
    paddle_inputs: bool = False
    """im_shape and scale_factor beside the picture: the last four of six numbers are multiplied with their quotient."""
    weights: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Shapes of weights by their names, which take no part."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Beside the model; labels.txt unless the metadata has the names."""

    def model(self, precision: Precision = "fp32") -> bytes:
        """The ONNX file. int8: each part goes through quantisation on its way to its output."""
        return _graph(self, precision)


def letterboxed(box: Box) -> tuple[float, float, float, float]:
    """In px of a network that gets the picture scaled by one factor and centred in its middle."""
    ratio = min(SIDE / PICTURE[0], SIDE / PICTURE[1])
    left, top = ((SIDE - round(side * ratio)) / 2 for side in PICTURE)
    x_min, y_min, x_max, y_max = box.xyxy
    return x_min * ratio + left, y_min * ratio + top, x_max * ratio + left, y_max * ratio + top


def in_the_corner(box: Box) -> tuple[float, float, float, float]:
    """In px of a network that gets the picture scaled by one factor into its upper left corner."""
    ratio = min(SIDE / PICTURE[0], SIDE / PICTURE[1])
    x_min, y_min, x_max, y_max = (value * ratio for value in box.xyxy)
    return x_min, y_min, x_max, y_max


def stretched(box: Box, size: tuple[float, float] = (SIDE, SIDE)) -> tuple[float, float, float, float]:
    """In px of a network that gets the picture stretched to its size; of size (1, 1): in parts of it."""
    across, down = size[0] / PICTURE[0], size[1] / PICTURE[1]
    x_min, y_min, x_max, y_max = box.xyxy
    return x_min * across, y_min * down, x_max * across, y_max * down


def centre_and_size(xyxy: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = xyxy
    return (x_min + x_max) / 2, (y_min + y_max) / 2, x_max - x_min, y_max - y_min


def _scores(boxes: Sequence[Box], rows: int) -> Floats:
    scores = np.zeros((rows, len(LABELS)), np.float32)
    for row, box in enumerate(boxes):
        scores[row, box.label] = box.score
    return scores


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _rows(values: Sequence[Sequence[float]], rows: int) -> Floats:
    """(1, rows, columns): `values` first, then zeros."""
    padded = np.zeros((1, rows, len(values[0])), np.float32)
    padded[0, : len(values)] = values
    return padded


ULTRALYTICS: dict[str, str] = {
    "description": "Ultralytics YOLO11n model trained on ppe.yaml",
    "author": "Ultralytics",
    "version": "8.3.200",
    "stride": "32",
    "task": "detect",
    "batch": "1",
    "imgsz": f"[{SIDE}, {SIDE}]",
    "names": "{0: 'person', 1: 'helmet', 2: 'vest'}",
    "args": "{'batch': 1, 'half': False, 'dynamic': False, 'simplify': True, 'opset': None, 'nms': False}",
    "channels": "3",
}
"""engine/exporter.py, self.metadata."""


def ultralytics(boxes: Sequence[Box], **metadata: str) -> Export:
    """v8/11, nn/modules/head.py: (1, 4 + classes, boxes), centre and size in px, sigmoid applied, no objectness."""
    rows = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    place = _rows([centre_and_size(letterboxed(box)) for box in boxes], rows).transpose(0, 2, 1)
    scores = _scores(boxes, rows).T[None]
    output = Output("output0", [Part(place, SIDE), Part(scores, 1)], axis=1)
    return Export([output], metadata={**ULTRALYTICS, **metadata})


def ultralytics_end2end(boxes: Sequence[Box], **metadata: str) -> Export:
    """v10, 26 and nms=True, engine/exporter.py NMSModel: (1, max_det, 6), filled up with zeros."""
    flags = metadata or {"end2end": "True"}
    place = _rows([letterboxed(box) for box in boxes], 300)
    rest = _rows([(box.score, box.label) for box in boxes], 300)
    # The class ids stay float: scaled to int8 with the scores they would be others.
    parts = [Part(place, SIDE), Part(rest[..., :1], 1), Part(rest[..., 1:], 0)]
    return Export([Output("output0", parts)], metadata={**ULTRALYTICS, **flags})


def turned_round(export: Export) -> Export:
    """An Ultralytics export whose one output has a row a box."""
    (output,) = export.outputs
    parts = [Part(part.values.transpose(0, 2, 1), part.most) for part in output.parts]
    return Export([Output(output.name, parts, axis=2)], metadata=export.metadata)


def ultralytics_rt_detr(boxes: Sequence[Box]) -> Export:
    """Ultralytics, nn/modules/head.py RTDETRDecoder: (1, 300, 4 + classes), centre and size in 0..1, stretched."""
    place = _rows([centre_and_size(stretched(box, (1, 1))) for box in boxes], 300)
    output = Output("output0", [Part(place, 1), Part(_scores(boxes, 300)[None], 1)])
    return Export([output], metadata=ULTRALYTICS)


def ultralytics_rt_detr_pairs(boxes: Sequence[Box], **metadata: str) -> Export:
    """Ultralytics 8.4.190, RTDETRDecoder.postprocess: (1, 300, 6), centre and size in 0..1, score, class."""
    place = _rows([centre_and_size(stretched(box, (1, 1))) for box in boxes], 300)
    rest = _rows([(box.score, box.label) for box in boxes], 300)
    said = {"head": "RTDETRDecoder", "end2end": "False", "args": "{'nms': None, 'quantize': None}"}
    parts = [Part(place, 1), Part(rest[..., :1], 1), Part(rest[..., 1:], 0)]
    return Export([Output("output0", parts)], metadata={**ULTRALYTICS, **said, **metadata})


def yolov7_end2end(boxes: Sequence[Box]) -> Export:
    """WongKinYiu/yolov7, models/experimental.py ONNX_ORT: (boxes, 7), batch, corners in px, class, score."""
    rows = np.array([(0, *letterboxed(box), box.label, box.score) for box in boxes], np.float32).reshape(-1, 7)
    # Neither the batch's number nor the class ids have a scale: quantised they would be others.
    parts = [Part(rows[:, :1], 0), Part(rows[:, 1:5], SIDE), Part(rows[:, 5:6], 0), Part(rows[:, 6:], 1)]
    return Export([Output("output", parts)])


def yolov5(boxes: Sequence[Box]) -> Export:
    """ultralytics/yolov5, models/yolo.py: (1, rows, 5 + classes); export.py writes stride and names."""
    rows = 3 * sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    place = _rows([centre_and_size(letterboxed(box)) for box in boxes], rows)
    objectness = _rows([[1.0]] * len(boxes), rows)
    output = Output("output0", [Part(place, SIDE), Part(objectness, 1), Part(_scores(boxes, rows)[None], 1)])
    return Export([output], metadata={"stride": "32", "names": ULTRALYTICS["names"]})


def automl_yolov5(boxes: Sequence[Box]) -> Export:
    """AutoML: the same rows first, and behind them the three grids they were made from."""
    rows = yolov5(boxes).outputs[0]
    grids = [
        Output(f"grid{cells}", [Part(np.zeros((1, 3, cells, cells, 5 + len(LABELS)), np.float32), 1)])
        for cells in (40, 20, 10)
    ]
    first = Output("output", rows.parts)
    return Export([first, *grids], input_name="input", files={"labels.json": '["person", "helmet", "vest"]'})


def automl(boxes: Sequence[Box], *, retinanet: bool = False, background: bool = True) -> Export:
    """how-to-inference-onnx-automl-image-models.md: three outputs per picture; the ids are places in labels.json."""
    size = (800, 600)
    first = 1 if background else 0
    outputs = {
        "boxes_0": Output("boxes_0", [Part(np.array([stretched(box, size) for box in boxes], np.float32), size[0])]),
        "labels_0": Output("labels_0", [Part(np.array([box.label + first for box in boxes], np.float32), 0)], 0, True),
        "scores_0": Output("scores_0", [Part(np.array([box.score for box in boxes], np.float32), 1)], 0),
    }
    order = ("boxes_0", "scores_0", "labels_0") if retinanet else ("boxes_0", "labels_0", "scores_0")
    names = '["--bg--", "person", "helmet", "vest"]' if background else '["person", "helmet", "vest"]'
    return Export(
        [outputs[name] for name in order],
        input_name="input",
        input_dims=(1, 3, size[1], size[0]),
        files={"labels.json": names},
    )


def rt_detr(boxes: Sequence[Box], place: Callable[[Box], tuple[float, float, float, float]] = stretched) -> Export:
    """RT-DETR and D-FINE, rtdetr_postprocessor.py: boxes of the picture, times what orig_target_sizes says."""
    rows = _rows([[value / SIDE for value in place(box)] for box in boxes], 300)
    labels = _rows([[box.label] for box in boxes], 300)[..., 0]
    scores = _rows([[box.score] for box in boxes], 300)[..., 0]
    return Export(
        [
            Output("labels", [Part(labels, 0)], whole=True),
            Output("boxes", [Part(rows, 1)], times_sizes=True),
            Output("scores", [Part(scores, 1)]),
        ],
        sizes_input=True,
    )


RF_DETR_NUMBERS = {
    "rfdetr_inference": '{"schema_version": 1, "class_id_to_name": {"0": "person", "1": "helmet", "2": "vest"}}'
}
"""export/_runtime/metadata.py of rfdetr, shortened."""


def rf_detr(boxes: Sequence[Box], *, spare: int = 1, before: int = 0, said: bool = True) -> Export:
    """rfdetr, models/postprocess.py: dets (1, 300, 4) centre and size in 0..1; labels (1, 300, C) logits.

    `spare`: places behind the classes, for no object; `before`: such as older releases leave before them. `said`: the
    metadata have the numbers, as those of releases after 1.11.2.
    """
    place = _rows([centre_and_size(stretched(box, (1, 1))) for box in boxes], 300)
    logits = np.full((1, 300, before + len(LABELS) + spare), -9.0, np.float32)
    for row, box in enumerate(boxes):
        logits[0, row, before + box.label] = _logit(box.score)
    return Export(
        [Output("dets", [Part(place, 1)]), Output("labels", [Part(logits, 10, signed=True)])],
        input_name="input",
        metadata=RF_DETR_NUMBERS if said else {},
    )


def hugging_face(boxes: Sequence[Box], *, no_object: bool = True, mask: bool = False) -> Export:
    """transformers, post_process_object_detection: logits (1, queries, C) and pred_boxes, centre and size in 0..1.

    `no_object`: DETR's and YOLOS's softmax with one place more; else RT-DETR's sigmoid, 300 queries. Optimum leaves all
    of the input's dimensions open; torch.onnx.export does not.
    """
    queries = 100 if no_object else 300
    place = _rows([centre_and_size(stretched(box, (1, 1))) for box in boxes], queries)
    logits = np.full((1, queries, len(LABELS) + no_object), -9.0, np.float32)
    logits[0, len(boxes) :, -1] = 9.0 if no_object else -9.0
    for row, box in enumerate(boxes):
        if no_object:
            logits[0, row, -1] = 0.0
        others = math.log1p((len(LABELS) - 1) * math.exp(-9)) if no_object else 0.0
        logits[0, row, box.label] = _logit(box.score) + others
    return Export(
        [Output("logits", [Part(logits, 10, signed=True)]), Output("pred_boxes", [Part(place, 1)])],
        input_name="pixel_values",
        mask_input=mask,
        files={"safetygear.json": "{}" if no_object else '{"pixelRange": "0-1"}'},
    )


def tf_object_detection(boxes: Sequence[Box], *, order: Sequence[int] = (0, 1, 2, 3), suffix: str = "") -> Export:
    """TF OD API, exporter.py: ymin, xmin, ymax, xmax in 0..1; float classes from 1; filled up to 100 rows."""
    yxyx = []
    for box in boxes:
        x_min, y_min, x_max, y_max = stretched(box, (1, 1))
        yxyx.append((y_min, x_min, y_max, x_max))
    classes = _rows([[box.label + 1] for box in boxes], 100)[..., 0]
    classes[0, len(boxes) :] = 1
    outputs = [
        Output(f"detection_boxes{suffix}", [Part(_rows(yxyx, 100), 1)]),
        Output(f"detection_classes{suffix}", [Part(classes, 0)]),
        Output(f"detection_scores{suffix}", [Part(_rows([[box.score] for box in boxes], 100)[..., 0], 1)]),
        Output(f"num_detections{suffix}", [Part(np.array([len(boxes)], np.float32), 0)], 0),
    ]
    return Export(
        [outputs[index] for index in order],
        input_name=f"image_tensor{suffix}",
        input_dims=(1, "height", "width", 3),
        input_type="uint8",
    )


def yolox(boxes: Sequence[Box]) -> Export:
    """Megvii yolo_head.py: offsets to the cell in strides, logarithms of sizes; in the largest stride here."""
    stride, cells = 32, SIDE // 32
    before = sum((SIDE // step) ** 2 for step in (8, 16))
    place = np.zeros((1, before + cells**2, 4), np.float32)
    scores = np.zeros((1, before + cells**2, 1 + len(LABELS)), np.float32)
    for number, box in enumerate(boxes):
        x, y, width, height = (value / stride for value in centre_and_size(in_the_corner(box)))
        column, line = int(x), int(y)
        row = before + line * cells + column
        while scores[0, row, 0]:  # another box has that cell: the next one gives it as well
            column += 1
            row += 1
        place[0, row] = (x - column, y - line, math.log(width), math.log(height))
        scores[0, row, 0], scores[0, row, 1 + box.label] = 1.0, box.score
        assert number < cells
    parts = [Part(place, 4, signed=True), Part(scores, 1)]
    return Export([Output("output", parts)], metadata={"format": "yolox", "decoded": "no"})


COMPACT_ANCHORS = [(0.573, 0.677), (1.87, 2.06), (3.34, 5.47), (7.88, 3.53), (9.77, 9.17)]


def compact_head(boxes: Sequence[Box]) -> tuple[Floats, Floats]:
    """Custom Vision General (compact), object_detection.py of the export: (boxes, the rest) by anchor.

    (1, 13, 13, 5, 4) and (1, 13, 13, 5, 1 + classes): x and y before their sigmoid, sizes as logarithms of the
    anchor's multiples, logits of objectness and classes.
    """
    grid = 13
    place = np.zeros((1, grid, grid, 5, 4), np.float32)
    rest = np.zeros((1, grid, grid, 5, 1 + len(LABELS)), np.float32)
    rest[..., 0] = -12
    for box in boxes:
        x, y, width, height = (value * grid for value in centre_and_size(stretched(box, (1, 1))))
        anchor = min(range(5), key=lambda index: abs(math.log(width * height / math.prod(COMPACT_ANCHORS[index]))))
        if rest[0, int(y), int(x), anchor, 0] > -12:
            anchor -= 1  # another box has that one
        at = (0, int(y), int(x), anchor)
        place[at] = (
            _logit(x - int(x)),
            _logit(y - int(y)),
            math.log(width / COMPACT_ANCHORS[anchor][0]),
            math.log(height / COMPACT_ANCHORS[anchor][1]),
        )
        rest[at] = -12
        # Softmax over the classes is nearly 1 for this one, so that the objectness is the score.
        rest[at][0], rest[at][1 + box.label] = _logit(box.score), 12
    return place, rest


def custom_vision_compact(boxes: Sequence[Box]) -> Export:
    """Anchors one after the other, each with its numbers: (1, 5 * (5 + classes), 13, 13)."""
    place, rest = (values.transpose(0, 3, 4, 1, 2) for values in compact_head(boxes))
    parts = []
    for anchor in range(5):
        parts += [Part(place[:, anchor], 4, signed=True), Part(rest[:, anchor], 12.8, signed=True)]
    return Export(
        [Output("model_outputs0", parts, axis=1)],
        input_name="data",
        input_dims=(1, 3, 416, 416),
        files={"safetygear.json": '{"resize": "stretch"}'},
    )


def custom_vision_s1(boxes: Sequence[Box]) -> Export:
    """object_detection_s1/predict.py: corners in 0..1, any number of them."""
    return Export(
        [
            Output("detected_boxes", [Part(_rows([stretched(box, (1, 1)) for box in boxes], len(boxes)), 1)]),
            Output(
                "detected_classes", [Part(_rows([[box.label] for box in boxes], len(boxes))[..., 0], 0)], whole=True
            ),
            Output("detected_scores", [Part(_rows([[box.score] for box in boxes], len(boxes))[..., 0], 1)]),
        ],
        input_name="image_tensor",
    )


def _graph(export: Export, precision: Precision) -> bytes:
    half = precision == "fp16"
    kinds = {"float": TensorProto.FLOAT16 if half else TensorProto.FLOAT, "uint8": TensorProto.UINT8}
    inputs = [(export.input_name, kinds[export.input_type], list(export.input_dims))]
    nodes = [
        helper.make_node("Cast", [export.input_name], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants: dict[str, NDArray[Any]] = {"zero": np.float32(0)}
    if export.sizes_input:
        inputs.append(("orig_target_sizes", TensorProto.INT64, [1, 2]))
        constants["middle"] = np.array([1], np.int64)
        nodes += [
            helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["size", "size"], ["twice"], axis=1),
            helper.make_node("Unsqueeze", ["twice", "middle"], ["corners"]),
        ]
    if export.paddle_inputs:
        inputs += [(name, TensorProto.FLOAT, [1, 2]) for name in ("im_shape", "scale_factor")]
        constants["turned"], constants["ones"] = np.array([1, 0], np.int64), np.ones((1, 2), np.float32)
        nodes += [
            helper.make_node("Div", ["im_shape", "scale_factor"], ["sides"]),
            helper.make_node("Gather", ["sides", "turned"], ["size"], axis=1),
            helper.make_node("Concat", ["ones", "size", "size"], ["corners"], axis=1),
        ]
    constants |= {name: np.zeros(shape, np.float32) for name, shape in export.weights.items()}
    if export.mask_input:
        inputs.append(("pixel_mask", TensorProto.INT64, ["batch_size", "height", "width"]))
        nodes += [
            helper.make_node("Cast", ["pixel_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMin", ["mask"], ["seen"], keepdims=0),
        ]
    outputs = []
    for output in export.outputs:
        names = [
            _part(part, f"{output.name}_{index}", precision, nodes, constants)
            for index, part in enumerate(output.parts)
        ]
        whole = names[0]
        if len(names) > 1:
            whole = f"{output.name}_whole"
            nodes.append(helper.make_node("Concat", names, [whole], axis=output.axis))
        if output.times_sizes:
            nodes.append(helper.make_node("Mul", [whole, "corners"], [f"{output.name}_px"]))
            whole = f"{output.name}_px"
        if export.mask_input:
            nodes.append(helper.make_node("Mul", [whole, "seen"], [f"{output.name}_seen"]))
            whole = f"{output.name}_seen"
        kind = TensorProto.INT64 if output.whole else kinds["float"]
        nodes.append(helper.make_node("Cast", [whole], [output.name], to=kind))
        shape = list(np.concatenate([part.values for part in output.parts], axis=output.axis).shape)
        outputs.append((output.name, kind, shape))
    return model_bytes(nodes, inputs, outputs, constants, export.metadata)


def _part(
    part: Part, name: str, precision: Precision, nodes: list[onnx.NodeProto], constants: dict[str, NDArray[Any]]
) -> str:
    constants[f"{name}_value"] = part.values
    nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [f"{name}_float"]))
    if precision != "int8" or part.most == 0:
        return f"{name}_float"
    constants[f"{name}_scale"] = np.float32(part.step)
    constants[f"{name}_zero"] = np.uint8(128 if part.signed else 0)
    scaling = [f"{name}_scale", f"{name}_zero"]
    nodes.append(helper.make_node("QuantizeLinear", [f"{name}_float", *scaling], [f"{name}_int8"]))
    nodes.append(helper.make_node("DequantizeLinear", [f"{name}_int8", *scaling], [f"{name}_back"]))
    return f"{name}_back"
