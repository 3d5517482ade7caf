import json
from pathlib import Path

import numpy as np
import pytest

from safetygear_training.labels import HEAD, HELMET, PERSON, VEST
from safetygear_training.pictures import DataError
from safetygear_training.rendered import boxes_of, read_clip

CLIPS = Path(__file__).parents[2] / "scenes" / "clips"


def person(**changed):
    seen = {
        "box_visible": [0, 0, 50, 100],
        "visible_fraction": 1.0,
        "in_frame": 1.0,
        "helmet": None,
        "helmet_state": "none",
        "head": [10, 0, 30, 20],
        "vest": None,
    }
    return seen | changed


def labels(boxes):
    return boxes[:, 4].astype(int).tolist()


def test_who_wears_a_helmet_shows_no_bare_head():
    helmet, vest = {"box": [9, 0, 31, 10]}, {"box": [5, 20, 45, 60]}
    seen, hidden = boxes_of([person(helmet=helmet, helmet_state="worn", vest=vest)])
    assert labels(seen) == [PERSON, HELMET, VEST]
    assert len(hidden) == 0


def test_a_carried_helmet_and_a_bare_head_are_both_there():
    seen, _ = boxes_of([person(helmet={"box": [40, 50, 60, 60]}, helmet_state="carried")])
    assert labels(seen) == [PERSON, HELMET, HEAD]
    assert np.allclose(seen[2, :4], [8.8, 0, 31.2, 14])


@pytest.mark.parametrize("changed", [{"visible_fraction": 0.2}, {"in_frame": 0.2}])
def test_who_can_hardly_be_seen_is_ignored(changed):
    seen, hidden = boxes_of([person(**changed), person(head=None)])
    assert labels(seen) == [PERSON]
    assert labels(hidden) == [PERSON, HEAD]


def test_a_truth_that_is_none_is_named(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"frames": 3}))
    with pytest.raises(DataError, match=r"t\.json"):
        read_clip(tmp_path / "c.mp4", tmp_path / "t.json", 5)


def test_every_so_many_frames_come_with_their_truth():
    truth = CLIPS / "bare-head-360p.truth.json"
    people = {frame["frame"]: frame["persons"] for frame in json.loads(truth.read_bytes())["frames"]}
    pictures = read_clip(CLIPS / "bare-head-360p.mp4", truth, 20)
    numbers = [int(picture.name.partition("#")[2]) for picture in pictures]
    assert numbers == [number for number, those in sorted(people.items()) if those and number % 20 == 0]
    assert len(numbers) > 2
    for picture, number in zip(pictures, numbers, strict=True):
        assert picture.pixels.shape == (360, 640, 3)
        assert picture.labelled.tolist() == [True, True, True, True, False]
        of_people = [*labels(picture.boxes), *labels(picture.ignored)]
        assert of_people.count(PERSON) == len(people[number])
