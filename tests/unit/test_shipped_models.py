"""What is shipped is what was measured: files by their digests, boxes of a rendered frame by the golden ones."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors import open_model
from safetygear_inference.detectors.golden_run import golden_differences
from safetygear_inference.detectors.package import read_model_files
from safetygear_inference.detectors.runtimes.choice import Wish, offered
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.picture import Picture
from safetygear_inference.second_look.crops import crops
from safetygear_inference.second_look.network import SecondLookNetwork
from support import site_scene

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"
GOLDEN = json.loads((Path(__file__).parent / "golden_boxes.json").read_text(encoding="utf-8"))
GOLDEN_LOOKS = json.loads((Path(__file__).parent / "golden_looks.json").read_text(encoding="utf-8"))
LEAST_IOU = {"float": 0.98, "int8": 0.80}
"""Float differs in the last bits between processors. In int8 a side may move by some quantisation steps."""


def test_every_file_has_its_digest() -> None:
    lines = (MODELS / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    said = dict(reversed(line.split("  ")) for line in lines)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in MODELS.glob("*.onnx")}
    assert said == found
    assert sum(path.stat().st_size for path in MODELS.iterdir()) < 20e6


@pytest.mark.parametrize("name", sorted(GOLDEN["models"]))
def test_it_sees_the_golden_boxes(name: str) -> None:
    with av.open(str(site_scene.CLIP)) as container:
        frame = next(islice(container.decode(video=0), GOLDEN["frame"], None))
    model = open_model(MODELS / f"{name}.onnx")
    found = model.detector().detect(Picture.from_bgr(frame.to_ndarray(format="bgr24")))
    expected = GOLDEN["models"][name]
    assert expected
    for box in expected:
        same = [row for row, number in enumerate(found.class_id) if model.labels[number] == box["label"]]
        overlap = iou(as_xyxy([box["xyxy_norm"]]), found.xyxy_norm[same])
        assert overlap.max(initial=0) >= LEAST_IOU["int8" if "int8" in name else "float"], box
        assert abs(float(found.probability[same][int(np.argmax(overlap))]) - box["probability"]) <= 0.1
    assert abs(len(found) - len(expected)) <= (1 if "int8" in name else 0)


def test_the_second_look_gives_the_golden_answers() -> None:
    network = SecondLookNetwork(MODELS / "second_look.onnx")
    with av.open(str(site_scene.CLIP)) as container:
        frame = next(islice(container.decode(video=0), GOLDEN_LOOKS["frame"], None))
    picture = Picture.from_bgr(frame.to_ndarray(format="bgr24"))
    squares = [tuple(one["square_px"]) for one in GOLDEN_LOOKS["looks"]]
    found = network.chances(crops(picture, squares, network.side_px))
    assert {one["truth"] for one in GOLDEN_LOOKS["looks"]} == {"helmet yes", "helmet no", "vest yes", "vest no"}
    for one, chances in zip(GOLDEN_LOOKS["looks"], found, strict=True):
        assert chances == pytest.approx(np.array(one["chances"]), abs=0.02), one["truth"]


def test_the_int8_twin_is_the_measured_file_and_both_see_their_golden_picture() -> None:
    for path in (MODELS / f"{DEFAULT_MODEL}.onnx", MODELS / f"{DEFAULT_MODEL}_int8.onnx"):
        files = read_model_files(path)
        assert files.golden, "what a processor makes of it is seen before it is used"
        assert golden_differences(open_model(path), files.golden) == []
    twin = read_model_files(MODELS / f"{DEFAULT_MODEL}.onnx").settings.int8
    assert twin is not None
    assert hashlib.sha256((MODELS / twin.network).read_bytes()).hexdigest() == twin.sha256
    offer = offered(Wish(runtime="onnxruntime"), openvino=None, int8=twin, int8_missing=None)
    assert [str(variant) for variant in offer.candidates] == ["onnxruntime", "onnxruntime int8"]
