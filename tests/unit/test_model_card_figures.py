"""`make evaluate`: the card's figures on a folder of pictures, or on rendered stills where there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support import scenes
from support.coco_folder import CLASSES, CocoFolder, add_story, stills

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "tests" / "bench" / "bench_card.py"


def test_a_folder_s_truth_is_that_of_its_stills(tmp_path: Path) -> None:
    into = CocoFolder(tmp_path)
    for name in ("crossing", "helmet-put-on"):
        add_story(into, name, stills(name))
    into.add("nothing", np.zeros((36, 64, 3), np.uint8), [], labelled=("person",))
    content = json.loads(into.close().read_text())
    assert [image["file_name"] for image in content["images"]] == [
        *(f"{name}-{number:04d}.png" for name in ("crossing", "helmet-put-on") for number in stills(name)),
        "nothing.png",
    ]
    assert content["images"][-1]["labelled"] == ["person"]
    assert all((tmp_path / image["file_name"]).stat().st_size > 0 for image in content["images"])
    story, first = scenes.truth("crossing"), stills("crossing")[0]
    true = {(label, *map(float, box)) for label, box in scenes.rows(story, story["frames"][first])}
    found = {
        (CLASSES[box["category_id"] - 1], *_corners(box["bbox"]))
        for box in content["annotations"]
        if box["image_id"] == 1
    }
    assert {(label, *np.round(corners, 3)) for label, *corners in found} == {
        (label, *np.round(corners, 3)) for label, *corners in true
    }


def _corners(xywh: list[float]) -> tuple[float, ...]:
    x, y, width, height = xywh
    return x, y, x + width, y + height


@pytest.mark.parametrize("name", scenes.names())
def test_stills_show_somebody_who_can_be_judged(name: str) -> None:
    story = scenes.truth(name)
    for number in stills(name):
        t_s = story["frames"][number]["t"]
        assert any(
            start_s <= t_s < end_s for person in story["persons"].values() for start_s, end_s in person["assessable_s"]
        )


def test_without_data_it_measures_rendered_stills_and_says_so() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=True)
    heading, classes, *models = done.stdout.strip().splitlines()
    assert "no real pictures" in heading
    assert f"{2 * len(scenes.names())} pictures" in heading
    assert classes.split()[1:] == list(CLASSES)
    assert [line.split()[0] for line in models] == ["float", "int8"]
    for line in models:
        person = float(line.split()[1].split("/")[0])
        assert person > 0.5


def test_a_folder_without_the_sets_is_bad_input(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "training/DATA.md" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_hands_the_folder_on(tmp_path: Path) -> None:
    def would(*given: str) -> str:
        command = ["make", "--dry-run", "evaluate", *given]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    assert 'bench_card.py "' not in would()
    assert 'bench_card.py "/some where"' in would("DATA=/some where")
