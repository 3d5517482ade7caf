"""With true boxes the rules tell each violation of the rendered stories once, and nothing else, at 2, 5 and 10 fps."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import scenes

PROMISED = {
    "compliant", "bare-head", "no-vest", "helmet-put-on", "crossing", "behind-container", "zone-edge", "shift-end",
    "caps-and-hoods",
}  # fmt: skip
OPENED_WITHIN_S = 4.0
"""From when it can be judged: the vote, the minimum duration, and two frames at 2 fps."""


def test_the_promised_stories_are_there_and_nothing_is_trained_on_them() -> None:
    assert set(scenes.names()) >= PROMISED
    assert {scenes.truth(name)["use"] for name in scenes.names()} == {"evaluation"}


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize("name", scenes.names())
def test_a_story_is_told_as_it_is(name: str, fps: int, tmp_path: Path) -> None:
    story, score = scenes.truth(name), scenes.SceneScore()
    score.take(name, story, scenes.replayed(story, fps, tmp_path), scenes.start_s(story))
    assert (score.missed, score.false, score.again) == ([], [], [])
    assert score.right == sum(event["due"] for event in story["events"])
    assert all(delay_s <= OPENED_WITHIN_S for delay_s in score.delays_s)
