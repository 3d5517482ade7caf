"""`safetygear model inspect` and `safetygear detect` with a classifier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safetygear_inference.pixels import encode_jpeg, to_bgr
from safetygear_workbench.cli.main import main
from support import export_models
from support.onnx_models import classifier
from support.pictures import plain

Output = pytest.CaptureFixture[str]


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    path = tmp_path / "heads.onnx"
    path.write_bytes(classifier(("bare", "helmet", "cap")))
    path.with_suffix(".labels.txt").write_text("bare\nhelmet\ncap")
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "head.jpg"
    path.write_bytes(encode_jpeg(to_bgr(plain(64, 64, (51, 26, 178), "bgr")), 95))
    return path


def test_inspect_says_what_it_is(heads: Path, capsys: Output) -> None:
    assert main(["model", "inspect", str(heads), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["why"]) == ("classification", "outputs classLabel and loss")
    assert found["labels"] == ["bare", "helmet", "cap"]
    assert found["input"]["range"] == [0, 1]
    assert "thresholds" not in found
    assert main(["model", "inspect", str(heads)]) == 0
    assert "classification" in capsys.readouterr().out


def test_inspect_says_what_values_are_fed(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "model.onnx").write_bytes(export_models.rf_detr([export_models.Box((9, 9, 99, 99), 0, 0.9)]).model())
    (tmp_path / "labels.txt").write_text("person\nhelmet\nvest")
    assert main(["model", "inspect", str(tmp_path), "--json"]) == 0
    # Black in red by ImageNet's mean and deviation, and white in blue.
    assert json.loads(capsys.readouterr().out)["input"]["range"] == [-2.1179, 2.64]


def test_detect_says_what_the_picture_is(heads: Path, picture: Path, capsys: Output) -> None:
    assert main(["detect", str(heads), str(picture), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["image"], found["width"], found["height"], found["model"]) == (str(picture), 64, 64, "heads")
    assert [one["label"] for one in found["classifications"]] == ["bare", "cap", "helmet"]
    assert found["classifications"][0]["probability"] == pytest.approx(178 / 255, abs=0.02)
    assert main(["detect", str(heads), str(picture)]) == 0
    assert "the picture is" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--save", "out"], ["--threshold", "0.5"]])
def test_a_classifier_has_no_boxes(heads: Path, picture: Path, option: list[str], capsys: Output) -> None:
    assert main(["detect", str(heads), str(picture), *option]) == 2
    assert "is a classifier, which has no boxes" in capsys.readouterr().err
