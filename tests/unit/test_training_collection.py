"""What a run learns from, is chosen and measured by: small pictures in a folder as training/DATA.md has it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from safetygear_training.collection import collect, halves, selection_sets, split
from safetygear_training.config import Config, Source, read_config
from safetygear_training.detecting import onnx_network
from safetygear_training.evaluate import main, shown_names, whole_sets
from safetygear_training.pictures import DataError, read_source
from safetygear_training.toml_tables import ConfigError

CONFIG = Path(__file__).parents[2] / "training" / "short.toml"
PLAIN = Source(
    name="here", weight=1.0, held_back=0, held_back_last=0, whole_heads=False, squeezed=False,
    persons_from_teacher=False, gear_from_teacher=False,
)  # fmt: skip


def write_source(data: Path, name: str, count: int, heads: int = 0) -> None:
    """So many pictures of 64 x 48 with a person each, the first `heads` of them bare-headed."""
    (data / name).mkdir(parents=True)
    content: dict[str, Any] = {"categories": [{"id": 1, "name": "person"}, {"id": 4, "name": "head"}]}
    content |= {"images": [], "annotations": []}
    for number in range(count):
        file_name = f"{name}/{number:03d}.png"
        cv2.imwrite(str(data / file_name), np.full((48, 64, 3), number, np.uint8))
        content["images"].append(
            {"id": number, "file_name": file_name, "width": 64, "height": 48, "labelled": ["person", "head"]}
        )
        boxes = [(1, [10, 5, 20, 40]), *([(4, [15, 5, 10, 8])] if number < heads else [])]
        content["annotations"] += [{"image_id": number, "category_id": label, "bbox": box} for label, box in boxes]
    (data / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_source(tmp_path, "here", 20, heads=2)
    write_source(tmp_path, "there", 10)
    write_source(tmp_path, "half", 5)
    return tmp_path


def config(*sources: Source, **changed: Any) -> Config:
    shipped = read_config(CONFIG)
    return replace(shipped, sources=sources, evaluation=replace(shipped.evaluation, half="half"), **changed)


def collected(config: Config, data: Path, *gear_teachers: Path) -> Any:
    return collect(config, data, data / "no-teacher.onnx", gear_teachers, data)


@pytest.mark.parametrize(
    ("by_hash", "last", "expected"), [(0, 0, 0), (7, 0, 7), (0, 3, 3), (20, 3, 20), (0, 20, 20), (0, 25, 20)]
)
def test_a_picture_is_learned_from_or_held_back(by_hash: int, last: int, expected: int, data: Path) -> None:
    pictures = read_source(data, "here")
    training, back = split(pictures, replace(PLAIN, held_back=by_hash, held_back_last=last))
    assert len(back) == expected
    assert sorted(one.name for one in (*training, *back)) == [one.name for one in pictures]
    if last == 3:
        assert {one.name for one in pictures[-3:]} <= {one.name for one in back}


def test_what_chooses_teaches_nothing(data: Path) -> None:
    here, there = replace(PLAIN, held_back=6), replace(PLAIN, name="there", held_back_last=4)
    run = config(here, there)
    found = collected(run, data)
    assert {name: len(part) for name, part in found.selection.items()} == {"half": 3, "here": 6, "there": 4}
    learned = {one.name for one in found.training}
    assert len(learned) == 20
    assert not learned & {one.name for part in found.selection.values() for one in part}
    again = selection_sets(run, data)
    assert {name: [one.name for one in part] for name, part in again.items()} == {
        name: [one.name for one in part] for name, part in found.selection.items()
    }


def test_the_halves_share_nothing_and_follow_from_the_names(data: Path) -> None:
    pictures = read_source(data, "half")
    choosing, reporting = ([one.name for one in half] for half in halves(pictures[::-1]))
    assert choosing == ["half/000.png", "half/002.png", "half/004.png"]
    assert reporting == ["half/001.png", "half/003.png"]


@pytest.mark.parametrize(("enough", "lift"), [(0.0, 1.0), (0.1, 1.0), (0.4, 2.0)])
def test_pictures_of_a_rare_class_come_more_often_where_it_is_less_than_enough(
    enough: float, lift: float, data: Path
) -> None:
    """Two of twenty show a bare head."""
    chances = np.diff(collected(config(PLAIN, enough=enough), data).cumulative, prepend=0)
    assert chances[:2] / chances[2] == pytest.approx([lift] * 2)
    assert chances[2:] == pytest.approx([chances[2]] * 18)


def test_gear_without_a_teacher_and_a_teacher_without_gear_are_told(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "safetygear_training"):
        collected(config(PLAIN, replace(PLAIN, name="there", gear_from_teacher=True)), data)
        collected(config(PLAIN), data, data / "gear.onnx")
        collected(config(PLAIN), data)
    assert [one.getMessage() for one in caplog.records] == [
        "there: gear_from_teacher says nothing, because no --gear-teacher is given",
        "--gear-teacher says nothing, because no source of this run has gear_from_teacher",
    ]


def test_nothing_to_draw_is_an_error_of_the_data(data: Path) -> None:
    with pytest.raises(DataError, match="weight: no source has both pictures and a weight above 0"):
        collected(config(replace(PLAIN, held_back_last=20)), data)


def test_a_source_can_be_measured_whole(data: Path) -> None:
    run = config(replace(PLAIN, held_back=6), replace(PLAIN, name="there"))
    assert {name: len(part) for name, part in whole_sets(run, data, ["here"]).items()} == {"here whole": 20}
    with pytest.raises(ConfigError, match="--whole: hre is no source of this run; expected one of here, there"):
        whole_sets(run, data, ["hre"])


def test_models_of_one_name_are_told_apart() -> None:
    assert shown_names([Path("a/x.onnx"), Path("b/y.onnx")]) == ["x.onnx", "y.onnx"]
    assert shown_names([Path("a/x.onnx"), Path("b/x.onnx")]) == ["a/x.onnx", "b/x.onnx"]


def test_a_network_that_is_not_there_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match=r"no\.onnx: there is no such file"):
        onnx_network(tmp_path / "no.onnx")
    with caplog.at_level(logging.ERROR, "safetygear_training"):
        assert main([str(tmp_path / "no.onnx"), "--data", str(tmp_path)]) == 2
    assert "there is no such file; see training/DATA.md" in caplog.text
