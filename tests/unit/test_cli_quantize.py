"""`safetygear model quantize`: what it writes is opened as the float model is, and sees nearly the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from safetygear_inference.detectors import open_model
from safetygear_inference.picture import DetectedBoxes
from safetygear_inference.pixels import encode_jpeg, to_bgr
from safetygear_workbench.cli.main import main
from safetygear_workbench.quantizing import pairs
from support.onnx_models import convolutional_compact
from support.pictures import plain, with_white_box

Output = pytest.CaptureFixture[str]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Each has one white corner on black."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        picture = with_white_box(plain(416, 416, (0, 0, 0), "bgr"), (0, 0, 64 + 32 * number, 128))
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(to_bgr(picture), 95))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "ppe.onnx"
    path.write_bytes(convolutional_compact(3))
    path.with_suffix(".labels.txt").write_text("person\nhelmet\nvest")
    path.with_suffix(".json").write_text('{"resize": "stretch", "thresholds": {"person": 0.6}}')
    return path


@pytest.mark.parametrize(("head", "weights"), [("--float-head", np.float32), ("--int8-head", np.int8)])
def test_the_int8_network_sees_what_the_float_one_does(
    tmp_path: Path, model: Path, pictures: Path, head: str, weights: type, capsys: Output
) -> None:
    out = tmp_path / "out" / "int8.onnx"
    arguments = ["model", "quantize", str(model), str(out), "--calibrate", str(pictures), head, "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["path"], found["format"]) == (str(out), "custom-vision-compact")
    agreement = found["agreement"]
    assert agreement["pictures"] == 6
    assert agreement["floatBoxes"] > 20
    assert agreement["same"] == agreement["floatBoxes"] == agreement["int8Boxes"]
    assert agreement["meanIou"] > 0.9
    assert agreement["meanProbabilityDifference"] < 0.05
    opened = open_model(out)
    assert opened.labels == ("person", "helmet", "vest")
    assert opened.own_thresholds == {"person": 0.6}
    graph = onnx.load(out)
    assert {entry.key: entry.value for entry in graph.metadata_props} == {"precision": "int8"}
    # The only operator with weights is the head.
    kinds = {onnx.numpy_helper.to_array(value).dtype.type for value in graph.graph.initializer if value.dims}
    assert (np.int8 in kinds) == (weights is np.int8)


def test_a_person_reads_that_it_is_no_accuracy(tmp_path: Path, model: Path, pictures: Path, capsys: Output) -> None:
    out = tmp_path / "int8.onnx"
    assert main(["model", "quantize", str(model), str(out), "--calibrate", str(pictures), "--pictures", "2"]) == 0
    text = capsys.readouterr().out
    assert "on 2 pictures: " in text
    assert "this is agreement, not accuracy" in text


def test_boxes_of_two_labels_are_never_the_same() -> None:
    def boxes(*class_id: int) -> DetectedBoxes:
        place = np.tile(np.array([0.1, 0.1, 0.3, 0.3], np.float32), (len(class_id), 1))
        return DetectedBoxes(place, np.array(class_id, np.int64), np.full(len(class_id), 0.9, np.float32))

    assert pairs(boxes(0, 1), boxes(1)) == [(1, 0, pytest.approx(1.0))]
    assert len(pairs(boxes(0, 0), boxes(0))) == 1, "each box counts once"
    assert pairs(boxes(), boxes(0)) == []


def test_what_can_not_be_quantised(
    tmp_path: Path, model: Path, pictures: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(source: Path, out: str = "int8.onnx", folder: Path = pictures) -> str:
        assert main(["model", "quantize", str(source), str(tmp_path / out), "--calibrate", str(folder)]) == 2
        assert not (tmp_path / out).exists()
        return capsys.readouterr().err

    assert "give a name that ends in .onnx" in refusal(model, out="int8.bin")
    assert "give a folder with pictures" in refusal(model, folder=tmp_path / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds 0 pictures" in refusal(model, folder=empty)
    half = onnx.load_model_from_string(convolutional_compact(3))
    half.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    half.graph.node.insert(0, onnx.helper.make_node("Cast", ["data"], ["as_float"], to=onnx.TensorProto.FLOAT))
    half.graph.node[1].input[0] = "as_float"
    (tmp_path / "half.onnx").write_bytes(half.SerializeToString())
    (tmp_path / "half.labels.txt").write_text("person\nhelmet\nvest")
    assert "is a half float network" in refusal(tmp_path / "half.onnx")
    lite = tmp_path / "lite.tflite"
    lite.write_bytes(b"not looked at")
    assert "only ONNX networks are quantised here" in refusal(lite)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'safetygear-workbench[quantize]'" in refusal(model)
