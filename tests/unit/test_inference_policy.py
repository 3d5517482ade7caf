"""Which frames become messages."""

from __future__ import annotations

import pytest

from safetygear.geometry import as_xyxy
from safetygear_inference.config import DetectionsConfig
from safetygear_inference.publishing.policy import DetectionsPolicy, Seen, differs

BOX = (0.1, 0.1, 0.3, 0.5)
NEAR = (0.11, 0.1, 0.31, 0.5)
FAR = (0.6, 0.1, 0.8, 0.5)
NOTHING_SEEN = Seen((), as_xyxy(()))


def seen(*boxes: tuple[str, tuple[float, float, float, float]]) -> Seen:
    return Seen(tuple(label for label, _ in boxes), as_xyxy([box for _, box in boxes]))


@pytest.mark.parametrize(
    ("before", "after", "moved_iou", "changed"),
    [
        (NOTHING_SEEN, NOTHING_SEEN, 0.5, False),
        (NOTHING_SEEN, seen(("person", BOX)), 0.5, True),
        (seen(("person", BOX)), seen(("helmet", BOX)), 0.5, True),
        (seen(("person", BOX)), seen(("person", BOX), ("person", FAR)), 0.5, True),
        (seen(("person", BOX)), seen(("person", NEAR)), 0.5, False),
        (seen(("person", BOX)), seen(("person", FAR)), 0.5, True),
        (seen(("person", BOX)), seen(("person", FAR)), 0.0, False),
        (seen(("person", BOX), ("helmet", FAR)), seen(("helmet", FAR), ("person", NEAR)), 0.5, False),
        # One box can't stand for two: the second person has moved away.
        (seen(("person", BOX), ("person", FAR)), seen(("person", BOX), ("person", NEAR)), 0.5, True),
    ],
)
def test_what_counts_as_a_change(before: Seen, after: Seen, moved_iou: float, changed: bool) -> None:
    assert differs(before, after, moved_iou=moved_iou) is changed


def script(config: DetectionsConfig, frames: list[tuple[float, Seen]]) -> list[str | None]:
    policy = DetectionsPolicy()
    reasons = []
    for now_s, boxes in frames:
        reason = policy.reason_to_send("cam", boxes, config=config, now_s=now_s)
        reasons.append(reason)
        if reason is not None:
            policy.sent("cam", boxes, now_s)
    return reasons


def test_all_sends_all() -> None:
    assert script(DetectionsConfig(policy="all"), [(0.0, NOTHING_SEEN)] * 3) == ["all"] * 3


def test_interval_sends_one_per_interval() -> None:
    frames = [(0.0, NOTHING_SEEN), (0.9, seen(("person", BOX))), (1.0, NOTHING_SEEN), (2.5, NOTHING_SEEN)]
    assert script(DetectionsConfig(policy="interval", interval_s=1), frames) == [
        "interval", None, "interval", "interval",
    ]  # fmt: skip


def test_changes_sends_changes_and_the_floor() -> None:
    config = DetectionsConfig(policy="changes", interval_s=1, floor_interval_s=10)
    person = seen(("person", BOX))
    frames = [(0.0, NOTHING_SEEN), (5.0, NOTHING_SEEN), (5.2, person), (5.4, NOTHING_SEEN), (6.2, NOTHING_SEEN)]
    assert script(config, [*frames, (16.1, NOTHING_SEEN), (16.2, NOTHING_SEEN)]) == [
        "change", None, "change", None, "change", None, "floor",
    ]  # fmt: skip


def test_a_shed_change_is_not_forgotten() -> None:
    config = DetectionsConfig(policy="changes", interval_s=1, floor_interval_s=1000)
    policy = DetectionsPolicy()
    policy.sent("cam", NOTHING_SEEN, 0.0)
    person = seen(("person", BOX))
    assert policy.reason_to_send("cam", person, config=config, now_s=2.0) == "change"
    assert policy.reason_to_send("cam", person, config=config, now_s=3.0) == "change"


def test_a_change_that_was_lost_on_the_way_is_told_again_unless_something_newer_is_under_way() -> None:
    config = DetectionsConfig(policy="changes", interval_s=1, floor_interval_s=1000)
    policy = DetectionsPolicy()
    policy.sent("cam", NOTHING_SEEN, 0.0)
    policy.sent("cam", seen(("person", BOX)), 5.0)
    policy.lost("cam", 0.0)
    assert policy.reason_to_send("cam", seen(("person", BOX)), config=config, now_s=700.0) is None
    policy.lost("cam", 5.0)
    assert policy.reason_to_send("cam", seen(("person", BOX)), config=config, now_s=700.0) == "change"
    policy.lost("nobody", 5.0)


def test_cameras_do_not_share_a_memory() -> None:
    policy = DetectionsPolicy()
    policy.sent("a", NOTHING_SEEN, 0.0)
    config = DetectionsConfig(policy="changes")
    assert policy.reason_to_send("a", NOTHING_SEEN, config=config, now_s=2.0) is None
    assert policy.reason_to_send("b", NOTHING_SEEN, config=config, now_s=2.0) == "change"
