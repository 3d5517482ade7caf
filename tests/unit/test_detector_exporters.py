"""What stands between a real export and its boxes: numbers of classes, names of outputs, files that lie beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors import ClassifierModel, Model, open_model, open_model_or_classifier
from safetygear_inference.detectors.class_ids import first_of, torchvision_classes
from safetygear_inference.detectors.settings import ModelSettings
from support import export_models as exports
from support import more_exports as more
from support.export_models import LABELS, PICTURE, SIDE, Box, Export, Output, Part
from support.onnx_models import fixed_output
from support.pictures import plain

PEOPLE = [Box((200, 150, 400, 650), 0, 0.9), Box((250, 150, 350, 250), 1, 0.7), Box((420, 280, 580, 480), 2, 0.6)]
NAMED = "\n".join(LABELS)


def opened(folder: Path, export: Export, labels: str | None = NAMED, **files: str) -> Model:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(export.model())
    beside = {**export.files, **{name.replace("__", "."): text for name, text in files.items()}}
    if labels is not None:
        beside["labels.txt"] = labels
    for name, text in beside.items():
        (folder / name).write_text(text)
    return open_model(folder)


def seen(model: Model) -> list[tuple[str, float]]:
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    put_in = as_xyxy([[value / PICTURE[index % 2] for index, value in enumerate(box.xyxy)] for box in PEOPLE])
    assert iou(put_in, found.xyxy_norm).diagonal().min() >= 0.99
    values = [round(value, 3) for value in found.probability.tolist()]
    return [(model.labels[label], value) for label, value in zip(found.class_id, values, strict=True)]


AS_PUT_IN = [("person", 0.9), ("helmet", 0.7), ("vest", 0.6)]


# --- torchvision ---


@pytest.mark.parametrize(
    ("weights", "first", "labels", "settings"),
    [
        (more.FASTER_RCNN, 1, NAMED, "{}"),
        (more.FASTER_RCNN, 1, f"__background__\n{NAMED}", "{}"),
        (more.SSDLITE, 1, NAMED, "{}"),
        (more.RETINANET, 0, NAMED, "{}"),
        # Its weights renamed by another tool: then the labels or the settings tell.
        ({}, 1, f"__background__\n{NAMED}", '{"format": "torchvision"}'),
        ({}, 1, NAMED, '{"format": "torchvision", "firstClass": 1}'),
        ({}, 0, NAMED, '{"format": "torchvision", "firstClass": 0}'),
    ],
)
def test_torchvision_counts_the_background_or_not(
    tmp_path: Path, weights: dict[str, tuple[int, ...]], first: int, labels: str, settings: str
) -> None:
    model = opened(tmp_path, more.torchvision(PEOPLE, first=first, weights=weights), labels, safetygear__json=settings)
    assert (model.format.name, model.labels) == ("torchvision", LABELS)
    assert seen(model) == AS_PUT_IN


@pytest.mark.parametrize(
    ("weights", "labels", "settings", "code", "why"),
    [
        ({}, NAMED, "{}", "model-ambiguous", r"perhaps torchvision: outputs boxes float\[3, 4\].*say `format`"),
        ({}, NAMED, '{"format": "torchvision"}', "model-ambiguous", "put __background__ before the labels"),
        (more.FASTER_RCNN, "person\nhelmet", "{}", "model-labels", "4 classes, or 3 and no object, but there are 2"),
        (more.FASTER_RCNN, f"{NAMED}\nhead", "{}", "model-labels", "4 classes, .* but there are 4 labels"),
        (more.RETINANET, f"{NAMED}\nhead", "{}", "model-labels", "3 classes, .* but there are 4 labels"),
        (more.RETINANET, f"background\n{NAMED}", "{}", "model-labels", "there are 3 labels beside background"),
        (more.RETINANET, NAMED, '{"firstClass": 1}', "model-labels", "3 classes"),
        (more.FASTER_RCNN, "background", "{}", "model-labels", "name no class but background"),
    ],
)
def test_torchvision_with_other_labels(
    tmp_path: Path, weights: dict[str, tuple[int, ...]], labels: str, settings: str, code: str, why: str
) -> None:
    export = more.torchvision(PEOPLE, weights=weights)
    with pytest.raises(ModelError, match=why) as caught:
        opened(tmp_path, export, labels, safetygear__json=settings)
    assert caught.value.code == code


@pytest.mark.parametrize("known", [True, False])
def test_what_torchvision_takes_for_the_background_is_no_box(tmp_path: Path, known: bool) -> None:
    """RetinaNet and FCOS give class 0 like the others, where they were trained on numbers that begin with 1."""
    four = {name: (shape[0] // 3 * 4 if "cls" in name else 36, *shape[1:]) for name, shape in more.RETINANET.items()}
    export = more.torchvision([*PEOPLE, Box((0, 0, 99, 99), -1, 0.8)], weights=four if known else {})
    settings = "{}" if known else '{"format": "torchvision", "firstClass": 1}'
    if known:
        assert seen(opened(tmp_path, export, safetygear__json=settings)) == AS_PUT_IN
        return
    with pytest.raises(ModelError, match="the network gave class -1"):
        opened(tmp_path, export, safetygear__json=settings)


def test_torchvision_without_names_is_told_by_its_weights(tmp_path: Path) -> None:
    model = opened(tmp_path / "named", more.torchvision(PEOPLE, names=("2769", "2771", "2788")))
    assert "weights of a detector of torchvision" in model.format.why
    assert seen(model) == AS_PUT_IN
    with pytest.raises(ModelError, match="the format is ambiguous"):
        opened(tmp_path / "unknown", more.torchvision(PEOPLE, names=("2769", "2771", "2788"), weights={}))


@pytest.mark.parametrize("input_dims", [(3, SIDE, SIDE), (SIDE, SIDE, 3)])
def test_a_list_of_pictures_has_no_batch(tmp_path: Path, input_dims: Sequence[int]) -> None:
    model = opened(tmp_path, more.torchvision(PEOPLE, input_dims=input_dims))
    tensor, _ = model.detector().prepare(plain(*PICTURE, (51, 102, 204), "bgr"))
    assert tensor.shape == input_dims
    pixel = tensor[:, 9, 9] if input_dims[0] == 3 else tensor[9, 9]
    assert pixel.tolist() == pytest.approx([204 / 255, 102 / 255, 51 / 255])
    assert seen(model) == AS_PUT_IN


def test_automl_is_told_by_its_names_before_its_weights(tmp_path: Path) -> None:
    names = ("boxes_0", "labels_0", "scores_0")
    model = opened(tmp_path, more.torchvision(PEOPLE, names=names))
    assert model.format.name == "azure-automl"
    assert seen(model) == AS_PUT_IN, "its head counts a background that labels.txt does not name"


def test_mask_r_cnn_is_no_detector_alone(tmp_path: Path) -> None:
    export = more.torchvision(PEOPLE)
    masks = Output("masks", [Part(np.zeros((3, 1, 28, 28), np.float32), 1)])
    with pytest.raises(ModelError, match=r"output masks float\[3, 1, 28, 28\] beside boxes, labels and scores"):
        opened(tmp_path, replace(export, outputs=[*export.outputs, masks]))


def test_weights_of_other_networks_are_no_torchvision() -> None:
    assert torchvision_classes({}) is None
    assert torchvision_classes({"classification_head.cls_logits.weight": (8, 4, 3, 3)}) is None, "there are no boxes"
    assert torchvision_classes({"head.weight": (8, 4)}) is None
    of_retinanet = {f"model.{name}": shape for name, shape in more.RETINANET.items()}
    assert torchvision_classes(of_retinanet) == (3, False), "whoever wraps it puts a name before"
    assert torchvision_classes(more.SSDLITE) == (4, True)


@pytest.mark.parametrize(
    ("counted", "one_more", "unknown", "first"),
    [(3, None, None, 0), (4, 1, None, 1), (4, 0, None, 0), (None, None, 0, 0), (None, None, 1, 1)],
)
def test_the_first_label_where_nobody_says_which(counted: int | None, one_more: Any, unknown: Any, first: int) -> None:
    found = first_of(LABELS, ModelSettings(), counted=counted, where="they", one_more=one_more, unknown=unknown)
    assert found == (LABELS, first)


# --- RF-DETR ---


@pytest.mark.parametrize(
    ("before", "spare", "labels", "settings"),
    [
        (0, 1, NAMED, '{"firstClass": 0}'),
        (1, 0, NAMED, '{"firstClass": 1}'),
        (1, 0, f"background\n{NAMED}", "{}"),
        (0, 0, NAMED, "{}"),
    ],
)
def test_rf_detr_begins_with_its_first_class(
    tmp_path: Path, before: int, spare: int, labels: str, settings: str
) -> None:
    export = exports.rf_detr(PEOPLE, before=before, spare=spare, said=False)
    model = opened(tmp_path, export, labels, safetygear__json=settings)
    assert model.labels == LABELS
    assert seen(model) == AS_PUT_IN


@pytest.mark.parametrize(("before", "spare"), [(0, 1), (1, 0)])
def test_where_rf_detr_begins_is_never_guessed(tmp_path: Path, before: int, spare: int) -> None:
    """Older releases keep the numbers of COCO's files, which begin with 1: helmets would be vests."""
    with pytest.raises(
        ModelError,
        match=r"which of the network's classes is person is ambiguous.*`firstClass`.*1\.6\.2 and later it is 0",
    ) as caught:
        opened(tmp_path, exports.rf_detr(PEOPLE, before=before, spare=spare, said=False))
    assert caught.value.code == "model-ambiguous"


