"""TensorFlow Lite exports of Custom Vision, and what is said where the runtime is not there."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors import ClassifierModel, Model, open_model, open_model_or_classifier
from safetygear_inference.detectors.runtimes.tflite import TfliteSession
from support import tflite_models
from support.export_models import LABELS, PICTURE, Box, compact_head
from support.pictures import plain

BGR = (51, 102, 204)


def without_runtime() -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")


def opened(folder: Path, model: bytes, **files: str) -> Model | ClassifierModel:
    (folder / "model.tflite").write_bytes(model)
    (folder / "labels.txt").write_text("\n".join(LABELS))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return open_model_or_classifier(folder)


def test_general_compact(tmp_path: Path) -> None:
    without_runtime()
    boxes = [Box((200, 150, 400, 650), 0, 0.9), Box((400, 150, 600, 650), 0, 0.8), Box((250, 150, 350, 250), 1, 0.7)]
    # tensorflow_lite/object_detection/predict.py: (height, width, anchors, numbers) in one row of channels.
    head = np.concatenate(compact_head(boxes), axis=-1).reshape(1, 13, 13, 40)
    model = opened(tmp_path, tflite_models.custom_vision_compact(head))
    assert isinstance(model, Model)
    assert model.format.name == "custom-vision-compact"
    assert (model.format.input.size, model.format.input.channels, model.format.input.fit) == (
        (416, 416),
        "bgr",
        "stretch",
    )
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, BGR))
    assert [model.labels[label] for label in found.class_id] == ["person", "person", "helmet"]
    put_in = as_xyxy([[value / PICTURE[index % 2] for index, value in enumerate(box.xyxy)] for box in boxes])
    assert iou(put_in, found.xyxy_norm).diagonal().min() >= 0.99
    assert found.probability.tolist() == pytest.approx([0.9, 0.8, 0.7], abs=1e-5)


def test_general_compact_with_the_labels_of_another_model(tmp_path: Path) -> None:
    without_runtime()
    with pytest.raises(ModelError, match=r"4 classes, but there are 3 labels|is not known"):
        opened(tmp_path, tflite_models.custom_vision_compact(np.zeros((1, 13, 13, 45), np.float32)))


def test_s1_is_rgb_and_without_a_batch(tmp_path: Path) -> None:
    without_runtime()
    boxes = np.array([[0, 0, 0.25, 0.5], [0.25, 0, 0.5, 0.5], [0.5, 0, 1, 1]], np.float32)
    model = opened(tmp_path, tflite_models.custom_vision_s1(boxes, np.array([0, 1, 2], np.float32)))
    assert isinstance(model, Model)
    assert model.format.name == "custom-vision-compact-s1"
    found = model.detector(default_threshold=0.1).detect(plain(*PICTURE, BGR, "bgr"))
    assert found.class_id.tolist() == [0, 1, 2]
    assert found.probability.tolist() == pytest.approx([204 / 255, 102 / 255, 51 / 255], abs=0.01)
    assert found.xyxy_norm == pytest.approx(boxes)


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize(("channels", "expected"), [("bgr", (51, 102, 204)), ("rgb", (204, 102, 51))])
def test_a_classifier(tmp_path: Path, quantised: bool, channels: str, expected: tuple[int, ...]) -> None:
    without_runtime()
    settings = f'{{"format": "classification", "channels": "{channels}"}}'
    model = opened(tmp_path, tflite_models.classifier(quantised=quantised), safetygear__json=settings)
    assert isinstance(model, ClassifierModel)
    found = model.classifier().classify(plain(300, 200, BGR, "bgr"))
    by_class = dict(zip(found.class_id.tolist(), found.probability.tolist(), strict=True))
    assert by_class == {index: pytest.approx(value / 255, abs=2 / 255) for index, value in enumerate(expected)}


def test_the_order_of_a_classifiers_channels_is_never_guessed(tmp_path: Path) -> None:
    without_runtime()
    manifest = '{"DomainType": "Classification", "Platform": "TensorFlow", "Flavor": "TensorFlowLite"}'
    with pytest.raises(ModelError, match=r"say `channels` in the settings file, bgr for the domain General") as raised:
        opened(tmp_path, tflite_models.classifier(), cvexport__manifest=manifest)
    assert raised.value.code == "model-ambiguous"


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ModelError, match=r"optional extra `tflite` .*or export the project for ONNX") as raised:
        opened(tmp_path, b"\0\0\0\0TFL3 and so on")
    assert raised.value.code == "model-runtime"


def test_hardware_it_can_not_use_is_said(tmp_path: Path) -> None:
    without_runtime()
    boxes = np.zeros((3, 4), np.float32)
    (tmp_path / "model.tflite").write_bytes(tflite_models.custom_vision_s1(boxes, np.zeros(3, np.float32)))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    placement = open_model(tmp_path, providers=("openvino", "cpu")).placement
    assert (placement.used, placement.reason) == ("cpu", "TensorFlow Lite networks run on the CPU only")


@pytest.mark.parametrize("length", [0, 7, 8, 100])
def test_a_cut_file_is_refused(length: int) -> None:
    without_runtime()
    whole = tflite_models.classifier()
    with pytest.raises(ModelError, match="can't be read"):
        TfliteSession(whole[: length if length < 100 else len(whole) // 2])


def test_a_damaged_file_is_whole_or_refused() -> None:
    without_runtime()
    whole, chance = tflite_models.classifier(size=8), random.Random(1)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            session = TfliteSession(bytes(data))
        except ModelError as exc:
            refused += 1
            assert str(exc)
        else:
            assert session.signature.inputs
    assert refused > 30


def test_a_network_that_is_fed_another_shape() -> None:
    without_runtime()
    session = TfliteSession(tflite_models.classifier())
    with pytest.raises(ModelError, match="the network failed: "):
        session.run({"Placeholder": np.zeros((1, 9, 9, 3), np.float32)})
    with pytest.raises(ModelError, match="the network failed: "):
        session.run({"picture": np.zeros((1, 224, 224, 3), np.float32)})
