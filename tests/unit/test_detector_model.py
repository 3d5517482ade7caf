"""From a model's files to boxes: synthetic exports of each variant, and the default model on the site scene."""

from __future__ import annotations

import hashlib
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors import open_model
from safetygear_inference.model_change.config import DEFAULT_MODEL, ModelConfig
from safetygear_inference.model_change.desk import unknown_labels
from safetygear_inference.model_store import find_model
from support.onnx_models import colour_meter, convolutional_compact, custom_vision_compact, with_decoding, yolox
from support.pictures import plain, scene_frames, with_white_box
from support.site_scene import truth

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"
LABELS = "person\nhelmet\nvest\n"
# Blue, green, red as shares; the meter's class 0 to 2 are the network's channels in their order.
COLOUR = (51, 102, 204)


def export(folder: Path, model: bytes, labels: str = LABELS, **files: str) -> Path:
    path = folder / "ppe.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", model)
        archive.writestr("labels.txt", labels)
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def by_class(path: Path) -> dict[int, float]:
    boxes = open_model(path).detector(default_threshold=0.0).detect(plain(640, 480, COLOUR, "bgr"))
    return {int(label): float(score) for label, score in zip(boxes.class_id, boxes.probability, strict=True)}


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        ({}, (204, 102, 51)),  # [S1] takes RGB
        ({"Image.BitmapPixelFormat": "Bgr8"}, (51, 102, 204)),
        ({"Image.BitmapPixelFormat": "Rgb8"}, (204, 102, 51)),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, (204, 102, 51)),
        ({"Image.NominalPixelRange": "Normalized_0_1", "scale": 1.0}, (204, 102, 51)),
        ({"Image.NominalPixelRange": "Normalized_1_1", "scale": 0.5, "offset": 0.5}, (204, 102, 51)),
        ({"Image.NominalPixelRange": "NominalRange_16_235", "scale": 1 / 219, "offset": -16 / 219}, (204, 102, 51)),
        ({"dtype": "float16"}, (204, 102, 51)),
        ({"dtype": "float16", "Image.NominalPixelRange": "Normalized_0_1", "scale": 1.0}, (204, 102, 51)),
        ({"dtype": "uint8"}, (204, 102, 51)),
        ({"dtype": "uint8", "layout": "nhwc"}, (204, 102, 51)),
        ({"layout": "nhwc", "Image.BitmapPixelFormat": "Bgr8"}, (51, 102, 204)),
    ],
)
def test_the_network_sees_the_colours_its_metadata_asks_for(
    tmp_path: Path, meter: dict[str, Any], expected: tuple[int, ...]
) -> None:
    seen = by_class(export(tmp_path, colour_meter(**meter)))
    assert seen == {index: pytest.approx(value / 255, abs=0.01) for index, value in enumerate(expected)}


def test_metadata_properties_json_does_not_decide_the_range(tmp_path: Path) -> None:
    # Exports of [S1] say Normalized_0_1 there, while their own script feeds 0..255.
    text = '{"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_0_1"}'
    assert by_class(export(tmp_path, colour_meter(), metadata_properties__json=text))[0] == pytest.approx(0.8, abs=0.01)


def test_s1_boxes_are_in_parts_of_the_picture(tmp_path: Path) -> None:
    model = open_model(export(tmp_path, colour_meter()))
    assert model.format.name == "custom-vision-compact-s1"
    boxes = model.detector(default_threshold=0.0).detect(plain(1280, 720, COLOUR))
    assert boxes.class_id.tolist() == [0, 1, 2]  # most probable first
    assert boxes.xyxy_norm == pytest.approx(np.array([[0, 0, 0.25, 0.5], [0.25, 0, 0.5, 0.5], [0.5, 0, 1, 1]]))


def one_box_head(grid_w: int = 13, grid_h: int = 13) -> NDArray[np.float32]:
    """Class 1 of 3 in column 3, row 9, anchor 1."""
    head = np.zeros((1, 40, grid_h, grid_w), np.float32)
    head[0, 4::8] = -20
    head[0, 8:16, 9, 3] = (0.7, -0.3, 0.2, 0.1, 3, 0, 4, 0)
    return head


