"""With true boxes the rules tell each violation of the rendered stories once, and nothing else, at 2, 5 and 10 fps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.judged_clip import perfect_boxes
from support.rendered_stories import CLIPS, judged

STORIES = sorted(CLIPS.glob("*.truth.json"))


def test_there_are_stories() -> None:
    assert len(STORIES) >= 6


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.name.partition(".")[0])
def test_a_story_is_told_as_it_is(path: Path, fps: int) -> None:
    clip = json.loads(path.read_text())
    frames = clip["frames"][:: clip["fps"] // fps]
    told = judged(clip, [(frame, perfect_boxes(clip, frame)[0], False) for frame in frames])
    assert (told["again"], told["false"], told["missed"]) == (0, [], [])
    # What may be told and need not be is not due.
    assert told["right"] >= told["due"]
