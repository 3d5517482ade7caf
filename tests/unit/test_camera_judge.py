"""The parts of the judging put together: perfect boxes of the site scene give exactly the episodes that are true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from safetygear_inference.compliance.episode import EpisodeChange
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig, ZoneConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.camera_judge import CameraJudge, JudgedFrame, JudgingConfig
from safetygear_inference.judging.labels import canonical
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.tracking import TrackIds
from support.judged_clip import perfect_boxes
from support.site_scene import truth

ALL = frozenset({"person", "helmet", "vest", "head", "no-vest"})
WALL_S = 1_800_000_000.0
SIZE_PX = (1280, 720)
MINIMUM_S = 2.0


class Judging:
    """A camera's judge with everything at its default."""

    def __init__(self, *, rules: RulesConfig | None = None, zones: dict[str, ZoneConfig] | None = None) -> None:
        plan = ZonePlan({"demo": zones or {}}, {}, rules or RulesConfig())
        self.episodes = Episodes(plan, EpisodeConfig(), origin="test")
        self.judge = CameraJudge(
            "demo", zones=plan.camera("demo"), config=JudgingConfig(), ids=TrackIds("t"), episodes=self.episodes
        )
        self.changes: list[EpisodeChange] = []

    def frame(self, boxes: LabelledBoxes, t_s: float, *, known: frozenset[str] = ALL) -> JudgedFrame:
        judged = self.judge.judge(
            boxes, known=known, now_s=100 + t_s, wall_s=WALL_S + t_s, dark=False, frame_size_px=SIZE_PX
        )
        self.changes += judged.changes
        return judged

    def end(self, t_s: float) -> None:
        self.changes += self.episodes.camera_lost("demo", now_s=100 + t_s, wall_s=WALL_S + t_s)
        self.changes += self.episodes.tick(now_s=100 + t_s + 60, wall_s=WALL_S + t_s + 60)


def boxes(*rows: tuple[str, tuple[float, float, float, float]]) -> LabelledBoxes:
    """Label and x0, y0, x1, y1 in pixels of 1280x720."""
    scale = np.array([*SIZE_PX, *SIZE_PX], np.float32)
    xyxy = np.array([box for _, box in rows], np.float32).reshape(-1, 4) / scale
    return LabelledBoxes(xyxy, tuple(label for label, _ in rows), np.full(len(rows), 0.9, np.float32))


def worker(left: float = 600, *, helmet: bool = True, vest: bool = True) -> list[tuple[str, Any]]:
    """Somebody standing, 100 px wide and 260 px tall."""
    return [
        ("person", (left, 300, left + 100, 560)),
        ("helmet" if helmet else "head", (left + 32, 300, left + 68, 336)),
        ("vest" if vest else "no-vest", (left + 20, 342, left + 80, 440)),
    ]


@pytest.fixture(scope="module")
def clip() -> Judging:
    """The whole clip at 5 fps, then the camera goes."""
    judging, content = Judging(), truth()
    for frame in content["frames"][::2]:
        judging.frame(perfect_boxes(content, frame)[0], float(frame["t"]))
    judging.end(float(content["frames"][-1]["t"]))
    return judging


def opened(changes: Sequence[EpisodeChange]) -> list[tuple[str, str, float]]:
    return [
        (change.rule, change.reason, round(change.opened_at_s - WALL_S, 1))
        for change in changes
        if change.state == "open"
    ]


def test_the_clip_has_exactly_the_episodes_that_are_true(clip: Judging) -> None:
    assert [(rule, reason) for rule, reason, _ in opened(clip.changes)] == [
        ("no-helmet", "missing-helmet"),
        ("no-vest", "missing-vest"),
        ("no-helmet", "carried-helmet"),
    ]


def test_each_opens_soon_after_its_person_can_be_judged(clip: Judging) -> None:
    true = [event["assessable_start_s"] for event in truth()["events"]]
    for (rule, _, at_s), since_s in zip(opened(clip.changes), true, strict=True):
        assert since_s < at_s <= since_s + MINIMUM_S + 2.0, rule


