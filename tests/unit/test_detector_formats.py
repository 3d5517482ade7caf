"""Every format at every precision: boxes that were put into an export by its exporter's documentation come out again.

The way in is in support/export_models.py and knows nothing of our decoders. fp32 and fp16: intersection over union with
the boxes put in of at least .99. int8: each side within one step of the quantisation, which `Case.step` states.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.fingerprint import fingerprint
from safetygear_inference.detectors.settings import ModelSettings
from safetygear_inference.detectors.signature import Signature, Tensor
from support import export_models as exports
from support import more_exports as more
from support.export_models import LABELS, PICTURE, SIDE, Box, Export, Output, Part, Precision
from support.pictures import plain

PEOPLE = [
    Box((200, 150, 400, 650), 0, 0.9),
    Box((400, 150, 600, 650), 0, 0.8),  # side by side: they share an edge and no more
    Box((250, 150, 350, 250), 1, 0.7),
    Box((420, 280, 580, 480), 2, 0.6),
]
AGAIN = Box((204, 152, 402, 652), 0, 0.5)
"""The first once more, with an overlap of .94."""


@dataclass(frozen=True)
class Case:
    """`step`: how far one int8 step moves a side of a box, in parts of the picture's width and height."""

    export: Callable[[list[Box]], Export]
    suppressed: bool
    """The network leaves out what overlaps: we must not."""
    step: Callable[[Box], tuple[float, float]]
    score_step: float = 1 / 255


def px_step(_: Box) -> tuple[float, float]:
    """SIDE / 255 px of a network in which the picture is SIDE wide and SIDE * 9/16 high."""
    return 1 / 255, 16 / 9 / 255


def share_step(_: Box) -> tuple[float, float]:
    return 1 / 255, 1 / 255


def automl_step(_: Box) -> tuple[float, float]:
    return 800 / 255 / 800, 800 / 255 / 600


def log_step(cells: float, slope: float, ratio: float) -> Callable[[Box], tuple[float, float]]:
    """8/255 for the offset, whose effect in cells is `slope`, and for the logarithm of the size.

    `cells` cells across the picture's width, `cells` / `ratio` of them down its height.
    """

    def step(box: Box) -> tuple[float, float]:
        step = 8 / 255
        width, height = ((box.xyxy[axis + 2] - box.xyxy[axis]) / PICTURE[axis] for axis in (0, 1))
        grown = (math.exp(step) - 1) / 2
        return step * slope / cells + width * grown, step * slope * ratio / cells + height * grown

    return step


LOGIT_STEP = 25.6 / 255 / 4
"""A step of the logit; the sigmoid's slope is at most a quarter."""
CASES: dict[str, Case] = {
    "custom-vision-compact": Case(exports.custom_vision_compact, False, log_step(13, 0.25, 1), LOGIT_STEP),
    "custom-vision-compact-s1": Case(exports.custom_vision_s1, True, share_step),
    "yolox": Case(exports.yolox, False, log_step(SIDE / 32, 1, 16 / 9)),
    "yolov5": Case(exports.yolov5, False, px_step),
    "yolov5 of AutoML": Case(exports.automl_yolov5, False, px_step),
    "ultralytics": Case(exports.ultralytics, False, px_step),
    "ultralytics-end2end": Case(exports.ultralytics_end2end, True, px_step),
    "ultralytics turned round": Case(lambda boxes: exports.turned_round(exports.ultralytics(boxes)), False, px_step),
    "ultralytics-rt-detr": Case(exports.ultralytics_rt_detr, True, share_step),
    "ultralytics-rt-detr in pairs": Case(exports.ultralytics_rt_detr_pairs, True, share_step),
    "yolov7-end2end": Case(exports.yolov7_end2end, True, px_step),
    "azure-automl Faster R-CNN": Case(exports.automl, True, automl_step),
    "azure-automl RetinaNet": Case(
        lambda boxes: exports.automl(boxes, retinanet=True, background=False), True, automl_step
    ),
    "rt-detr": Case(exports.rt_detr, True, share_step),
    "rf-detr": Case(exports.rf_detr, True, share_step, 20 / 255 / 4),
    "hugging-face DETR": Case(exports.hugging_face, True, share_step, 20 / 255 / 4),
    "hugging-face RT-DETR": Case(
        lambda boxes: exports.hugging_face(boxes, no_object=False), True, share_step, 20 / 255 / 4
    ),
    "tf-object-detection": Case(exports.tf_object_detection, True, share_step),
    "torchvision": Case(more.torchvision, True, share_step),
    "mmdeploy": Case(more.mmdeploy, True, share_step),
    "paddle-detection": Case(more.paddle_detection, True, share_step),
    "yolo-nas": Case(more.yolo_nas, True, px_step),
    "yolo-nas flat": Case(lambda boxes: more.yolo_nas(boxes, flat=True), True, px_step),
}