def test_rf_detr_says_which_number_is_whose(tmp_path: Path) -> None:
    numbers = {"1": "person", "2": "helmet", "4": "vest"}
    export = exports.rf_detr(PEOPLE[:2], before=1, spare=1)
    export = replace(export, metadata={"rfdetr_inference": json.dumps({"class_id_to_name": numbers})})
    with pytest.raises(ModelError, match=r"names 3 classes .person, helmet, vest., but there are 2 labels"):
        opened(tmp_path / "other", export, "person\nhelmet")
    model = opened(tmp_path / "own", export, None)
    assert model.labels == LABELS
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == ["person", "helmet"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "the metadata entry rfdetr_inference can't be read"),
        ('{"class_id_to_name": {"-1": "person"}}', "a class number below 0"),
        ('{"class_id_to_name": {"0": "person", "1": "helmet", "9": "vest"}}', "names 3 classes"),
    ],
)
def test_numbers_of_rf_detr_that_can_not_be(tmp_path: Path, text: str, why: str) -> None:
    export = replace(exports.rf_detr(PEOPLE), metadata={"rfdetr_inference": text})
    with pytest.raises(ModelError, match=why) as caught:
        opened(tmp_path, export)
    assert caught.value.code == "model-labels"


# --- a background in the labels of others ---


