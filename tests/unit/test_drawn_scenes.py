"""Scenes that are drawn at random to train on: always the same, possible, and none of those that are measured on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from safetygear_scenes import coco, stills
from safetygear_scenes.drawn_scene import draw, frames
from safetygear_scenes.story import StoryError, problems, read_story
from safetygear_training.labels import HEAD, HELMET, PERSON
from safetygear_training.pictures import read_source

STORIES = sorted((Path(__file__).parents[2] / "scenes" / "stories").glob("*.toml"))
NUMBERS = range(6)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_always_the_same_possible_scene(number: int) -> None:
    scene = draw(number)
    assert scene == draw(number) != draw(number + 1)
    assert problems(scene) == []
    assert all(frame < scene.frame_count for frame in frames())


@pytest.mark.parametrize("number", NUMBERS)
def test_each_still_has_its_own_people_and_they_are_there_at_its_time(number: int) -> None:
    scene = draw(number)
    for still, frame in enumerate(frames()):
        there = {one.id for one in scene.people if one.from_s <= frame / scene.fps <= one.to_s}
        assert there == {one.id for one in scene.people if one.id.startswith(f"s{still}p")} != set()


def test_nothing_of_a_story_is_trained_on() -> None:
    stories, scenes = [read_story(path) for path in STORIES], [draw(number) for number in NUMBERS]
    assert {scene.use for scene in scenes} == {"training"} != {story.use for story in stories}
    assert not {s.site_seed for s in scenes} & {s.site_seed for s in stories}
    assert not {s.camera.horizontal_fov_deg for s in scenes} & {s.camera.horizontal_fov_deg for s in stories}
    cast = {(p.body, p.clothes) for s in stories for p in s.people}
    assert not cast & {(p.body, p.clothes) for s in scenes for p in s.people}


def test_all_that_can_be_on_a_head_is_drawn() -> None:
    people = [one for number in NUMBERS for one in draw(number).people]
    heads = {(one.helmet, one.clothes.headwear) for one in people}
    assert heads == {(state, None) for state in ("worn", "carried", "none")} | {
        ("none", "cap"), ("none", "hood"), ("carried", "cap"),
    }  # fmt: skip
    assert {one.handlings[0].act for one in people if one.handlings} == {"put-on", "take-off"}
    assert 0.4 < np.mean([one.clothes.vest is not None for one in people]) < 0.75


def test_a_number_below_0_is_refused() -> None:
    with pytest.raises(StoryError, match="-1"):
        draw(-1)


@pytest.mark.parametrize("scenes", ["7", "a:b", "-2:1", "3:3"])
def test_a_range_of_scenes_that_is_none_is_named(scenes: str, tmp_path: Path, capsys: Any) -> None:
    assert stills.main([f"--scenes={scenes}", "--out", str(tmp_path)], tmp_path) == 2
    assert f"--scenes {scenes}: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def person(**changed: Any) -> dict[str, Any]:
    seen = {
        "box_visible": [10, 20, 60, 120], "visible_fraction": 1.0, "in_frame": 1.0, "vest": None, "helmet": None,
        "helmet_state": "none", "head": [20.0, 20.0, 40.0, 40.0], "head_visible_px": 300,
    }  # fmt: skip
    return seen | changed


def found(one: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(label, crowd) for label, _, crowd in coco.boxes(one)]


def gear(visible_px: int) -> dict[str, Any]:
    return {"box": [50.0, 60.0, 70.0, 80.0], "visible_px": visible_px}


@pytest.mark.parametrize(
    ("changed", "boxes"),
    [
        ({}, [("person", False), ("head", False)]),
        ({"helmet": gear(250), "helmet_state": "worn"}, [("person", False), ("helmet", False)]),
        ({"helmet": gear(250), "helmet_state": "carried"}, [("person", False), ("helmet", False), ("head", False)]),
        ({"helmet": gear(50), "helmet_state": "carried"}, [("person", False), ("helmet", True), ("head", False)]),
        ({"helmet": gear(0), "helmet_state": "carried"}, [("person", False), ("head", False)]),
        ({"vest": gear(250), "in_frame": 0.2}, [("person", True), ("vest", True), ("head", True)]),
        ({"head_visible_px": 40}, [("person", False), ("head", True)]),
        ({"head": None}, [("person", False)]),
    ],
)
def test_what_can_hardly_be_seen_is_neither_object_nor_background(
    changed: dict[str, Any], boxes: list[tuple[str, bool]]
) -> None:
    assert found(person(**changed)) == boxes


def test_the_training_reads_the_listing(tmp_path: Path) -> None:
    people = [person(helmet=gear(50), helmet_state="carried"), person(visible_fraction=0.1)]
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((180, 320, 3), np.uint8))
    (tmp_path / "set.json").write_text(json.dumps(coco.listing([("a.png", people)], (640, 360))))
    (picture,) = read_source(tmp_path, "set", whole_heads=True)
    assert picture.labelled.tolist() == [True, True, True, True, False]
    assert picture.boxes[:, 4].tolist() == [PERSON, HEAD]
    assert picture.ignored[:, 4].tolist() == [HELMET, PERSON, HEAD]
    assert np.allclose(picture.boxes[0, :4], [5, 10, 30, 60])
    for rows in (picture.boxes, picture.ignored):
        assert np.allclose(rows[rows[:, 4] == HEAD, :4], [[9.4, 10, 20.6, 17]])
