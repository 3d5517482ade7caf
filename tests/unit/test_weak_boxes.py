"""Boxes below their threshold: which are looked at, and that they begin nothing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from safetygear.geometry import as_xyxy
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.camera_judge import CameraJudge, JudgedFrame, JudgingConfig
from safetygear_inference.judging.weak_boxes import (
    COUNTS_AT_MOST,
    WEAK_SHARE,
    for_judging,
    labelled,
    split,
    thresholds_of,
)
from safetygear_inference.picture import DetectedBoxes
from safetygear_inference.tracking import TrackIds, TrackingConfig

LABELS = ("Person", "helmet", "no_vest")
KNOWN = frozenset({"person", "helmet", "vest", "head", "no-vest"})
SIZE_PX = (1280, 720)


def boxes(*rows: tuple[int, float]) -> DetectedBoxes:
    """Of (class, probability), each at a place of its own."""
    xyxy = as_xyxy([(number / 10, 0.1, number / 10 + 0.05, 0.5) for number, _ in enumerate(rows)])
    return DetectedBoxes(
        xyxy, np.array([one for one, _ in rows], np.int64), np.array([one for _, one in rows], np.float32)
    )


def test_below_the_models_own_threshold_a_box_is_looked_at_and_below_the_twins_it_is_not() -> None:
    own = {"person": 0.4, "helmet": 0.5, "vest": 0.6}
    for wanted, default, shown, asked in [
        ({}, None, (0.4, 0.5, 0.6), (0.4 * WEAK_SHARE, 0.5 * WEAK_SHARE, 0.6 * WEAK_SHARE)),
        ({"helmet": 0.9}, None, (0.4, 0.9, 0.6), (0.4 * WEAK_SHARE, 0.9, 0.6 * WEAK_SHARE)),
        ({"helmet": 0.9}, 0.3, (0.3, 0.9, 0.3), (0.3, 0.9, 0.3)),
        ({"helmet": 0.0}, None, (0.4, 0.0, 0.6), (0.4 * WEAK_SHARE, 0.0, 0.6 * WEAK_SHARE)),
    ]:
        found = thresholds_of(own, wanted, default)
        assert tuple(found.shown[label] for label in own) == pytest.approx(shown)
        assert tuple(found.asked[label] for label in own) == pytest.approx(asked)
        assert found.shown_from(list(own)).tolist() == pytest.approx(list(shown))


def test_each_box_is_shown_or_weak_by_its_own_class() -> None:
    shown, weak = split(boxes((0, 0.5), (1, 0.5), (2, 0.4)), np.array([0.5, 0.6, 0.3], np.float32))
    assert (shown.class_id.tolist(), weak.class_id.tolist()) == ([0, 2], [1])
    together = for_judging(shown, weak, LABELS)
    assert (together.label, together.shown, together.weak) == (("person", "no-vest", "helmet"), 2, 1)
    assert together.probability.tolist() == pytest.approx([0.5, 0.4, COUNTS_AT_MOST])


class Scene:
    """One person of three boxes, frame by frame at 5 fps."""

    def __init__(self, tracking: TrackingConfig = TrackingConfig()) -> None:  # noqa: B008  # frozen
        plan = ZonePlan({}, {}, RulesConfig())
        self._episodes = Episodes(plan, EpisodeConfig(), origin="t")
        self.judge = CameraJudge(
            "gate", zones=plan.camera("gate"), config=JudgingConfig(tracking=tracking), ids=TrackIds("t"),
            episodes=self._episodes,
        )  # fmt: skip
        self._now_s = 0.0

    def frame(self, person: float, lack: float, *, weak: str = "") -> JudgedFrame:
        """A person's box and that of a bare torso; the one that `weak` names is so."""
        scale = np.array([*SIZE_PX, *SIZE_PX], np.float32)
        found = {"no-vest": ((620, 342, 680, 440), lack), "person": ((600, 300, 700, 560), person)}
        labels = tuple(sorted(found, key=lambda label: label == weak))
        rows = [found[label][0] for label in labels]
        probability = np.array([found[label][1] for label in labels], np.float32)
        self._now_s += 0.2
        return self.judge.judge(
            labelled(as_xyxy(rows) / scale, labels, probability, weak=1 if weak else 0),
            known=KNOWN, now_s=self._now_s, wall_s=self._now_s, dark=False, frame_size_px=SIZE_PX,
        )  # fmt: skip


@pytest.mark.parametrize("high", [0.4, 0.2])
def test_a_weak_box_begins_no_track_and_continues_one(high: float) -> None:
    scene = Scene(msgspec.structs.replace(TrackingConfig(), high_probability=high))
    assert all(not scene.frame(0.34, 0.9, weak="person").people for _ in range(20)), "nobody"
    (verdict,) = scene.frame(0.9, 0.9).people
    for _ in range(30):  # longer than an occlusion
        judged = scene.frame(0.34, 0.9, weak="person")
        assert [one.person.track for one in judged.people] == [verdict.person.track]
        assert judged.tracks == (verdict.person.track, verdict.person.track)


def test_weak_evidence_takes_longer_than_strong_one_does() -> None:
    def missing_after(weak: str) -> int:
        """Frames."""
        scene = Scene()
        return next(
            number for number in range(100)
            if [one.person.gear["vest"] for one in scene.frame(0.9, 0.9, weak=weak).people] == ["missing"]
        )  # fmt: skip

    assert missing_after("") < missing_after("no-vest") < 40
