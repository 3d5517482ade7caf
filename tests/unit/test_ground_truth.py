"""With perfect detections - boxes and labels, no ids - the rules give exactly the episodes that are true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.replaying import replayed, story_episodes
from support.scoring import Score
from support.storyboards import YARD_ONLY, Storyboard, clip_frames, clip_truths, quiet, stories

each_rate = pytest.mark.parametrize("fps", [2, 5, 10])


@each_rate
@pytest.mark.parametrize("story", stories(), ids=lambda story: story.name)
def test_a_story_gives_its_episodes_and_no_other(story: Storyboard, fps: float, tmp_path: Path) -> None:
    score = Score()
    score.take(story.name, story.truths, story_episodes(tmp_path, story, fps))
    assert (score.false, score.missed) == ([], [])
    assert score.right == len(story.truths)


@each_rate
def test_the_site_scene_s_truth_gives_its_episodes_and_no_other(fps: float, tmp_path: Path) -> None:
    score = Score()
    score.take("site scene", clip_truths(), replayed(tmp_path, clip_frames(fps), {})["episodes"])
    assert (score.false, score.missed) == ([], [])
    assert score.right == 3


def test_nothing_is_told_of_compliant_people_and_of_whoever_is_outside_the_zone(tmp_path: Path) -> None:
    content = replayed(tmp_path, quiet(60, seed=1).frames(5), quiet(60, seed=1).twin)
    assert content["episodes"] == []
    (hour,) = content["kpi"]
    assert hour["secondsCompliant"] > 250


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("along a zone's edge, inside", {**YARD_ONLY, "episodes": {"edgeMargin": 0, "settleS": 0}}),
        (
            "wholly behind a container for two seconds",
            {"tracking": {"occlusionS": 0.2}, "episodes": {"mergeWindowS": 0}},
        ),
        ("helmets carried outside the zone", {}),
        ("shift ends while inside", YARD_ONLY),
        ("helmet carried, then put on", {"votes": {"wornAfterS": 20}}),
        ("bare head", {"votes": {"missingAfterS": 6}}),
    ],
)
def test_a_story_fails_without_what_it_is_about(name: str, twin: dict[str, Any], tmp_path: Path) -> None:
    (story,) = (replace(story, twin=twin) for story in stories() if story.name == name)
    score = Score()
    score.take(name, story.truths, story_episodes(tmp_path, story, 5))
    assert score.false or score.missed


def test_an_episode_that_is_not_true_is_counted_as_false_and_one_that_fails_as_missed() -> None:
    (truth,) = stories()[1].truths
    episode = {
        "zone": "default", "rule": "no-helmet", "reason": "missing-helmet", "closeReason": "left",
        "openedAt": "2026-11-25T08:00:05.000Z", "closedAt": "2026-11-25T08:00:13.000Z",
    }  # fmt: skip
    score = Score()
    score.take("right", [truth], [episode])
    assert (score.precision, score.recall, score.right) == (1.0, 1.0, 1)
    score.take("twice", [truth], [episode, episode])
    assert (score.precision, score.recall) == (2 / 3, 1.0)
    for wrong in (
        {"zone": "yard"},
        {"reason": "carried-helmet"},
        {"closeReason": "complied"},
        {"openedAt": "2026-11-25T08:00:08.000Z"},
        {"closedAt": "2026-11-25T08:00:17.000Z"},
        {"closedAt": None},
    ):
        score = Score()
        score.take("wrong", [truth], [episode | wrong])
        assert (score.right, len(score.false), len(score.missed)) == (0, 1, 1), wrong
