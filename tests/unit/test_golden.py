"""Golden pictures: what counts as seen, what as another result. Numbers by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear_inference.detectors import open_model
from safetygear_inference.detectors.golden import Golden, GoldenBox, boxes_of, differences
from safetygear_inference.detectors.golden_run import golden_differences, refuse_differences
from safetygear_inference.detectors.labels import mapped_labels
from safetygear_inference.detectors.package import read_model_files
from safetygear_inference.picture import DetectedBoxes
from support.model_packages import fixed_boxes, golden, network, package, red_picture
from support.pictures import plain

LABELS = ("helmet", "vest")
HELMET = {"label": "helmet", "probability": 0.9, "left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2}


def expecting(*boxes: dict[str, Any]) -> Golden:
    return Golden(picture="g.jpg", boxes=[GoldenBox(**box) for box in boxes])


def found(*boxes: dict[str, Any]) -> DetectedBoxes:
    made = [GoldenBox(**box) for box in boxes]
    return DetectedBoxes(
        np.array([box.xyxy_norm for box in made], np.float32).reshape(-1, 4),
        np.array([LABELS.index(box.label) for box in made], np.int64),
        np.array([box.probability for box in made], np.float32),
    )


@pytest.mark.parametrize(
    ("expected", "seen", "said"),
    [
        ([HELMET], [HELMET], []),
        ([HELMET], [HELMET | {"left": 0.11, "probability": 0.8}], []),
        ([HELMET], [HELMET | {"probability": 0.7}], ["0.200 x 0.200) has the probability 0.70, not 0.90"]),
        ([HELMET], [], ["helmet at (0.100, 0.100, 0.200 x 0.200) (0.90) is not seen"]),
        ([], [HELMET], ["(0.90) is not expected"]),
        ([HELMET], [HELMET | {"label": "vest"}], ["helmet at", "vest at"]),
        ([HELMET], [HELMET | {"left": 0.2}], ["is not seen", "is not expected"]),
        ([HELMET], [HELMET, HELMET | {"left": 0.105}], ["is not expected"]),
        ([HELMET | {"probability": 0.6}], [], []),
        ([], [HELMET | {"probability": 0.64}], []),
        ([HELMET | {"probability": 0.66}], [], ["is not seen"]),
        ([HELMET | {"left": number / 100} for number in range(60, 80)], [], ["is not seen"] * 8),
    ],
    ids=[
        "the same", "within the tolerance", "less sure", "missing", "more", "another label", "elsewhere", "twice",
        "near the threshold and gone", "near the threshold and there", "above it and gone", "many",
    ],
)  # fmt: skip
def test_differences(expected: list[dict[str, Any]], seen: list[dict[str, Any]], said: list[str]) -> None:
    result = differences(expecting(*expected), found(*seen), LABELS, lambda label: 0.5)
    assert len(result) == len(said)
    assert all(part in sentence for part, sentence in zip(said, result, strict=True))


def test_what_was_found_is_what_is_expected() -> None:
    seen = found(HELMET, HELMET | {"label": "vest", "left": 0.5})
    assert differences(Golden(picture="g.jpg", boxes=boxes_of(seen, LABELS)), seen, LABELS, lambda label: 0.5) == []


def test_a_model_looks_at_its_own_pictures(tmp_path: Path) -> None:
    good = package(tmp_path / "a.zip", network(), settings={"golden": [golden()]}, **{"golden.jpg": red_picture()})
    bad = package(
        tmp_path / "b.zip", network(), settings={"golden": [golden(label="blue")]}, **{"golden.jpg": red_picture()}
    )
    assert golden_differences(open_model(good), read_model_files(good).golden) == []
    said = golden_differences(open_model(bad), read_model_files(bad).golden)
    assert [sentence.split(" at ")[0] for sentence in said] == ["golden.jpg: blue", "golden.jpg: red"]
    with pytest.raises(ModelError, match=r"golden\.jpg: blue at .*; and 1 more") as raised:
        refuse_differences(said)
    assert raised.value.code == "golden-differs"


def test_names_are_mapped_and_several_may_be_one(tmp_path: Path) -> None:
    assert mapped_labels(("a", "b", "c"), {"c": "a"}, "x") == (("a", "b"), (0, 1, 0))
    assert mapped_labels(("a", "b"), {"a": "b", "b": "a"}, "x") == (("b", "a"), (0, 1))
    assert mapped_labels(("a",), {}, "x") == (("a",), (0,))
    with pytest.raises(ModelError, match=r"labelMapping\.hat: the model has no such label; it has: a"):
        mapped_labels(("a",), {"hat": "helmet"}, "x")

    settings = {"labelMapping": {"red": "bright", "green": "bright"}, "thresholds": {"bright": 0.3, "blue": 0.9}}
    model = open_model(package(tmp_path / "m.zip", network(), settings=settings))
    assert model.labels == ("bright", "blue")
    yellow = plain(320, 320, (0, 255, 255), "bgr")
    seen = model.detector().detect(yellow)
    assert seen.class_id.tolist() == [0, 0], "two places"
    assert len(model.detector(thresholds={"bright": 1.0, "blue": 0.0}).detect(yellow)) == 3
    assert len(model.detector(default_threshold=0.99).detect(plain(320, 320, (0, 0, 128), "bgr"))) == 0


def test_boxes_of_two_classes_that_become_one_name_are_one_where_they_overlap(tmp_path: Path) -> None:
    """The network's own suppression knows the classes apart: two boxes of one thing would be two helmets."""
    boxes = [[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.3, 0.31], [0.6, 0.1, 0.8, 0.3]]
    model = fixed_boxes(boxes, [0, 1, 1], [0.9, 0.8, 0.7])
    apart = open_model(package(tmp_path / "a.zip", model, **{"labels.txt": b"white\nyellow"}))
    settings = {"labelMapping": {"white": "helmet", "yellow": "helmet"}}
    joined = open_model(package(tmp_path / "b.zip", model, settings=settings, **{"labels.txt": b"white\nyellow"}))
    grey = plain(320, 320, (114, 114, 114), "bgr")
    assert len(apart.detector().detect(grey)) == 3
    assert joined.detector().detect(grey).probability.tolist() == pytest.approx([0.9, 0.7])
