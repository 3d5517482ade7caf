"""The judging of all cameras: rules that change, what the model can't tell, and what is kept over a restart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from safetygear.errors import SafetyGearError
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.camera_judge import JudgedFrame
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LabelledBoxes

WALL_S = 1_800_000_000.0
CORNER = [[0, 0], [0.3, 0], [0.3, 1], [0, 1]]


def twin(**desired: Any) -> InferenceTwin:
    reading = read_desired(InferenceTwin, desired, last_good=None)
    assert reading.errors == ()
    return reading.config


def judges(token: str = "a") -> Judges:
    made = Judges(origin="d/i", token=token)
    made.model(("person", "helmet", "vest", "head", "no-vest"))
    return made


def bareheaded(of: Judges, camera: str, from_s: float, to_s: float) -> list[JudgedFrame]:
    """Somebody without a helmet in the middle of the picture, at 5 fps."""
    rows = np.array([(600, 300, 700, 560), (632, 300, 668, 336), (620, 342, 680, 440)], np.float32)
    boxes = LabelledBoxes(
        rows / np.array([1280, 720] * 2, np.float32), ("person", "head", "vest"), np.full(3, 0.9, np.float32)
    )
    times = np.arange(from_s, to_s, 0.2)
    return [
        of.judge(camera, boxes, now_s=float(at), wall_s=WALL_S + float(at), dark=False, frame_size_px=(1280, 720))
        for at in times
    ]


def test_cameras_are_judged_apart() -> None:
    made = judges()
    frames = bareheaded(made, "a", 0, 6) + bareheaded(made, "b", 0, 6)
    opened = [change for frame in frames for change in frame.changes]
    assert [(one.camera, one.state) for one in opened] == [("a", "open"), ("b", "open")]
    assert made.people() == {"a": {"violation": 1}, "b": {"violation": 1}}
    assert [one.camera for one in made.removed("a")] == ["a"]
    assert {one.camera for one in made.open_episodes()} == {"b"}


def nobody(of: Judges, camera: str, at_s: float) -> None:
    none = LabelledBoxes(np.zeros((0, 4), np.float32), (), np.zeros(0, np.float32))
    of.judge(camera, none, now_s=at_s, wall_s=WALL_S + at_s, dark=False, frame_size_px=(1280, 720))


def test_a_camera_is_quiet_once_nobody_is_followed_and_no_episode_is_open() -> None:
    made = judges()
    assert made.quiet("a")
    bareheaded(made, "a", 0, 0.2)
    assert not made.quiet("a")
    assert made.quiet("b")
    bareheaded(made, "a", 0.2, 6)
    at_s, seen = 6.0, []
    while not made.quiet("a"):
        at_s += 0.2
        nobody(made, "a", at_s)
        seen.append((made._cameras["a"].alive, len(made.open_episodes("a"))))
    assert (0, 1) in seen, "the episode outlives the track"
    assert seen[-1] == (0, 0)


def test_a_rule_that_is_taken_out_ends_its_episodes_and_another_twin_does_not() -> None:
    made = judges()
    bareheaded(made, "a", 0, 6)
    before = made.config_hash
    assert made.configure(twin(healthIntervalS=5, logLevel="DEBUG"), now_s=6) == []
    assert made.config_hash == before
    (closed,) = made.configure(twin(rules={"requires": ["vest"]}), now_s=6)
    assert (closed.close_reason, made.open_episodes()) == ("shift-end", [])
    assert made.config_hash != before


def test_the_digest_does_not_depend_on_the_order_in_which_zones_are_written() -> None:
    one, other = judges(), judges()
    zone = {"polygon": CORNER}
    one.configure(twin(zones={"a": {"x": zone, "y": zone}, "b": {"x": zone}}), now_s=0)
    other.configure(twin(zones={"b": {"x": zone}, "a": {"y": zone, "x": zone}}), now_s=0)
    assert one.config_hash == other.config_hash


@pytest.mark.parametrize(
    ("labels", "desired", "found"),
    [
        (("person", "Helmet", "VEST"), {}, []),
        (("person", "helmet"), {}, [("rules.requires", "unknown-label")]),
        (("helmet", "vest"), {}, [("model.name", "no-person-label")]),
        (
            ("person", "helmet", "vest"),
            {"zones": {"a": {"x": {"polygon": CORNER, "requires": ["gloves"]}}}},
            [("zones.a.x.requires", "unknown-label")],
        ),
    ],
)
def test_what_the_model_can_not_tell_is_named(
    labels: tuple[str, ...], desired: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    made = Judges(origin="d/i", token="a")
    assert made.errors() == (), "before there is a model nothing is known of it"
    made.configure(twin(**desired), now_s=0)
    made.model(labels)
    assert [(error.path, error.code) for error in made.errors()] == found


def test_what_is_private_is_the_camera_s_own() -> None:
    made = judges()
    made.configure(twin(zones={"a": {"windows": {"kind": "privacy", "polygon": CORNER}}}), now_s=0)
    assert [len(polygon) for polygon in made.privacy("a")] == [4]
    assert made.privacy("b") == ()


def test_a_restart_goes_on_counting_and_with_what_was_open() -> None:
    made, again = judges(), judges("b")
    bareheaded(made, "a", 0, 6)
    kept = made.state(now_s=6, wall_s=WALL_S + 6) | made.counted()
    assert again.restore(kept, now_s=1000, wall_s=WALL_S + 8) == []
    frames = bareheaded(again, "a", 1000, 1004)
    assert [change for frame in frames for change in frame.changes] == []
    assert {one.id for one in again.open_episodes()} == {one.id for one in made.open_episodes()}
    (before,), (after,) = made.kpi.hours(), again.kpi.hours()
    assert after.violating_s > before.violating_s > 3


@pytest.mark.parametrize("kept", [{"episodes": b"{}"}, {"kpi": b"[]"}, {"episodes": b"\xff"}])
def test_nothing_is_taken_over_of_what_can_not_be_read(kept: dict[str, bytes]) -> None:
    made = judges()
    with pytest.raises(SafetyGearError):
        made.restore(kept, now_s=0, wall_s=WALL_S)
    assert (made.open_episodes(), made.kpi.hours()) == ([], ())
