"""`safetygear model pack` and `verify`, as a person calls them."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path

import pytest

from safetygear_workbench.cli.main import main
from support.model_packages import LABELS, network, package, red_picture

Output = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return package(tmp_path / "export.zip", network())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "Gate.JPG"
    path.write_bytes(red_picture())
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_package_has_all_that_belongs_to_the_model(
    tmp_path: Path, model: Path, picture: Path, capsys: Output
) -> None:
    card = tmp_path / "about.md"
    card.write_text("# Site model\n")
    out = tmp_path / "site-v4.zip"
    arguments = [str(model), "-o", str(out), "--golden", str(picture), "--card", str(card), "--version", "4"]
    wishes = ["--map", "red=helmet", "--threshold", "helmet=0.6"]
    assert main(["model", "pack", *arguments, *wishes, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert printed["golden"] == {"pictures": 1, "differences": []}
    assert printed["model"] == {
        "name": "site-v4", "version": "4", "format": "custom-vision-compact-s1",
        "sha256": hashlib.sha256(network()).hexdigest(), "labels": ["helmet", "green", "blue"],
    }  # fmt: skip
    files = contents(out)
    assert list(files) == ["card.md", "golden-1.jpg", "labels.txt", "model.onnx", "safetygear.json"]
    assert (files["model.onnx"], files["labels.txt"]) == (network(), b"red\ngreen\nblue\n")
    settings = json.loads(files["safetygear.json"])
    assert (settings["version"], settings["labelMapping"]) == ("4", {"red": "helmet"})
    (golden,) = settings["golden"]
    assert [box["label"] for box in golden["boxes"]] == ["helmet"]
    assert golden["boxes"][0]["width"] == pytest.approx(0.25, abs=0.001)
    assert list(tmp_path.glob(".pack*")) == []

    assert main(["model", "verify", str(out), "--sha256", printed["sha256"].upper(), "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert (verified["ok"], verified["card"]) == (True, "# Site model\n")
    assert main(["model", "verify", str(out)]) == 0
    assert "golden pictures seen as expected: 1" in capsys.readouterr().out


def test_the_same_input_makes_the_same_bytes(tmp_path: Path, model: Path, picture: Path, capsys: Output) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "site.zip"
        assert main(["model", "pack", str(model), "-o", str(out), "--golden", str(picture)]) == 0
    one, other = (line.split()[0] for line in capsys.readouterr().out.splitlines())
    assert one == other


def test_a_package_can_be_packed_again(tmp_path: Path, model: Path, picture: Path) -> None:
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    wishes = ["--golden", str(picture), "--threshold", "red=0.7"]
    assert main(["model", "pack", str(model), "-o", str(first), *wishes]) == 0
    assert main(["model", "pack", str(first), "-o", str(second), "--map", "red=helmet"]) == 0
    settings = json.loads(contents(second)["safetygear.json"])
    assert (settings["labelMapping"], settings["thresholds"]) == ({"red": "helmet"}, {"helmet": 0.7})
    assert [box["label"] for box in settings["golden"][0]["boxes"]] == ["helmet"]


def test_other_labels(tmp_path: Path, model: Path, capsys: Output) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("a\r\nb\r\nc")
    out = tmp_path / "out.zip"
    assert main(["model", "pack", str(model), "-o", str(out), "--labels", str(labels)]) == 0
    assert contents(out)["labels.txt"] == b"a\nb\nc\n"


def test_what_differs_ends_with_1(tmp_path: Path, model: Path, picture: Path, capsys: Output) -> None:
    out = tmp_path / "out.zip"
    assert main(["model", "pack", str(model), "-o", str(out), "--golden", str(picture)]) == 0
    files = contents(out)
    settings = json.loads(files["safetygear.json"])
    settings["golden"][0]["boxes"][0]["label"] = "green"
    other = package(tmp_path / "other.zip", files["model.onnx"], settings=settings, **{"golden-1.jpg": red_picture()})
    capsys.readouterr()
    assert main(["model", "verify", str(other)]) == 1
    assert re.search("golden picture differs: golden-1.jpg: green at .* is not seen", capsys.readouterr().out)
    assert main(["model", "verify", str(model), "--sha256", "00"]) == 1
    text = capsys.readouterr().out
    assert "SHA-256 differs" in text
    assert "no golden picture" in text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-o", "out.onnx"], "ends in .zip"),
        (["--golden", "gone.jpg"], "gone.jpg: can't be read"),
        (["--golden", "labels.txt"], "golden-1.txt: it is not a picture"),
        (["--golden", "black.bmp"], "sees nothing in golden-1.bmp"),
        (["--map", "red"], "write NAME=VALUE"),
        (["--map", "hat=helmet"], "labelMapping.hat: the model has no such label"),
        (["--threshold", "red=often"], "a number from 0 to 1"),
        (["--threshold", "red=1.5"], "a number from 0 to 1"),
        (["--threshold", "gloves=0.5"], "no such label"),
        (["--labels", "labels.txt"], "1 labels|labels"),
        (["--card", "gone.md"], "gone.md: can't be read"),
        (["-o", "no/such/folder/x.zip"], "can't be written"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, arguments: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("one")
    (tmp_path / "black.bmp").write_bytes(bytes.fromhex(
        "424d3a00000000000000360000002800000001000000010000000100180000000000040000000000000000000000000000000000000000000000"
    ))  # fmt: skip
    given = arguments if "-o" in arguments else ["-o", "out.zip", *arguments]
    assert main(["model", "pack", str(model), *given]) == 2
    error = capsys.readouterr().err
    assert re.search(why, error), error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.zip").exists()


def test_the_labels_stay_as_the_model_has_them(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "plain.zip"
    assert main(["model", "pack", str(model), "-o", str(out)]) == 0
    assert contents(out)["labels.txt"].decode().split() == list(LABELS)
    assert json.loads(contents(out)["safetygear.json"]) == {}