def opened(folder: Path, export: Export, precision: Precision = "fp32", **files: str) -> Model:
    folder = folder / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(export.model(precision))
    beside = {**export.files, **{name.replace("__", "."): text for name, text in files.items()}}
    if "names" not in export.metadata and "labels.json" not in beside:
        beside.setdefault("labels.txt", "\n".join(LABELS))
    for name, text in beside.items():
        (folder / name).write_text(text)
    return open_model(folder)


def share(box: Box) -> list[float]:
    return [value / PICTURE[index % 2] for index, value in enumerate(box.xyxy)]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("name", CASES)
def test_boxes_come_out_as_they_were_put_in(tmp_path: Path, name: str, precision: Precision) -> None:
    case = CASES[name]
    model = opened(tmp_path, case.export(PEOPLE if case.suppressed else [*PEOPLE, AGAIN]), precision)
    assert model.format.name == name.split(" ")[0]
    assert model.labels == LABELS
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == ["person", "person", "helmet", "vest"]
    if precision == "int8":
        for box, seen in zip(PEOPLE, found.xyxy_norm.tolist(), strict=True):
            across, down = case.step(box)
            assert seen[0::2] == pytest.approx(share(box)[0::2], abs=across)
            assert seen[1::2] == pytest.approx(share(box)[1::2], abs=down)
        tolerance = case.score_step
    else:
        overlap = iou(as_xyxy([share(box) for box in PEOPLE]), found.xyxy_norm)
        assert overlap.diagonal().min() >= 0.99
        tolerance = 1e-5 if precision == "fp32" else 2e-3
    assert found.probability.tolist() == pytest.approx([box.score for box in PEOPLE], abs=tolerance)


