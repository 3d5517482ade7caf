"""`safetygear detect` and `safetygear model inspect`, as a person calls them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from safetygear_inference.pixels import decode_jpeg, encode_jpeg, to_bgr
from safetygear_workbench.cli.main import main
from support.export_models import Box, ultralytics
from support.onnx_models import colour_meter, yolox
from support.pictures import plain, scene_frames

COLOUR = (51, 102, 204)


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """Sees `red` 0.8, `green` 0.4 and `blue` 0.2 in a picture of COLOUR."""
    path = tmp_path / "meter.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", colour_meter())
        archive.writestr("labels.txt", "red\r\ngreen\r\nblue")
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "gate [1].jpg"
    path.write_bytes(encode_jpeg(to_bgr(plain(320, 160, COLOUR, "bgr")), 95))
    return path


Output = pytest.CaptureFixture[str]


def test_json_has_the_shape_that_scripts_rely_on(meter: Path, picture: Path, capsys: Output) -> None:
    assert main(["detect", str(meter), str(picture), "--json", "--threshold", "0.3"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out) == [
        {
            "image": str(picture),
            "width": 320,
            "height": 160,
            "model": "meter",
            "detections": [
                {
                    "label": "red",
                    "probability": pytest.approx(0.8, abs=0.02),
                    "boundingBox": {"left": 0.0, "top": 0.0, "width": 0.25, "height": 0.5},
                },
                {
                    "label": "green",
                    "probability": pytest.approx(0.4, abs=0.02),
                    "boundingBox": {"left": 0.25, "top": 0.0, "width": 0.25, "height": 0.5},
                },
            ],
        }
    ]
    assert out.err == ""


def test_nothing_seen_is_a_result(meter: Path, picture: Path, capsys: Output) -> None:
    assert main(["detect", str(meter), str(picture), "--json", "--threshold", "1"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["detections"] == []
    assert main(["detect", str(meter), str(picture), "--threshold", "1"]) == 0
    assert "nothing" in capsys.readouterr().out


def test_the_table_names_picture_label_and_px(meter: Path, picture: Path, capsys: Output) -> None:
    assert main(["detect", str(meter), str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "label", "probability", "left", "top", "width", "height"]
    assert lines[1].startswith(str(picture))  # the brackets are no markup
    assert lines[1].split()[-6:] == ["red", lines[1].split()[-5], "0", "0", "80", "80"]


def test_pictures_with_boxes_are_saved(meter: Path, picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / picture.name
    other.parent.mkdir()
    other.write_bytes(picture.read_bytes())
    folder = tmp_path / "out" / "boxes"
    assert main(["detect", str(meter), str(picture), str(other), "--save", str(folder), "--json"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["gate [1]-2.jpg", "gate [1].jpg"]
    drawn = decode_jpeg((folder / "gate [1].jpg").read_bytes()).planes[0]
    assert drawn.shape == (160, 320, 3)
    assert np.abs(drawn.astype(int) - np.array(COLOUR)).max() > 60


def test_the_default_model_on_a_frame_of_the_site_scene(tmp_path: Path, capsys: Output) -> None:
    (_, frame), *_ = scene_frames([100])
    path = tmp_path / "frame.jpg"
    path.write_bytes(encode_jpeg(to_bgr(frame), 90))
    assert main(["detect", "default", str(path), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["model"] == "ppe_yolox_nano_relu_384x640"
    assert [d["label"] for d in result["detections"]].count("person") == 2
    scores = [d["probability"] for d in result["detections"]]
    assert scores == sorted(scores, reverse=True)


def test_inspect_says_what_and_why(meter: Path, capsys: Output) -> None:
    assert main(["model", "inspect", str(meter), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["labels"]) == ("custom-vision-compact-s1", ["red", "green", "blue"])
    assert found["input"] == {
        "name": "image_tensor", "type": "float", "layout": "nchw", "width": 320, "height": 320, "channels": "rgb",
        "range": [0.0, 255.0], "fit": "stretch",
    }  # fmt: skip
    assert main(["model", "inspect", "default"]) == 0
    shown = capsys.readouterr().out
    assert "metadata" in shown or "settings file" in shown
    assert "person, helmet, vest, head, no-vest" in shown


def inspected(folder: Path, labels: str, capsys: Output) -> str:
    """What it says of a detector with these labels, on one line."""
    (folder / "model.onnx").write_bytes(ultralytics([Box((200, 150, 400, 650), 0, 0.9)]).model())
    (folder / "model.labels.txt").write_text(labels)
    assert main(["model", "inspect", str(folder / "model.onnx")]) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("person\nHardhat\nNO-Hardhat", "rules see person, Hardhat as helmet, NO-Hardhat as no-helmet input"),
        (
            "Person\nSchutzhelm\nWarnweste",
            "rules see Person as person; by their own names only: Schutzhelm, Warnweste; labelMapping gives a label",
        ),
        ("helmet\nvest\nhead", "rules see helmet, vest, head; no person, so that nobody is judged input"),
    ],
)
def test_inspect_says_what_the_rules_see(tmp_path: Path, capsys: Output, labels: str, said: str) -> None:
    assert said in inspected(tmp_path, labels, capsys)


def test_a_refused_model_says_which_setting_decides(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "site.onnx"
    path.write_bytes(yolox(np.zeros((1, 84, 7), np.float32), names="helmet,vest"))
    assert main(["model", "inspect", str(path), "--json"]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert "ambiguous" in out.err
    assert "site.json" in out.err


def bad_zip(folder: Path) -> list[str]:
    (folder / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    return ["detect", str(folder / "cut.zip"), str(folder / "gate [1].jpg")]


def bad_onnx(folder: Path) -> list[str]:
    (folder / "bad.onnx").write_bytes(b"<html>404</html>")
    return ["detect", str(folder / "bad.onnx"), str(folder / "gate [1].jpg")]


def no_picture(folder: Path) -> list[str]:
    (folder / "notes.jpg").write_text("not a picture")
    return ["detect", str(folder / "meter.zip"), str(folder / "gate [1].jpg"), str(folder / "notes.jpg"), "--json"]


def save_into_a_file(folder: Path) -> list[str]:
    (folder / "file").touch()
    return ["detect", str(folder / "meter.zip"), str(folder / "gate [1].jpg"), "--save", str(folder / "file")]


def save_over_the_source(folder: Path) -> list[str]:
    return ["detect", str(folder / "meter.zip"), str(folder / "gate [1].jpg"), "--save", str(folder)]


BAD_INPUT: list[tuple[Callable[[Path], list[str]], str]] = [
    (lambda f: ["detect", str(f / "meter.zip"), str(f / "gone.jpg")], "gone.jpg: there is no such file"),
    (lambda f: ["detect", str(f / "meter.zip"), str(f)], "is no file"),
    (lambda f: ["detect", str(f / "gone.onnx"), str(f / "gate [1].jpg")], "gone.onnx: .*No such file"),
    (lambda f: ["detect", "gone", str(f / "gate [1].jpg")], "no model 'gone' in .*there is: ppe_yolox"),
    (lambda f: ["detect", str(f / "gate [1].jpg"), str(f / "gate [1].jpg")], "is not a model"),
    (lambda f: ["detect", str(f / "meter.zip")], "IMAGE"),
    (lambda f: ["detect", str(f / "meter.zip"), str(f / "gate [1].jpg"), "--threshold", "1.5"], "threshold"),
    (lambda f: ["model", "inspect", str(f / "gate [1].jpg")], "is not a model"),
    (bad_zip, "cut.zip.*not a zip, or cut short"),
    (bad_onnx, "can't be read"),
    (no_picture, "notes.jpg: it is not a picture"),
    (save_into_a_file, "can't be made a folder"),
    (save_over_the_source, "written over the picture itself"),
]


@pytest.mark.parametrize(("make", "why"), BAD_INPUT)
def test_bad_input_is_one_line_and_exit_2(
    meter: Path, picture: Path, tmp_path: Path, capsys: Output, make: Callable[[Path], list[str]], why: str
) -> None:
    before = picture.read_bytes()
    assert main(make(tmp_path)) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    assert re.search(why, out.err), out.err
    assert "Traceback" not in out.err
    assert picture.read_bytes() == before


def test_labels_of_another_model_are_found_before_any_picture(tmp_path: Path, picture: Path, capsys: Output) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", colour_meter())
        archive.writestr("labels.txt", "red\ngreen\n")
    assert main(["detect", str(path), str(picture)]) == 2
    assert "labels for 0 to 1 only" in capsys.readouterr().err
