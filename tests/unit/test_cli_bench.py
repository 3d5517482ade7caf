"""`safetygear bench`: what is wrong with its options is one line; its own network is what it says it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from safetygear_inference.detectors import open_model
from safetygear_inference.picture import Picture
from safetygear_workbench.bench.numbering import number_in, stamp
from safetygear_workbench.bench.v8n_network import PEOPLE_CXCYWH_PX, write_v8n
from safetygear_workbench.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["overhead", "--seconds", "0"], "--seconds is 0"),
        (["overhead", "--manifest", "none.json"], "there is no manifest none.json"),
        (["latency", "--cameras", "1,x"], "--cameras is '1,x'"),
        (["streams", "--first", "-1"], "--first is -1"),
        (["hub", "--sizes", ""], "--sizes is ''"),
        (["detector", "--model", "none", "--rounds", "1"], "none"),
    ],
)
def test_a_bad_option_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments, "--folder", str(tmp_path)]) in (1, 2)
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors


def test_an_unknown_stream_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployment.template.json").write_text("{}")
    assert main(["bench", "overhead", "--stream", "4k", "--folder", str(tmp_path)]) == 2
    assert "there are main, sub" in capsys.readouterr().err


def test_the_network_is_recognised_and_reads_the_number_of_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "v8n.onnx"
    write_v8n(path, reads_numbers=True)
    model = open_model(path)
    luma = np.full((1080, 1920), 110, np.uint8)
    stamp(luma, 4711)
    chroma = np.full((540, 960), 128, np.uint8)
    boxes = model.detector().detect(Picture((luma, chroma, chroma), 1920, 1080, "i420"))
    labels = [model.labels[number] for number in boxes.class_id]
    assert number_in(labels) == 4711
    assert labels.count("person") == labels.count("helmet") == len(PEOPLE_CXCYWH_PX)
    write_v8n(tmp_path / "again.onnx", reads_numbers=True)
    assert path.read_bytes() == (tmp_path / "again.onnx").read_bytes(), "one seed, one file"
