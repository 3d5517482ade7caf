"""`safetygear evaluate`, as a person calls it."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetygear_inference.detectors import open_model
from safetygear_inference.pixels import encode_jpeg, to_bgr
from safetygear_workbench.cli.main import main
from safetygear_workbench.evaluate.running import FLOOR
from safetygear_workbench.model_path import open_named_model
from support.onnx_models import colour_meter
from support.pictures import plain, scene_frames

Output = pytest.CaptureFixture[str]
LABELS = ("red", "green", "blue")
BOXES = {"red": [0, 0, 80, 80], "green": [80, 0, 80, 80], "blue": [160, 0, 160, 160]}
"""Where the meter sees each colour in a picture of 320x160 px."""


def meter(path: Path, labels: tuple[str, ...] = LABELS, **settings: Any) -> Path:
    """A model that sees a colour as probable as it is strong."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", colour_meter())
        archive.writestr("labels.txt", "\n".join(labels))
        archive.writestr("safetygear.json", json.dumps(settings))
    return path


def write_data(folder: Path, pictures: dict[str, tuple[tuple[int, int, int], list[str]]], **more: Any) -> Path:
    """Pictures of one colour (B, G, R), 320x160, and a COCO file that says which boxes are right in each."""
    images, annotations = [], []
    for number, (name, (colour, right)) in enumerate(pictures.items(), 1):
        (folder / name).write_bytes(encode_jpeg(to_bgr(plain(320, 160, colour, "bgr")), 95))
        images.append({"id": number, "file_name": name, "width": 320, "height": 160} | more.get(name, {}))
        annotations += [
            {
                "id": len(annotations) + place,
                "image_id": number,
                "category_id": LABELS.index(label),
                "bbox": BOXES[label],
            }
            for place, label in enumerate(right, 1)
        ]
    path = folder / "data.json"
    categories = [{"id": number, "name": label} for number, label in enumerate(LABELS)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


RED, WHITE, GREY = (0, 0, 230), (250, 250, 250), (77, 77, 77)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Red is always right; green is seen in the white picture in error; blue is right there."""
    meter(tmp_path / "meter.zip")
    return write_data(
        tmp_path,
        {"red.jpg": (RED, ["red"]), "white.jpg": (WHITE, ["red", "blue"]), "grey.jpg": (GREY, ["green"])},
        **{"grey.jpg": {"labelled": ["green", "red"]}},
    )


def call(folder: Path, *more: str) -> list[str]:
    given = ["--model", str(folder / "meter.zip"), "--data", str(folder / "data.json"), "--images", str(folder)]
    return ["evaluate", *given, *more]


def test_json_has_the_shape_that_scripts_rely_on(data: Path, tmp_path: Path, capsys: Output) -> None:
    assert main(call(tmp_path, "--json")) == 0
    out = capsys.readouterr()
    assert out.err == ""
    content = json.loads(out.out)
    assert list(content)[:6] == ["model", "data", "images", "classes", "map50", "map"]
    assert (content["model"], content["data"], content["images"]) == ("meter", str(data), 3)
    by_label = {one["label"]: one for one in content["classes"]}
    assert list(by_label) == list(LABELS)
    assert {name: by_label["red"][name] for name in ("precision", "recall", "f1", "threshold", "support")} == {
        "precision": 1.0, "recall": 1.0, "f1": 1.0, "threshold": 0.5, "support": 2,
    }  # fmt: skip
    assert (by_label["red"]["ap50"], by_label["red"]["ap"]) == (1.0, 1.0)
    green = by_label["green"]
    assert (green["precision"], green["recall"], green["support"]) == (0.0, 0.0, 1)
    # Seen at .3 in the grey picture, where it is right, and more surely in the white one, where it is not.
    assert green["best"]["recall"] == 1.0
    assert green["best"]["precision"] == 0.5
    assert green["best"]["threshold"] == pytest.approx(0.3, abs=0.02)
    assert green["ap50"] == pytest.approx(0.5)
    # The grey picture does not label blue: what is seen there is no error at any threshold.
    assert (by_label["blue"]["precision"], by_label["blue"]["ap50"]) == (1.0, 1.0)
    assert content["map50"] == pytest.approx((1 + 0.5 + 1) / 3, abs=1e-5)
    assert content["confusion"] == {
        "labels": [*LABELS, None],
        "counts": [[2, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]],
    }
    assert content["labels"] == {"onlyModel": [], "onlyData": []}
    assert sum(size["support"] for size in by_label["blue"]["sizes"]) == 1


def test_thresholds_are_the_model_s_own_unless_one_is_given(data: Path, tmp_path: Path, capsys: Output) -> None:
    meter(tmp_path / "meter.zip", thresholds={"green": 0.25}, defaultThreshold=0.6)
    assert main(call(tmp_path, "--json")) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert [one["threshold"] for one in classes] == [0.6, 0.25, 0.6]
    assert [one["recall"] for one in classes] == [1.0, 1.0, 1.0]
    assert main(call(tmp_path, "--json", "--threshold", "0.99")) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert [one["threshold"] for one in classes] == [0.99, 0.99, 0.99]
    assert [one["recall"] for one in classes] == [0.0, 0.0, 0.0]


def test_a_run_at_the_lowest_threshold_holds_the_boxes_of_a_higher_one() -> None:
    """Why one run gives average precision and the rates: suppression goes from the most probable box downwards."""
    model = open_named_model("default", {})
    ((_, picture),) = scene_frames([60])
    low, high = model.detector(default_threshold=FLOOR).detect(picture), model.detector().detect(picture)
    assert 0 < len(high) < len(low)
    np.testing.assert_array_equal(low.xyxy_norm[: len(high)], high.xyxy_norm)
    np.testing.assert_array_equal(low.probability[: len(high)], high.probability)
    assert low.probability[len(high)] < min(model.own_thresholds.values(), default=model.own_default_threshold)


def test_custom_vision_s_regions_give_the_same_figures(data: Path, tmp_path: Path, capsys: Output) -> None:
    assert main(call(tmp_path, "--json")) == 0
    coco = json.loads(capsys.readouterr().out)
    document = json.loads(data.read_text())
    images = [
        {
            "fileName": image["file_name"],
            "labelled": image.get("labelled", LABELS),
            "regions": [
                {
                    "tagName": LABELS[one["category_id"]],
                    **dict(
                        zip(
                            ("left", "top", "width", "height"),
                            (value / side for value, side in zip(one["bbox"], (320, 160, 320, 160), strict=True)),
                            strict=True,
                        )
                    ),
                }
                for one in document["annotations"]
                if one["image_id"] == image["id"]
            ],
        }
        for image in document["images"]
    ]
    tags = [{"id": label, "name": label} for label in LABELS]
    data.write_text(json.dumps({"images": images, "tags": tags}))
    assert main(call(tmp_path, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == coco


def test_labels_that_only_one_side_has_are_said_and_left_out(data: Path, tmp_path: Path, capsys: Output) -> None:
    meter(tmp_path / "meter.zip", ("RED", "turquoise", "blue"))
    assert main(call(tmp_path, "--json")) == 0
    out = capsys.readouterr()
    assert "meter: not in the data, so not measured: turquoise." in out.err
    assert "meter: not known to the model, so not asked for: green." in out.err
    content = json.loads(out.out)
    assert [one["label"] for one in content["classes"]] == ["red", "blue"]
    assert content["labels"] == {"onlyModel": ["turquoise"], "onlyData": ["green"]}
    assert main(call(tmp_path, "--json", "--label", "turquoise=green")) == 0
    out = capsys.readouterr()
    assert out.err == ""
    assert [one["label"] for one in json.loads(out.out)["classes"]] == list(LABELS)


def test_two_models_side_by_side(data: Path, tmp_path: Path, capsys: Output) -> None:
    meter(tmp_path / "other.zip", ("green", "red", "blue"))
    more = ("--against", str(tmp_path / "other.zip"), "--report", str(tmp_path / "two.html"))
    assert main(call(tmp_path, "--json", *more)) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["against"]["model"] == "other"
    by_label = {one["label"]: one for one in content["difference"]["classes"]}
    assert by_label["blue"]["ap50"] == {"first": 1.0, "second": 1.0, "difference": 0.0, "interval": [0.0, 0.0]}
    assert by_label["red"]["ap50"]["difference"] == -1.0
    assert content["difference"]["map50"]["difference"] == pytest.approx(
        content["against"]["map50"] - content["map50"], abs=1e-5
    )
    assert "other" in (tmp_path / "two.html").read_text()
    assert main(call(tmp_path, *more)) == 0
    assert "other less meter, 95 % intervals" in capsys.readouterr().out


def test_the_table_shows_every_class(data: Path, tmp_path: Path, capsys: Output) -> None:
    assert main(call(tmp_path)) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["meter", "on", "3", "pictures"]
    assert lines[2][:9] == ["red", "2", "1.000", "1.000", "0.500", "1.000", "1.000", "1.000", "1.000"]
    assert lines[5][0] == "mean"


def test_the_report_needs_nothing_else_and_shows_nobody_unasked(data: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "out.html"
    assert main(call(tmp_path, "--report", str(out))) == 0
    page = out.read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "data:image" not in page
    assert not re.search(r"""(src|href)=["']?(?!data:)""", page)
    assert "white.jpg; in error: 1 green" in page
    assert "--with-pictures" in page
    assert main(call(tmp_path, "--report", str(out), "--with-pictures")) == 0
    assert out.read_text().count('href="data:image/jpeg;base64,') == 2


def test_pictures_without_anything_to_find_tell_false_alarms(tmp_path: Path, capsys: Output) -> None:
    model = str(meter(tmp_path / "meter.zip"))
    write_data(tmp_path, {"red.jpg": (RED, []), "white.jpg": (WHITE, [])})
    assert main(call(tmp_path, "--against", model, "--report", str(tmp_path / "out.html"), "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["map50"], document["map"], document["intervals"]["map50"]) == (None, None, None)
    assert [one["support"] for one in document["classes"]] == [0, 0, 0]
    assert [one["precision"] for one in document["classes"]] == [0.0, 0.0, 0.0]
    assert document["difference"]["map50"]["interval"] is None


def test_names_from_files_are_text_in_the_report(tmp_path: Path, capsys: Output) -> None:
    meter(tmp_path / "meter.zip")
    name = "<script>alert(1)<&.jpg"
    name = name.replace("/", "")
    write_data(tmp_path, {name: (RED, ["green"])})
    assert main(call(tmp_path, "--report", str(tmp_path / "out.html"))) == 0
    page = (tmp_path / "out.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;&amp;.jpg" in page


def no_common_label(folder: Path) -> list[str]:
    meter(folder / "meter.zip", ("a", "b", "c"))
    return call(folder)


def no_picture(folder: Path) -> list[str]:
    (folder / "white.jpg").write_text("no picture")
    return call(folder)


def turned_picture(folder: Path) -> list[str]:
    (folder / "white.jpg").write_bytes(encode_jpeg(to_bgr(plain(160, 320, WHITE, "bgr")), 95))
    return call(folder)


BAD_INPUT: list[tuple[Callable[[Path], list[str]], str]] = [
    (lambda f: call(f)[:3], "data"),
    (lambda f: call(f, "--threshold", "2"), "threshold"),
    (lambda f: call(f, "--with-pictures"), "--with-pictures .* Give --report"),
    (lambda f: call(f, "--label", "red"), "--label 'red' is no pair. Write MODEL=DATA"),
    (
        lambda f: call(f, "--label", "cyan=red"),
        "--label cyan=.*: the model has no such label; it has: red, green, blue",
    ),
    (lambda f: call(f, "--label", "red=cyan"), "the data has no label 'cyan'; it has: red, green, blue"),
    (lambda f: call(f, "--against", str(f / "gone.zip")), "gone.zip"),
    (lambda f: call(f, "--report", str(f / "no" / "out.html")), "out.html: can't be written"),
    (no_common_label, "nothing in common"),
    (no_picture, "white.jpg: it is not a picture"),
    (turned_picture, "white.jpg: is 160x320, and the data says 320x160. Boxes need"),
]


@pytest.mark.parametrize(("make", "why"), BAD_INPUT, ids=range(len(BAD_INPUT)))
def test_bad_input_is_one_line_and_exit_2(
    data: Path, tmp_path: Path, capsys: Output, make: Callable[[Path], list[str]], why: str
) -> None:
    assert main(make(tmp_path)) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    assert re.search(why, out.err), out.err


def test_the_meter_is_what_the_tests_take_it_for(tmp_path: Path) -> None:
    model = open_model(meter(tmp_path / "meter.zip"))
    found = model.detector(default_threshold=0.01).detect(plain(320, 160, GREY, "bgr"))
    assert found.probability.tolist() == pytest.approx([0.3] * 3, abs=0.01)
