"""Who comes in where a violator has just gone out: surely somebody else, or perhaps the one who turned round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from safetygear_inference.compliance.course import Course, somebody_else
from safetygear_inference.compliance.episode import BoxTuple, EpisodeChange
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.observation import JudgedPerson

WIDTH, HEIGHT, LEVEL = 0.07, 0.3, 0.8
"""Of a person in 0..1 of the picture, and where the feet are."""
WALK = 2.0 * WIDTH
"""A second."""
LEAST_SEEN = 0.25
"""Of the width: with less in the picture there is no box."""

Middle = Callable[[float], float]
each_rate = pytest.mark.parametrize("fps", [2, 5, 10])


def seen(middle: float, level: float = LEVEL, scale: float = 1.0) -> BoxTuple | None:
    """The part in the picture of a person with that middle."""
    left, right = max(0.0, middle - WIDTH * scale / 2), min(1.0, middle + WIDTH * scale / 2)
    if right - left < LEAST_SEEN * WIDTH:
        return None
    return left, level - HEIGHT * scale, right, level


def course(
    fps: int, middle: Middle, *, seconds: float = 4.0, level: float = LEVEL, scale: float = 1.0, jitter: float = 0.0
) -> Course:
    """Of one who walks with his middle at `middle(seconds)`."""
    found, draw = Course(), np.random.default_rng(1)
    for step in range(round(seconds * fps) + 1):
        box = seen(middle(step / fps), level, scale)
        if box is not None:
            shaken = np.array(box) + draw.normal(0, 1, 4) * jitter * np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
            found.take(step / fps, tuple(np.clip(shaken, 0, 1).tolist()))
    return found


def out_over_left(s: float) -> float:
    return 0.3 - WALK * s


def in_over_left(s: float) -> float:
    return -WIDTH / 2 + WALK * s


def mirrored(middle: Middle) -> Middle:
    return lambda s: 1 - middle(s)


@each_rate
@pytest.mark.parametrize("over", ["left", "right"])
@pytest.mark.parametrize(
    ("level", "scale"),
    [(LEVEL + 0.1, 1.0), (LEVEL - 0.1, 1.0), (LEVEL, 1.25), (LEVEL, 0.8), (LEVEL + 0.04, 1.2)],
    ids=["nearer", "farther", "taller", "smaller", "nearer and larger"],
)
def test_who_comes_in_elsewhere_or_of_another_height_is_somebody_else(
    fps: int, over: str, level: float, scale: float
) -> None:
    turned: Callable[[Middle], Middle] = mirrored if over == "right" else lambda middle: middle
    lost = course(fps, turned(out_over_left))
    assert somebody_else(lost, course(fps, turned(in_over_left), level=level, scale=scale))


@each_rate
def test_one_who_went_slowly_and_one_who_runs_are_told_apart_too(fps: int) -> None:
    lost = course(fps, lambda s: 0.2 - 0.5 * WALK * s)
    assert somebody_else(lost, course(fps, lambda s: -WIDTH / 2 + 2 * WALK * s, level=LEVEL + 0.1))


@each_rate
@pytest.mark.parametrize(
    ("lost", "new"),
    [
        # What the boxes can't tell from one who turned round goes on: an event is not told twice.
        (out_over_left, in_over_left),
        # Missed for some frames on the way out.
        (lambda s: 0.15 - WALK * s, lambda s: 0.05 - WALK * s),
        # Stands at the edge, half out of the picture, and moves a little.
        (lambda s: 0.0, lambda s: 0.0),
        (lambda s: 0.2 * WIDTH * np.sin(3 * s), lambda s: 0.2 * WIDTH * np.sin(3 * s)),
        (out_over_left, lambda s: 0.01),
        # Stood there, and comes back in.
        (lambda s: max(0.0, out_over_left(s)), in_over_left),
        # Come to light by a step, or little by little, where he had gone.
        (out_over_left, lambda s: min(0.45, 1.5 * s) * WIDTH),
        (out_over_left, lambda s: 0.4 * s * WIDTH),
        # Gone over one edge, and come in over the other.
        (out_over_left, mirrored(in_over_left)),
        # Hidden far from the edge, and back.
        (lambda s: 0.6 - 0.5 * WALK * s, lambda s: 0.32 + WALK * s),
    ],
    ids=[
        "turned",
        "leaving",
        "standing",
        "swaying",
        "went and stands",
        "stood and came",
        "a step",
        "creeping",
        "other edge",
        "hidden",
    ],
)
@pytest.mark.parametrize("level", [LEVEL, LEVEL + 0.1])
def test_who_may_be_the_same_is_not_somebody_else(fps: int, lost: Middle, new: Middle, level: float) -> None:
    """At another level, too: but for the first, who turned round, whose level is all that speaks against it."""
    if level != LEVEL and (lost, new) == (out_over_left, in_over_left):
        return
    assert not somebody_else(course(fps, lost), course(fps, new, level=level))


@each_rate
@pytest.mark.parametrize("level", [LEVEL - 0.04, LEVEL, LEVEL + 0.04])
@pytest.mark.parametrize("scale", [0.92, 1.0, 1.08])
def test_boxes_that_shake_and_a_step_aside_make_nobody_another(fps: int, level: float, scale: float) -> None:
    lost = course(fps, out_over_left, jitter=0.02)
    assert not somebody_else(lost, course(fps, in_over_left, level=level, scale=scale, jitter=0.02))


@pytest.mark.parametrize("number", [0, 1])
def test_one_box_has_no_direction(number: int) -> None:
    new = course(5, in_over_left, level=LEVEL + 0.1)
    single = Course()
    for _ in range(number):
        single.take(1.0, (0.0, 0.5, 0.05, 0.8))
    assert not somebody_else(single, new)
    assert not somebody_else(new, single)


def test_who_is_cut_at_the_feet_has_no_height() -> None:
    lost = course(5, out_over_left, level=1.0)
    assert not somebody_else(lost, course(5, in_over_left, level=1.0, scale=1.3))


def test_boxes_without_width_or_of_one_moment_are_nobody_else() -> None:
    flat, still = Course(), Course()
    for step in range(4):
        flat.take(step / 5, (0.0, 0.5, 0.0, 0.8))
        still.take(1.0, (0.0, 0.5, 0.05, 0.8))
    assert not somebody_else(flat, flat)
    assert not somebody_else(still, course(5, in_over_left, level=LEVEL + 0.1))


def test_a_course_stays_short() -> None:
    long = course(10, lambda s: 0.5, seconds=600.0)
    assert len(long.early) < 12 and len(long.late) < 12
    assert long.early[0][0] == 0.0 and long.late[-1][0] == 600.0


def told(fps: int, gap_s: float, *, level: float, scale: float = 1.0, back: Middle = in_over_left) -> list[str]:
    """Two tracks of bare heads, one after the other at the left edge: what is told, by state and reason."""
    rules = RulesConfig(requires=("helmet",))
    episodes = Episodes(ZonePlan({}, {}, rules), EpisodeConfig(), origin="box/inference")
    changes: list[EpisodeChange] = []
    out_s = next(step / fps for step in range(999) if seen(0.7 - WALK * step / fps) is None)
    for step in range(round((out_s + gap_s + 12) * fps)):
        at_s = step / fps
        people = []
        box = seen(0.7 - WALK * at_s)
        if box is not None:
            people.append(judged("first", box, "missing"))
        since_s = at_s - out_s - gap_s
        box = seen(back(since_s), level, scale) if 0 <= since_s < 5 else None
        if box is not None:
            # The votes take a second.
            people.append(judged("second", box, "missing" if since_s > 1.0 else "unknown"))
        changes += episodes.update("gate", people, now_s=at_s, wall_s=1.79e9 + at_s)
    return [change.close_reason or change.state for change in changes]


def judged(track: str, box: BoxTuple, helmet: str) -> JudgedPerson:
    state = {"helmet": helmet}
    return JudgedPerson(track, np.array(box, np.float32), state, {"helmet": "seen"}, {"helmet": 0.9})  # type: ignore[arg-type]  # a state


@each_rate
@pytest.mark.parametrize("gap_s", [0.4, 1.4, 3.0])
def test_the_second_violator_of_a_doorway_is_told_and_the_first_has_left(fps: int, gap_s: float) -> None:
    assert sorted(told(fps, gap_s, level=LEVEL + 0.1)) == ["left", "open", "open", "track-lost"]
    assert sorted(told(fps, gap_s, level=LEVEL, scale=1.25)) == ["left", "open", "open", "track-lost"]


@each_rate
@pytest.mark.parametrize("gap_s", [0.4, 1.4, 3.0])
def test_who_comes_back_where_he_went_out_is_told_once(fps: int, gap_s: float) -> None:
    assert told(fps, gap_s, level=LEVEL) == ["open", "track-lost"]


@each_rate
def test_who_is_missed_on_his_way_out_is_told_once(fps: int) -> None:
    assert told(fps, 0.4, level=LEVEL + 0.1, back=lambda s: 0.03)[0] == "open"
    assert told(fps, 0.4, level=LEVEL, back=lambda s: 0.03 - 0.1 * WALK * s).count("open") == 1