def test_the_background_in_a_label_map_is_no_label_of_tensorflow(tmp_path: Path) -> None:
    model = opened(tmp_path, exports.tf_object_detection(PEOPLE), f"???\n{NAMED}")
    assert model.labels == LABELS
    assert seen(model) == AS_PUT_IN


# --- MMDeploy, PaddleDetection, YOLO-NAS: what only a config says ---


@pytest.mark.parametrize(
    ("export", "settings", "why"),
    [
        (more.mmdeploy, "{}", "say `channels` and `pixelRange` in the settings file, by data_preprocessor"),
        (more.mmdeploy, '{"channels": "bgr"}', "RTMDet is bgr and imagenet"),
        (more.paddle_detection, "{}", "stands in infer_cfg.yml, not in the file: say `pixelRange`"),
        (
            lambda boxes: replace(more.yolo_nas(boxes), input_type="float"),
            "{}",
            "YOLO-NAS with batched predictions, but its input .* takes no whole numbers",
        ),
    ],
)
def test_how_a_picture_is_fed_is_never_guessed(
    tmp_path: Path, export: Callable[[list[Box]], Export], settings: str, why: str
) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        opened(tmp_path, replace(export(PEOPLE), files={}), safetygear__json=settings)
    assert caught.value.code == "model-ambiguous"


