"""TensorFlow Lite networks of others than Custom Vision: SSDs with their own last operator, Ultralytics, what a file
says of its input and carries behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.runtimes.tflite_file import (
    appended,
    named,
    range_of_floats,
    range_of_steps,
)
from support.export_models import LABELS, PICTURE, Box, ultralytics
from support.pictures import plain

pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")

from support import tflite_models

BOXES = np.array([[0.1, 0.2, 0.5, 0.4], [0.1, 0.6, 0.9, 0.8], [0.7, 0.1, 0.9, 0.3]], np.float32)
"""ymin, xmin, ymax, xmax in 0..1."""
SCORES = np.array([[0.9, 0, 0], [0, 0.8, 0], [0, 0, 0.7]], np.float32)
NAMED = "\n".join(LABELS)
FLOAT = '{"pixelRange": "-1-1"}'


def opened(folder: Path, model: bytes, labels: str | None = NAMED, settings: str = FLOAT) -> Model:
    folder.mkdir(exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "safetygear.json").write_text(settings)
    if labels is not None:
        (folder / "labels.txt").write_text(labels)
    return open_model(folder)


def check(model: Model) -> None:
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == list(LABELS)
    assert found.probability.tolist() == pytest.approx([0.9, 0.8, 0.7], abs=1e-5)
    assert iou(as_xyxy(BOXES[:, [1, 0, 3, 2]]), found.xyxy_norm).diagonal().min() >= 0.99


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
@pytest.mark.parametrize(
    "names",
    [
        ("TFLite_Detection_PostProcess", *(f"TFLite_Detection_PostProcess:{number}" for number in (1, 2, 3))),
        # One converter counts from the boxes down, another up.
        (
            "StatefulPartitionedCall:3",
            "StatefulPartitionedCall:2",
            "StatefulPartitionedCall:1",
            "StatefulPartitionedCall:0",
        ),
        (
            "StatefulPartitionedCall:1",
            "StatefulPartitionedCall:3",
            "StatefulPartitionedCall:0",
            "StatefulPartitionedCall:2",
        ),
    ],
)
def test_the_operator_tells_its_outputs_apart(tmp_path: Path, names: tuple[str, ...], order: tuple[int, ...]) -> None:
    model = opened(tmp_path, tflite_models.ssd(BOXES, SCORES, names=names, order=order))
    assert (model.format.name, model.format.input.fit) == ("tflite-detection", "stretch")
    check(model)


def test_a_label_map_may_begin_with_no_class(tmp_path: Path) -> None:
    model = opened(tmp_path, tflite_models.ssd(BOXES, SCORES), f"???\n{NAMED}")
    assert model.labels == LABELS
    check(model)


def test_labels_of_another_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the network gave class 2, but there are labels for 0 to 1 only"):
        check(opened(tmp_path, tflite_models.ssd(BOXES, SCORES), "person\nhelmet"))


def test_the_range_of_float_numbers_is_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"say `pixelRange` in the settings file, -1-1 for SSD MobileNet") as caught:
        opened(tmp_path, tflite_models.ssd(BOXES, SCORES), settings="{}")
    assert caught.value.code == "model-ambiguous"


@pytest.mark.parametrize(
    ("quantised", "low_and_high"),
    [((1 / 128, 128), (-1, 1)), ((0.0078125, 127), (-1, 1)), ((1 / 255, 0), (0, 1)), ((1.0, 0), (0, 255))],
)
def test_a_quantised_input_says_its_range(
    tmp_path: Path, quantised: tuple[float, int], low_and_high: tuple[float, float]
) -> None:
    model = opened(tmp_path, tflite_models.ssd(BOXES, SCORES, quantised=quantised), settings="{}")
    taken = model.format.input
    assert (taken.offset, taken.offset + 255 * taken.scale) == pytest.approx(low_and_high)
    check(model)


@pytest.mark.parametrize(
    ("mean", "deviation", "first_pixel"),
    [
        ([127.5], [127.5], (-1, -1, -1)),
        ([127.0], [128.0], (-1, -1, -1)),
        ([0.0], [255.0], (0, 0, 0)),
        ([0.0], [1.0], (0, 0, 0)),
        ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375], (-2.118, -2.036, -1.804)),
    ],
)
def test_metadata_say_the_range(
    tmp_path: Path, mean: list[float], deviation: list[float], first_pixel: tuple[float, ...]
) -> None:
    file = tflite_models.with_normalization(tflite_models.ssd(BOXES, SCORES), mean, deviation)
    model = opened(tmp_path, file, settings="{}")
    tensor, _ = model.detector().prepare(plain(*PICTURE, (0, 0, 0), "bgr"))
    assert tensor[0, 9, 9].tolist() == pytest.approx(list(first_pixel), abs=1e-3)
    check(model)


def test_another_normalization_must_be_said(tmp_path: Path) -> None:
    file = tflite_models.with_normalization(tflite_models.ssd(BOXES, SCORES), [100.0], [30.0])
    assert range_of_floats(file) is None
    with pytest.raises(ModelError, match="say `pixelRange`"):
        opened(tmp_path, file, settings="{}")


def test_labels_behind_the_network(tmp_path: Path) -> None:
    file = tflite_models.with_files(tflite_models.ssd(BOXES, SCORES), {"labelmap.txt": NAMED})
    check(opened(tmp_path / "behind", file, None))
    model = opened(tmp_path / "both", file, "a\nb\nc")
    assert model.labels == ("a", "b", "c"), "a file beside goes before"


METADATA = "{'task': 'detect', 'stride': 32, 'names': {0: 'person', 1: 'helmet', 2: 'vest'}, 'imgsz': [320, 320]}"
PEOPLE = [Box((200, 150, 400, 650), 0, 0.9), Box((250, 150, 350, 250), 1, 0.7)]


@pytest.mark.parametrize("parts", [True, False])
def test_ultralytics_has_parts_of_the_picture_or_px(tmp_path: Path, parts: bool) -> None:
    (output,) = ultralytics(PEOPLE).outputs
    place, scores = (part.values.copy() for part in output.parts)
    # A real network has a box for each cell.
    place[0, :, len(PEOPLE) :] = 160
    rows = np.concatenate((place / 320 if parts else place, scores), axis=1)
    file = tflite_models.with_files(tflite_models.ultralytics(rows), {"temp_meta.txt": METADATA})
    model = opened(tmp_path, file, None, "{}")
    assert (model.format.name, model.labels, "in parts" in model.format.why) == ("ultralytics", LABELS, parts)
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == ["person", "helmet"]
    put_in = as_xyxy([[value / PICTURE[index % 2] for index, value in enumerate(box.xyxy)] for box in PEOPLE])
    assert iou(put_in, found.xyxy_norm).diagonal().min() >= 0.99


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["serving_default_data:0"], ["data"]),
        (["detected_boxes:0", "detected_scores:0"], ["detected_boxes", "detected_scores"]),
        (
            ["StatefulPartitionedCall:1", "StatefulPartitionedCall:0"],
            ["StatefulPartitionedCall:1", "StatefulPartitionedCall:0"],
        ),
        ([], []),
    ],
)
def test_names_stay_apart(names: list[str], short: list[str]) -> None:
    assert named(names) == short


@pytest.mark.parametrize(
    ("scale", "zero", "least", "most", "name"),
    [
        (1 / 255, -128, -128, 127, "Normalized_0_1"),
        (1 / 127.5, -1, -128, 127, "Normalized_1_1"),
        (2.0, 0, 0, 255, None),
        (0.0186, 114, 0, 255, None),  # ImageNet's, which a scale alone does not show
    ],
)
def test_the_range_of_steps(scale: float, zero: int, least: int, most: int, name: str | None) -> None:
    assert range_of_steps(scale, zero, least, most) == name


@given(st.binary(max_size=400), st.booleans())
def test_any_file_has_metadata_or_none(data: bytes, marked: bool) -> None:
    file = data[:4] + b"TFL3" + data[4:] if marked else data
    assert range_of_floats(file) is None
    assert appended(file).texts == {}


@given(st.data())
def test_damaged_metadata_are_none_or_a_range(data: Any) -> None:
    whole = bytearray(tflite_models.with_normalization(tflite_models.ssd(BOXES, SCORES), [127.5], [127.5]))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert range_of_floats(bytes(whole)) in (None, "Normalized_0_1", "Normalized_1_1", "NominalRange_0_255", "imagenet")