BLUE, GREEN, RED = 51, 102, 204
UNIT = (RED / 255, GREEN / 255, BLUE / 255)
IMAGENET = tuple(
    (value / 255 - mean) / std
    for value, mean, std in zip((RED, GREEN, BLUE), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
)


@pytest.mark.parametrize(
    ("name", "channels", "corner"),
    [
        ("custom-vision-compact", (BLUE, GREEN, RED), None),
        ("custom-vision-compact-s1", (RED, GREEN, BLUE), None),
        ("yolox", (BLUE, GREEN, RED), None),  # the corner is the picture's
        ("yolov5", UNIT, 114 / 255),
        ("yolov5 of AutoML", UNIT, 114 / 255),
        ("ultralytics", UNIT, 114 / 255),
        ("ultralytics-end2end", UNIT, 114 / 255),
        ("ultralytics-rt-detr", UNIT, None),
        ("yolov7-end2end", UNIT, 114 / 255),
        ("azure-automl Faster R-CNN", IMAGENET, None),
        ("rt-detr", UNIT, None),
        ("rf-detr", IMAGENET, None),
        ("hugging-face DETR", IMAGENET, None),
        ("hugging-face RT-DETR", UNIT, None),
        ("tf-object-detection", (RED, GREEN, BLUE), None),
        ("torchvision", UNIT, None),
        ("mmdeploy", IMAGENET[::-1], None),
        ("paddle-detection", UNIT, None),
        ("yolo-nas", (RED, GREEN, BLUE), 114),
    ],
)
def test_the_network_is_fed_as_the_exporter_says(
    tmp_path: Path, name: str, channels: tuple[float, ...], corner: float | None
) -> None:
    tensor, letterbox = (
        opened(tmp_path, CASES[name].export(PEOPLE)).detector().prepare(plain(*PICTURE, (BLUE, GREEN, RED), "bgr"))
    )
    values = tensor[0] if tensor.shape[1] == 3 else np.moveaxis(tensor[0], -1, 0)
    top, left = letterbox.top_px, letterbox.left_px
    middle = values[:, top + letterbox.inner_height_px // 2, left + letterbox.inner_width_px // 2]
    assert middle.tolist() == pytest.approx(list(channels), rel=1e-5)
    assert values[:, 0, 0].tolist() == pytest.approx(list(channels) if corner is None else [corner] * 3, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_no_numbers_are_no_empty_result(tmp_path: Path, name: str) -> None:
    export = CASES[name].export(PEOPLE)
    for output in export.outputs:
        for part in output.parts:
            if part.most:
                part.values[:] = np.nan
    with pytest.raises(ModelError, match="no numbers"):
        opened(tmp_path, export)


@pytest.mark.parametrize(
    ("export", "least"),
    [
        (exports.custom_vision_s1, 0),
        (exports.ultralytics_end2end, 0),
        (exports.yolov7_end2end, 0),
        (exports.automl, 0),
        (exports.rt_detr, 0),
        (exports.tf_object_detection, 0),
        (more.torchvision, 0),
        (more.mmdeploy, 0),
        (more.paddle_detection, 0),
        (more.yolo_nas, 0),
        (lambda boxes: exports.automl(boxes, background=True), -1),
        (exports.tf_object_detection, -1),
    ],
)
def test_a_class_without_a_label_is_the_wrong_labels_file(
    tmp_path: Path, export: Callable[[list[Box]], Export], least: int
) -> None:
    label = 7 if least == 0 else -1  # -1: the background's
    with pytest.raises(ModelError, match="its labels file is another model's"):
        opened(tmp_path, export([Box((200, 150, 400, 650), label, 0.9)]))


def labels_of(model: Model, **options: Any) -> list[str]:
    found = model.detector(**{"default_threshold": 0.3, **options}).detect(plain(*PICTURE, (60, 60, 60)))
    return [model.labels[label] for label in found.class_id]


# --- each format's trap ---


def test_ultralytics_of_a_free_size_gets_the_size_it_was_made_for(tmp_path: Path) -> None:
    export = exports.ultralytics(PEOPLE, imgsz="[192, 320]")
    free = Export(export.outputs, input_dims=("batch", 3, "height", "width"), metadata=export.metadata)
    assert opened(tmp_path, free).format.input.size == (320, 192)


def test_a_turned_round_output_needs_no_metadata(tmp_path: Path) -> None:
    export = exports.turned_round(exports.ultralytics(PEOPLE))
    assert len(labels_of(opened(tmp_path, Export(export.outputs)))) == len(PEOPLE)


def test_rows_in_parts_of_the_picture_are_not_taken_for_px(tmp_path: Path) -> None:
    """Ultralytics' RT-DETR: 300 rows of 4 + classes values."""
    rows = Output("output0", [Part(np.zeros((1, 300, 4 + len(LABELS)), np.float32), 1)])
    with pytest.raises(ModelError, match="the network gives 300 rows; ultralytics gives 2100 for 320x320"):
        opened(tmp_path, Export([rows]), safetygear__json='{"format": "ultralytics"}')


@pytest.mark.parametrize("channels_last", [False, True])
def test_whole_numbers_are_scaled_by_the_network(tmp_path: Path, channels_last: bool) -> None:
    dims = (1, SIDE, SIDE, 3) if channels_last else (1, 3, SIDE, SIDE)
    model = opened(tmp_path, replace(exports.ultralytics(PEOPLE), input_dims=dims, input_type="uint8"))
    tensor, _ = model.detector().prepare(plain(*PICTURE, (BLUE, GREEN, RED), "bgr"))
    assert (tensor.dtype, tensor.shape) == (np.uint8, dims)
    pixel = tensor[0, SIDE // 2, SIDE // 2] if channels_last else tensor[0, :, SIDE // 2, SIDE // 2]
    assert pixel.tolist() == [RED, GREEN, BLUE]
    assert len(labels_of(model)) == len(PEOPLE)


@pytest.mark.parametrize(
    ("files", "metadata", "who"),
    [
        ({"safetygear__json": '{"pixelRange": "0-1"}'}, {}, "`pixelRange` in the settings file"),
        ({}, {"Image.NominalPixelRange": "Normalized_0_1"}, "Image.NominalPixelRange"),
    ],
)
def test_whole_numbers_are_no_parts_of_one(
    tmp_path: Path, files: dict[str, str], metadata: dict[str, str], who: str
) -> None:
    export = replace(exports.ultralytics(PEOPLE, **metadata), input_type="uint8")
    with pytest.raises(ModelError, match=f"{who} says values of 0-1: `pixelRange` must be 0-255"):
        opened(tmp_path, export, **files)


def test_end_to_end_rows_without_a_batch_must_be_named(tmp_path: Path) -> None:
    (output,) = exports.ultralytics_end2end(PEOPLE).outputs
    flat = Export([Output("output", [Part(part.values[0], part.most) for part in output.parts])])
    with pytest.raises(ModelError, match=r"perhaps ultralytics-end2end.*say `format`"):
        opened(tmp_path, flat)
    (tmp_path / "said").mkdir()
    model = opened(tmp_path / "said", flat, safetygear__json='{"format": "ultralytics-end2end"}')
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert iou(as_xyxy([share(box) for box in PEOPLE]), found.xyxy_norm).diagonal().min() >= 0.99


def test_yolov7_may_have_nothing_left(tmp_path: Path) -> None:
    assert labels_of(opened(tmp_path, exports.yolov7_end2end([]))) == []


def test_yolo_nas_is_not_taken_for_yolov7(tmp_path: Path) -> None:
    """Its flat predictions have the score before the class."""
    (output,) = exports.yolov7_end2end([*PEOPLE, Box((0, 0, 99, 99), 2, 0.7)]).outputs
    batch, corners, label, score = output.parts
    flat = Export([Output("graph2_flat_predictions", [batch, corners, score, label])])
    with pytest.raises(ModelError, match="It looks like YOLO-NAS with flat predictions"):
        opened(tmp_path, flat)
    (tmp_path / "said").mkdir()
    with pytest.raises(ModelError, match="the sixth value must be a class's number"):
        opened(tmp_path / "said", flat, safetygear__json='{"format": "yolov7-end2end"}')


def zeros(name: str, *shape: int) -> Output:
    return Output(name, [Part(np.zeros(shape, np.float32), 1)])


@pytest.mark.parametrize(
    ("outputs", "code", "why"),
    [
        (
            [zeros("output0", 1, 9, 2100)],
            "model-labels",
            "could be Ultralytics' of 5 classes, but there are",
        ),
        (
            [zeros("output0", 1, 5, 2100)],
            "model-labels",
            "could be Ultralytics' of 1 class, but there are",
        ),
        ([zeros("output", 1, 6300, 85)], "model-labels", "could be YOLOX's or YOLOv5's of 80 classes, but there are"),
        (
            [zeros("logits", 1, 300, 3), zeros("pred_boxes", 1, 300, 4)],
            "model-ambiguous",
            "say `pixelRange` in the settings file, 0-1 for RT-DETR",
        ),
        (
            [zeros("logits", 1, 100, 9), zeros("pred_boxes", 1, 100, 4)],
            "model-labels",
            "9 classes, or 8 and one for no object, but there are 3 labels",
        ),
        (
            [zeros("logits", 1, 100, 4), zeros("pred_boxes", 1, 100, 4), zeros("pred_masks", 1, 100, 9, 9)],
            "model-refused",
            "this is a segmentation model",
        ),
        ([zeros("boxes", 1, 2100, 4), zeros("scores", 1, 2100, 3)], "model-unknown", "an SSD or YOLO-NAS"),
        ([zeros("boxes", 9, 4), zeros("labels", 9), zeros("scores", 9)], "model-unknown", "of torchvision"),
        (
            [zeros(name, 1, 9) for name in ("num_dets", "det_boxes", "det_scores", "det_classes")],
            "model-unknown",
            "EfficientNMS",
        ),
        (
            [zeros(f"{stride}", 1, 3, SIDE // stride, SIDE // stride, 8) for stride in (8, 16, 32)],
            "model-unknown",
            "a network whose grids are not decoded",
        ),
    ],
)
def test_what_comes_near_is_told(tmp_path: Path, outputs: list[Output], code: str, why: str) -> None:
    with pytest.raises(ModelError) as caught:
        opened(tmp_path, Export(outputs))
    assert caught.value.code == code
    assert why in str(caught.value)


def test_rt_detr_of_ultralytics_with_two_classes_must_be_named(tmp_path: Path) -> None:
    two = {**exports.ULTRALYTICS, "names": "{0: 'person', 1: 'helmet'}"}
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = (0.5, 0.5, 0.25, 0.5, 0.1, 0.9)
    export = Export([Output("output0", [Part(rows, 1)])], metadata=two)
    with pytest.raises(ModelError, match=r"perhaps ultralytics-end2end.*perhaps ultralytics-rt-detr"):
        opened(tmp_path, export)
    (tmp_path / "said").mkdir()
    model = opened(tmp_path / "said", export, safetygear__json='{"format": "ultralytics-rt-detr"}')
    assert labels_of(model) == ["helmet"]


TWO_NAMES = "{0: 'person', 1: 'helmet'}"


@pytest.mark.parametrize("head", ["RTDETRDecoder", None])
def test_a_class_of_rt_detr_is_no_score_of_the_second_class(tmp_path: Path, head: str | None) -> None:
    """Two classes have six values a row in pairs, too: read as scores, everybody wears a helmet."""
    boxes = [Box((200, 150, 400, 650), 0, 0.9), Box((250, 150, 350, 250), 1, 0.7)]
    export = exports.ultralytics_rt_detr_pairs(boxes, names=TWO_NAMES)
    if head is None:
        export = replace(export, metadata={key: text for key, text in export.metadata.items() if key != "head"})
        with pytest.raises(ModelError, match=r"perhaps ultralytics-end2end.*perhaps ultralytics-rt-detr"):
            opened(tmp_path, export)
        (tmp_path / "said").mkdir()
        model = opened(tmp_path / "said", export, safetygear__json='{"format": "ultralytics-rt-detr"}')
    else:
        model = opened(tmp_path, export)
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == ["person", "helmet"]
    assert found.probability.tolist() == pytest.approx([0.9, 0.7], abs=1e-5)


def test_the_head_tells_that_two_classes_are_not_rt_detr(tmp_path: Path) -> None:
    boxes = [Box((200, 150, 400, 650), 0, 0.9), Box((250, 150, 350, 250), 1, 0.7)]
    for number, flags in enumerate(({"end2end": "True"}, {"end2end": "False", "args": "{'nms': True}"})):
        (tmp_path / f"{number}").mkdir()
        export = exports.ultralytics_end2end(boxes, head="Detect", names=TWO_NAMES, **flags)
        assert labels_of(opened(tmp_path / f"{number}", export)) == ["person", "helmet"]


@pytest.mark.parametrize(
    ("shape", "metadata", "name"),
    [
        (("batch", 300, "anchors"), {"head": "Detect", "end2end": "True"}, "ultralytics-end2end"),
        (("batch", "Concatoutput0_dim_1", "anchors"), {"end2end": "True"}, "ultralytics-end2end"),
        (("batch", 300, "anchors"), {"head": "RTDETRDecoder", "end2end": "False"}, "ultralytics-rt-detr"),
        (("batch", "dim_1", "anchors"), {"head": "RTDETRDecoder", "end2end": "False"}, "ultralytics-rt-detr"),
        (("batch", 7, "anchors"), {"head": "Detect", "end2end": "False"}, "ultralytics"),
    ],
)
def test_a_dynamic_export_of_ultralytics_calls_its_last_dimension_anchors(
    shape: tuple[int | str, ...], metadata: dict[str, str], name: str
) -> None:
    signature = Signature(
        (Tensor("images", "float", ("batch", 3, "height", "width")),),
        (Tensor("output0", "float", shape),),
        {**exports.ULTRALYTICS, **metadata},
    )
    assert fingerprint(signature, LABELS, ModelSettings(), "safetygear.json").name == name


def test_px_are_not_taken_for_parts_of_the_picture(tmp_path: Path) -> None:
    export = replace(exports.ultralytics_end2end(PEOPLE), metadata=exports.ultralytics_rt_detr_pairs(PEOPLE).metadata)
    with pytest.raises(ModelError, match="gives boxes in px, and ultralytics-rt-detr has them in parts"):
        opened(tmp_path, export)


@pytest.mark.parametrize("name", ["ultralytics", "ultralytics-end2end", "yolov5", "yolov7-end2end"])
def test_parts_of_the_picture_are_not_taken_for_px(tmp_path: Path, name: str) -> None:
    """Whoever divides the boxes in the network would get specks in the corner, and nobody a helmet."""
    export = CASES[name].export(PEOPLE)
    for part in export.outputs[0].parts:
        if part.most == SIDE:
            part.values[:] /= SIDE
    with pytest.raises(ModelError, match=f"gives boxes in parts of the picture, and {name} has them in px"):
        labels_of(opened(tmp_path, export))


@pytest.mark.parametrize("name", ["ultralytics", "ultralytics-end2end", "yolov5"])
def test_parts_that_end_beyond_the_edge_are_parts_all_the_same(tmp_path: Path, name: str) -> None:
    export = CASES[name].export([Box((1000, 150, 1310, 700), 0, 0.9)])
    for part in export.outputs[0].parts:
        if part.most == SIDE:
            part.values[:] /= SIDE
    with pytest.raises(ModelError, match="gives boxes in parts of the picture"):
        labels_of(opened(tmp_path, export))


@pytest.mark.parametrize("name", ["ultralytics", "ultralytics-end2end", "yolov5", "yolov7-end2end"])
def test_a_speck_in_the_corner_is_no_failure(tmp_path: Path, name: str) -> None:
    """The improbable boxes beside it tell that the network counts in px."""
    speck, improbable = Box((0, -280, 3, -277), 0, 0.9), Box((200, 150, 400, 650), 0, 0.1)
    assert max(exports.letterboxed(speck)) < 1
    assert labels_of(opened(tmp_path, CASES[name].export([speck, improbable]))) == []  # it lies in the padding


def test_a_class_is_not_taken_for_a_score(tmp_path: Path) -> None:
    (output,) = exports.ultralytics_end2end([*PEOPLE, Box((0, 0, 99, 99), 2, 0.7)]).outputs
    corners, score, label = output.parts
    with pytest.raises(ModelError, match="the fifth value of ultralytics-end2end's rows is the score, the sixth the"):
        opened(tmp_path, Export([Output("output0", [corners, label, score])]))


def test_rows_that_fill_up_are_no_boxes(tmp_path: Path) -> None:
    assert len(labels_of(opened(tmp_path, exports.ultralytics_end2end(PEOPLE)), default_threshold=0.0)) == len(PEOPLE)


def test_end_to_end_boxes_are_not_suppressed_again(tmp_path: Path) -> None:
    assert len(labels_of(opened(tmp_path, exports.ultralytics_end2end([*PEOPLE, AGAIN])))) == len(PEOPLE) + 1


def test_a_model_exported_with_nms_is_recognised_by_its_arguments(tmp_path: Path) -> None:
    arguments = "{'batch': 1, 'half': False, 'nms': True}"
    model = opened(tmp_path, exports.ultralytics_end2end(PEOPLE, args=arguments))
    assert model.format.name == "ultralytics-end2end"
    assert "with suppression" in model.format.why


def test_yolov5_scores_are_objectness_times_class(tmp_path: Path) -> None:
    export = exports.yolov5(PEOPLE)
    export.outputs[0].parts[1].values[:] *= 0.5
    found = opened(tmp_path, export).detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert found.probability.tolist() == pytest.approx([0.45, 0.4, 0.35, 0.3], abs=1e-5)


@pytest.mark.parametrize("name", ["ultralytics", "yolov5", "rf-detr", "rt-detr", "tf-object-detection"])
def test_each_label_has_its_own_threshold(tmp_path: Path, name: str) -> None:
    model = opened(tmp_path, CASES[name].export(PEOPLE))
    assert labels_of(model, thresholds={"helmet": 0.75, "person": 0.85, "vest": 0.5}) == ["person", "vest"]


def test_means_and_deviations_follow_the_order_of_the_channels(tmp_path: Path) -> None:
    model = opened(tmp_path, exports.rf_detr(PEOPLE), safetygear__json='{"channels": "bgr"}')
    tensor, _ = model.detector().prepare(plain(*PICTURE, (BLUE, GREEN, RED), "bgr"))
    assert tensor[0, :, 9, 9].tolist() == pytest.approx(list(IMAGENET[::-1]), rel=1e-5)


@pytest.mark.parametrize("background", [True, False])
def test_automl_class_ids_are_places_in_labels_json(tmp_path: Path, background: bool) -> None:
    model = opened(tmp_path, exports.automl(PEOPLE, background=background))
    assert model.labels == LABELS, "no object is no label"
    assert labels_of(model) == ["person", "person", "helmet", "vest"]


def test_d_fine_may_be_fed_a_padded_picture(tmp_path: Path) -> None:
    # tools/inference/onnx_inf.py of D-FINE since 2024-11: black, centred, and the boxes in px of the padded picture.
    export = exports.rt_detr(PEOPLE, place=exports.letterboxed)
    model = opened(tmp_path, export, safetygear__json='{"resize": "letterbox"}')
    detector = model.detector(default_threshold=0.3)
    found = detector.detect(plain(*PICTURE, (60, 60, 60)))
    assert iou(as_xyxy([share(box) for box in PEOPLE]), found.xyxy_norm).diagonal().min() >= 0.99
    assert detector.prepare(plain(*PICTURE, (60, 60, 60)))[0][0, :, 0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("spare", [0, 1])
def test_rf_detr_scores_by_the_sigmoid_of_each_class(tmp_path: Path, spare: int) -> None:
    # One query that is helmet and vest at once: a softmax would halve each.
    export = exports.rf_detr([Box((100, 100, 300, 300), 1, 0.8)], spare=spare)
    export.outputs[1].parts[0].values[0, 0, 2] = math.log(0.7 / 0.3)
    if spare:
        export.outputs[1].parts[0].values[0, 1, 3] = 5.0  # no object
    model = opened(tmp_path, export)
    found = model.detector(default_threshold=0.5).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == ["helmet", "vest"]
    assert found.probability.tolist() == pytest.approx([0.8, 0.7], abs=1e-5)


def test_rf_detr_keeps_more_than_twenty_people(tmp_path: Path) -> None:
    muster = [Box((40 * n, 100, 40 * n + 38, 400), 0, 0.9) for n in range(30)]
    assert len(labels_of(opened(tmp_path, exports.rf_detr(muster)))) == 30


@pytest.mark.parametrize("no_object", [True, False])
def test_optimum_leaves_every_dimension_open(tmp_path: Path, no_object: bool) -> None:
    dims = ("batch_size", "num_channels", "height", "width")
    export = replace(exports.hugging_face(PEOPLE, no_object=no_object, mask=True), input_dims=dims)
    with pytest.raises(ModelError, match=r"has no fixed height and width: .*say `inputSize`"):
        opened(tmp_path, export)
    (tmp_path / "said").mkdir()
    settings = '{"inputSize": [320, 192], "pixelRange": "imagenet"}'
    model = opened(tmp_path / "said", export, safetygear__json=settings)
    assert model.format.more_inputs["pixel_mask"].shape == (1, 192, 320)
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert iou(as_xyxy([share(box) for box in PEOPLE]), found.xyxy_norm).diagonal().min() >= 0.99


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 0, 3, 2)])
@pytest.mark.parametrize("suffix", ["", ":0"])
def test_tf_outputs_are_bound_by_name(tmp_path: Path, order: tuple[int, ...], suffix: str) -> None:
    model = opened(tmp_path, exports.tf_object_detection(PEOPLE, order=order, suffix=suffix))
    assert labels_of(model) == ["person", "person", "helmet", "vest"]
    assert model.format.input.size == (640, 640)


def test_rows_behind_num_detections_are_filling(tmp_path: Path) -> None:
    export = exports.tf_object_detection(PEOPLE)
    export.outputs[3].parts[0].values[:] = 2
    assert labels_of(opened(tmp_path, export)) == ["person", "person"]


def test_a_free_size_can_be_set(tmp_path: Path) -> None:
    model = opened(tmp_path, exports.tf_object_detection(PEOPLE), safetygear__json='{"inputSize": [300, 200]}')
    assert model.format.input.size == (300, 200)


def test_side_by_side_people_stay_two_at_any_place(tmp_path: Path) -> None:
    # What cv2.dnn.NMSBoxes loses when it is fed corners: the further right, the wider it takes them for.
    row = [Box((100 * n, 150, 100 * n + 100, 650), 0, 0.9 - 0.01 * n) for n in range(12)]
    assert len(labels_of(opened(tmp_path, exports.ultralytics(row)))) == 12