def test_intel_calls_the_rows_of_mmdeploy_boxes(tmp_path: Path) -> None:
    assert seen(opened(tmp_path, more.mmdeploy(PEOPLE, names=("boxes", "labels")))) == AS_PUT_IN


@pytest.mark.parametrize("export", [more.mmdeploy, more.paddle_detection, more.yolo_nas, more.torchvision])
def test_nothing_is_seen_where_nothing_is(tmp_path: Path, export: Callable[[list[Box]], Export]) -> None:
    model = opened(tmp_path, export([]))
    assert len(model.detector(default_threshold=0.0).detect(plain(*PICTURE, (60, 60, 60))).class_id) == 0


def test_a_class_is_no_score_of_paddle_detection(tmp_path: Path) -> None:
    export = more.paddle_detection([*PEOPLE, Box((0, 0, 99, 99), 2, 0.7)])
    rows, number = export.outputs
    label, score, corners = rows.parts
    turned = replace(rows, parts=[score, label, corners])
    with pytest.raises(ModelError, match="the first value must be a class's number and the second a score"):
        opened(tmp_path, replace(export, outputs=[turned, number]))


def test_an_end_to_end_class_is_a_whole_number(tmp_path: Path) -> None:
    """With two classes a score in its place would pass for one."""
    boxes = [Box((200, 150, 400, 650), 0, 0.9), Box((250, 150, 350, 250), 1, 0.7)]
    (output,) = exports.ultralytics_end2end(boxes).outputs
    corners, score, label = output.parts
    with pytest.raises(ModelError, match=r"gives the class 0\.7: the fifth value .* is the score, the sixth the class"):
        opened(tmp_path, Export([Output("output0", [corners, label, score])]), "person\nhelmet")


# --- classifiers of others than Custom Vision ---


def classifier_at(folder: Path, settings: str, rows: int | str = 1) -> ClassifierModel:
    values = np.array([[0.2, 0.7, 0.1]], np.float32)
    model = fixed_output(
        values,
        input_name="input_1",
        input_dims=[1, SIDE, SIDE, 3],
        output_name="dense",
        output_dims=[rows, 3],
    )
    (folder / "model.onnx").write_bytes(model)
    (folder / "labels.txt").write_text(NAMED)
    (folder / "safetygear.json").write_text(settings)
    found = open_model_or_classifier(folder)
    assert isinstance(found, ClassifierModel)
    return found


@pytest.mark.parametrize("rows", [1, "batch_size"])
def test_one_row_of_values_is_a_classifier(tmp_path: Path, rows: int | str) -> None:
    model = classifier_at(tmp_path, '{"channels": "rgb", "pixelRange": "-1-1"}', rows)
    assert "has a value for each of 3 labels" in model.why
    assert (model.input.layout, model.input.scale, model.input.offset) == ("nhwc", 2 / 255, -1.0)
    found = model.classifier().classify(plain(300, 200, (1, 2, 3)))
    assert [model.labels[label] for label in found.class_id] == ["helmet", "person", "vest"]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ("{}", "`channels` and `pixelRange`"),
        ('{"channels": "rgb"}', "`pixelRange`"),
        ('{"pixelRange": "0-1"}', "`channels`"),
        ('{"format": "classification"}', "`channels` and `pixelRange`"),
    ],
)
def test_how_a_classifier_is_fed_is_never_guessed(tmp_path: Path, settings: str, what: str) -> None:
    with pytest.raises(ModelError, match=f"it is a classifier, and how it is fed is ambiguous: say {what} in"):
        classifier_at(tmp_path, settings)


def test_an_open_number_of_rows_may_be_boxes(tmp_path: Path) -> None:
    """Seven values are a row of YOLOv7: seven labels make no classifier of it."""
    labels = "\n".join((*LABELS, "a", "b", "c", "d"))
    with pytest.raises(ModelError, match="perhaps yolov7-end2end"):
        export = exports.yolov7_end2end(PEOPLE)
        opened(tmp_path, replace(export, outputs=[replace(export.outputs[0], name="rows")]), labels)