@pytest.mark.parametrize("dtype", ["float", "float16"])
@pytest.mark.parametrize("channel_dim", [None, "C"])
@pytest.mark.parametrize("size", [(1280, 720), (640, 480)])
def test_general_compact(tmp_path: Path, dtype: str, channel_dim: str | None, size: tuple[int, int]) -> None:
    model = open_model(export(tmp_path, custom_vision_compact(one_box_head(), dtype=dtype, channel_dim=channel_dim)))
    assert model.format.name == "custom-vision-compact"
    boxes = model.detector(default_threshold=0.5).detect(plain(*size, COLOUR))
    # object_detection.py of the export, for this one cell.
    x, y = (1 / (1 + math.exp(-0.7)) + 3) / 13, (1 / (1 + math.exp(0.3)) + 9) / 13
    w, h = math.exp(0.2) * 1.87 / 13, math.exp(0.1) * 2.06 / 13
    score = 1 / (1 + math.exp(-3)) * math.exp(4) / (math.exp(4) + 2)
    tolerance = 1e-5 if dtype == "float" else 2e-3
    assert boxes.class_id.tolist() == [1]
    assert boxes.probability.tolist() == [pytest.approx(score, abs=tolerance)]
    assert boxes.xyxy_norm[0] == pytest.approx(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]), abs=tolerance)


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (1080, 1920)])
def test_general_compact_keeps_the_proportions_of_the_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    path = export(tmp_path, convolutional_compact(3))
    model = open_model(path)
    assert model.format.input.size is None
    width, height = size
    picture = with_white_box(plain(width, height, (0, 0, 0)), (0, 0, width // 2, height // 2))
    boxes = model.detector(default_threshold=0.3).detect(picture)
    centres = (boxes.xyxy_norm[:, :2] + boxes.xyxy_norm[:, 2:]) / 2
    tensor, letterbox = model.detector().prepare(picture)
    cells = letterbox.network_width_px // 32 * (letterbox.network_height_px // 32)
    assert tensor.shape[2:] == (letterbox.network_height_px, letterbox.network_width_px)
    # A quarter of the picture is white, so about a quarter of the cells.
    assert cells * 0.2 < len(boxes) < cells * 0.35
    assert centres.max() < 0.55


def test_general_compact_can_be_told_to_stretch(tmp_path: Path) -> None:
    path = export(tmp_path, convolutional_compact(3), safetygear__json='{"resize": "stretch"}')
    assert open_model(path).format.input.size == (416, 416)


def test_a_compact_network_that_takes_one_size_only_gets_that(tmp_path: Path) -> None:
    head = one_box_head()
    model = custom_vision_compact(head)
    # The free size would be tried first; this graph compares its input with a picture of 416 x 416.
    proto = onnx.load_model_from_string(model)
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 3, 416, 416), np.float32), "dark"))
    proto.graph.node[0].input[0] = "difference"
    proto.graph.node.insert(0, helper.make_node("Sub", ["data", "dark"], ["difference"]))
    found = open_model(export(tmp_path, proto.SerializeToString()))
    assert found.format.input.size == (416, 416)
    assert "fed 416x416" in found.format.why
    assert len(found.detector().detect(plain(1280, 720, COLOUR))) == 1


ROWS = 84  # of 64 x 64


def yolox_rows() -> NDArray[np.float32]:
    rows = np.zeros((1, ROWS, 8), np.float32)
    rows[0, 9] = (0.5, 0.5, math.log(2), math.log(4), 0.9, 0.1, 1.0, 0.2)  # cell (1, 1) of stride 8
    return rows


def test_yolox_boxes_leave_the_letterbox(tmp_path: Path) -> None:
    path = export(tmp_path, yolox(yolox_rows(), format="yolox", decoded="no"))
    boxes = open_model(path).detector(default_threshold=0.5).detect(plain(640, 320, COLOUR))
    # Centre (12, 12), 16 x 32 in a network of 64 x 64 whose upper half is the picture; its top is cut.
    assert boxes.xyxy_norm.tolist() == [[4 / 64, 0, 20 / 64, 28 / 32]]
    assert boxes.class_id.tolist() == [1]


def test_a_box_in_the_padding_is_none(tmp_path: Path) -> None:
    rows = yolox_rows()
    rows[0, 6 * 8 + 2] = (0.5, 0.5, 0.0, 0.0, 0.9, 1.0, 0.1, 0.1)  # cell (2, 6) of stride 8: centre (20, 52)
    boxes = open_model(export(tmp_path, yolox(rows, format="yolox", decoded="no"))).detector(default_threshold=0.5)
    assert len(boxes.detect(plain(640, 640, COLOUR))) == 2
    assert boxes.detect(plain(640, 320, COLOUR)).class_id.tolist() == [1], "the picture is the upper half only"


@pytest.mark.parametrize("decoded", [False, True])
def test_yolox_that_does_not_say_is_tried(tmp_path: Path, decoded: bool) -> None:
    raw = yolox(yolox_rows())
    model = with_decoding(raw, (64, 64)) if decoded else raw
    found = open_model(export(tmp_path, model, safetygear__json='{"format": "yolox"}'))
    assert found.format.why.endswith("boxes in px by a trial run" if decoded else "raw boxes by a trial run")
    boxes = found.detector(default_threshold=0.5).detect(plain(640, 640, COLOUR))
    assert boxes.xyxy_norm[0] == pytest.approx(np.array([4, 0, 20, 28]) / 64)