def test_each_closes_when_it_is_over_and_says_why(clip: Judging) -> None:
    order = [change.id for change in clip.changes if change.state == "open"]
    # Who is lost is waited for, so closes come in another order than opens.
    closed = sorted((one for one in clip.changes if one.state == "closed"), key=lambda one: order.index(one.id))
    true = [event["end_s"] for event in truth()["events"]]
    assert [change.close_reason for change in closed] == ["left", "left", "complied"]
    for change, end_s in zip(closed, true, strict=True):
        assert change.closed_at_s is not None
        assert abs(change.closed_at_s - WALL_S - end_s) <= 1.2, change
    assert len({change.dedup_key for change in clip.changes}) == len(clip.changes)


def test_a_frame_says_who_is_judged_how_and_whose_each_box_is() -> None:
    judging = Judging()
    for number in range(20):
        judged = judging.frame(boxes(*worker(), *worker(900, helmet=False)), number * 0.2)
    assert [(one.status, one.reason) for one in judged.people] == [
        ("compliant", "all-worn"),
        ("violation", "missing-helmet"),
    ]
    first, second = (one.person.track for one in judged.people)
    assert judged.tracks == (first, first, first, second, second, second)


def test_a_box_that_is_nobody_s_has_no_track() -> None:
    judging = Judging()
    for number in range(5):
        judged = judging.frame(boxes(*worker(), ("helmet", (100, 600, 136, 636))), number * 0.2)
    assert judged.tracks[3] is None
    assert judged.tracks[0] is not None


def test_a_label_that_the_model_lacks_is_no_violation_and_says_so() -> None:
    judging = Judging(rules=RulesConfig(requires=("gloves", "helmet")))
    for number in range(40):
        judged = judging.frame(boxes(*worker()), number * 0.2)
    (one,) = judged.people
    assert (one.status, one.reason) == ("indeterminate", "label-missing")
    assert one.person.gear["helmet"] == "worn"
    assert judging.changes == []


def test_a_model_without_people_judges_nobody() -> None:
    judging = Judging()
    for number in range(20):
        judged = judging.frame(boxes(("helmet", (100, 100, 136, 136))), number * 0.2, known=frozenset({"helmet"}))
    assert (judged.people, judged.tracks, judging.changes) == ((), (None,), [])


def test_outside_every_zone_nothing_is_required() -> None:
    elsewhere = ZoneConfig(polygon=((0.0, 0.0), (0.2, 0.0), (0.2, 1.0), (0.0, 1.0)))
    judging = Judging(zones={"corner": elsewhere})
    for number in range(40):
        judged = judging.frame(boxes(*worker(helmet=False, vest=False)), number * 0.2)
    assert [(one.status, one.reason) for one in judged.people] == [("compliant", "nothing-required")]
    assert judging.changes == []


def test_nobody_is_tracked_in_an_ignored_zone() -> None:
    poster = ZoneConfig(kind="ignore", polygon=((0.4, 0.5), (0.7, 0.5), (0.7, 1.0), (0.4, 1.0)))
    judging = Judging(zones={"poster": poster})
    for number in range(20):
        judged = judging.frame(boxes(*worker(helmet=False)), number * 0.2)
    assert (judged.people, judging.changes) == ((), [])


@pytest.mark.parametrize(
    ("label", "name"),
    [("Hard_Hat", "helmet"), ("hardhat", "helmet"), ("NO-Safety Vest", "no-vest"), ("Person", "person"),
     ("no_vest", "no-vest"), ("Ear  Protection", "ear-protection"),
     ("NO-Hardhat", "no-helmet"), ("no_helmet", "no-helmet"), ("Without Helmet", "no-helmet"),
     ("With Helmet", "helmet"), ("reflective_vest", "vest"), ("Safety Vest", "vest"), ("Schutzhelm", "schutzhelm")],
)  # fmt: skip
def test_a_model_s_own_names_are_understood(label: str, name: str) -> None:
    assert canonical(label) == name
