"""With boxes as true as the site scene's truth, each person's gear is judged right once the vote time is over."""

from __future__ import annotations

import pytest

from safetygear_inference.compliance.judging_config import VoteConfig
from safetygear_inference.judging.observation import Gear
from support.judged_clip import GEAR, Judged, judge, perfect_boxes
from support.site_scene import truth

CONFIG = VoteConfig()
SETTLED_S = 0.4
"""Frames at 5 fps and boxes that count a little less than in full take this much longer than the stated time."""


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    clip = truth()
    frames = clip["frames"][::2]
    return list(judge(clip, [(frame, *perfect_boxes(clip, frame)) for frame in frames], CONFIG))


def states(judged: list[Judged], person: str, gear: Gear) -> list[tuple[str, float]]:
    """The states one after the other, each with the time from which it holds."""
    changes: list[tuple[str, float]] = []
    for one in judged:
        if (one.person, one.gear) == (person, gear) and (not changes or changes[-1][0] != one.state):
            changes.append((one.state, one.t_s))
    return changes


@pytest.mark.parametrize(
    ("person", "helmet", "vest"),
    [
        ("A", [("worn", 0.0)], [("worn", 0.0)]),
        ("B", [("missing", 5.6)], [("worn", 5.6)]),
        ("C", [("worn", 12.5)], [("missing", 12.5)]),
        # D carries the helmet, and puts it on at 23.0 s.
        ("D", [("carried", 17.8), ("worn", 23.0)], [("worn", 17.8)]),
        ("E", [("worn", 8.1)], [("worn", 8.1)]),
    ],
)
def test_each_person_is_what_the_truth_says_and_soon(
    judged: list[Judged], person: str, helmet: list[tuple[str, float]], vest: list[tuple[str, float]]
) -> None:
    for gear, expected in (("helmet", helmet), ("vest", vest)):
        found = [(state, t_s) for state, t_s in states(judged, person, gear) if state != "unknown"]
        assert [state for state, _ in found] == [state for state, _ in expected], gear
        for (state, t_s), (_, true_s) in zip(found, expected, strict=True):
            stated_s = CONFIG.worn_after_s if state == "worn" else CONFIG.missing_after_s
            assert t_s <= true_s + stated_s + SETTLED_S, (gear, state)


def test_no_frame_of_an_assessable_person_is_judged_wrongly(judged: list[Judged]) -> None:
    assert [one for one in judged if one.assessable and one.frame_state != one.expected] == []


def test_people_at_the_picture_s_edge_are_unknown_rather_than_wrong(judged: list[Judged]) -> None:
    edge = [one for one in judged if not one.assessable]
    assert {one.frame_state for one in edge if one.frame_state != one.expected} == {"unknown"}
    assert {one.frame_reason for one in edge if one.frame_state == "unknown"} <= {"truncated", "low-confidence"}
    assert {one.gear for one in edge} == set(GEAR)