def test_thresholds_by_label(tmp_path: Path) -> None:
    text = '{"thresholds": {"person": 0.79, "vest": 0.19}, "defaultThreshold": 0.41}'
    model = open_model(export(tmp_path, colour_meter(), safetygear__json=text))
    picture = plain(320, 320, COLOUR, "bgr")  # person 0.8, helmet 0.4, vest 0.2

    def seen(thresholds: dict[str, float], default: float | None) -> list[str]:
        boxes = model.detector(thresholds=thresholds, default_threshold=default).detect(picture)
        return [model.labels[label] for label in boxes.class_id]

    assert seen({}, None) == ["person", "vest"]  # the model's own
    assert seen({"vest": 0.21, "helmet": 0.39}, None) == ["person", "helmet"]
    assert seen({}, 0.3) == ["person", "helmet"]  # the twin's default goes before all of the model's own
    assert seen({"person": 0.9, "gloves": 0.1}, 0.3) == ["helmet"]
    assert [
        error.path for error in unknown_labels(ModelConfig(thresholds={"gloves": 0.1, "vest": 0.1}), model.labels)
    ] == ["model.thresholds.gloves"]


def test_a_threshold_in_the_settings_for_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"thresholds\.gloves: the model has no such label; it has: person"):
        open_model(export(tmp_path, colour_meter(), safetygear__json='{"thresholds": {"gloves": 0.1}}'))


def test_identity_is_that_of_the_file_as_delivered(tmp_path: Path) -> None:
    path = export(tmp_path, convolutional_compact(3), cvexport__manifest='{"IterationId": "it-7"}')
    identity = open_model(path).identity
    assert (identity.name, identity.version) == ("ppe", "it-7")
    assert identity.sha256 == hashlib.sha256(convolutional_compact(3)).hexdigest()


@pytest.mark.parametrize(
    ("model", "labels", "why"),
    [
        (b"", LABELS, "holds no graph"),
        (colour_meter()[:400], LABELS, "can't be read|can't load"),
        (custom_vision_compact(one_box_head()), "a\nb\n", "3 classes, but there are 2 labels"),
        # C is a symbol, so only the run shows it.
        (custom_vision_compact(one_box_head(), channel_dim="C"), "a\nb\n", "3 classes, but there are 2 labels"),
        (yolox(np.full((1, ROWS, 8), np.nan, np.float32), format="yolox", decoded="no"), LABELS, "NaN"),
    ],
)
def test_a_model_is_refused_before_it_is_used(tmp_path: Path, model: bytes, labels: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        open_model(export(tmp_path, model, labels))


# --- the model in the image ---

FRAMES = (20, 45, 70, 100, 130, 160, 190, 215, 240)
LEAST_RECALL, LEAST_IOU = 0.9, 0.5


def test_the_default_model_finds_the_people_of_the_site_scene() -> None:
    model = open_model(find_model(DEFAULT_MODEL, (MODELS,)))
    assert (model.format.name, model.identity.version) == ("yolox", "2")
    assert model.labels == ("person", "helmet", "vest", "head", "no-vest")
    detector, frames = model.detector(), truth()["frames"]
    people, found, strangers = 0, 0, 0
    for number, picture in scene_frames(FRAMES):
        boxes = detector.detect(picture)
        persons = boxes.xyxy_norm[boxes.class_id == 0] * np.array([picture.width, picture.height] * 2, np.float32)
        there = frames[number]["persons"]
        clear = [person for person in there if person["in_frame"] >= 0.9 and person["visible_fraction"] >= 0.6]
        overlap = iou(as_xyxy([person["box"] for person in there]), as_xyxy(persons))
        people += len(clear)
        found += sum(overlap[there.index(person)].max(initial=0) >= LEAST_IOU for person in clear)
        strangers += int((overlap.max(axis=0, initial=0) < 0.3).sum())
    assert people >= 10
    assert found / people >= LEAST_RECALL
    assert strangers == 0


def test_gear_lies_on_the_right_person() -> None:
    model = open_model(find_model(DEFAULT_MODEL, (MODELS,)))
    (_, picture), *_ = scene_frames([100])
    boxes = model.detector().detect(picture)
    seen = {
        model.labels[label]: box * np.array([1280, 720] * 2)
        for label, box in zip(boxes.class_id, boxes.xyxy_norm, strict=True)
        if model.labels[label] != "person"
    }
    bare, helmeted = truth()["frames"][100]["persons"]
    assert (bare["id"], helmeted["id"]) == ("B", "E")
    assert iou(as_xyxy([seen["helmet"]]), as_xyxy([helmeted["helmet"]["box"]]))[0, 0] > 0.3
    assert iou(as_xyxy([seen["head"]]), as_xyxy([bare["head"]]))[0, 0] > 0.3


def test_a_decoded_export_of_the_default_model_gives_the_same_boxes(tmp_path: Path) -> None:
    path = find_model(DEFAULT_MODEL, (MODELS,))
    raw = open_model(path)
    decoded = with_decoding(path.read_bytes(), (640, 384))
    settings = '{"format": "yolox", "defaultThreshold": 0.35}'
    other = open_model(export(tmp_path, decoded, "\n".join(raw.labels), safetygear__json=settings))
    assert "boxes in px" in other.format.why
    (_, picture), *_ = scene_frames([100])
    one, two = raw.detector().detect(picture), other.detector().detect(picture)
    assert len(one) >= 4
    assert one.class_id.tolist() == two.class_id.tolist()
    assert one.xyxy_norm == pytest.approx(two.xyxy_norm, abs=1e-4)
