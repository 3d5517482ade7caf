"""How many pictures may be taken: never more than the limits in any window, and nobody is crowded out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.learning.example import Reason
from safetygear_inference.learning.budget import DAY_S, HOUR_S, Budget, Taken

REASONS: tuple[Reason, ...] = ("uncertain", "vote-flip", "random")
START_S = 1_800_000_000.0


def ask(budget: Budget, camera: str, reason: Reason, now_s: float, **limits: Any) -> str | None:
    given = {"per_hour": 4, "per_day": 100, "reasons": REASONS} | limits
    return budget.refusal(camera, reason, now_s, **given)


def take(budget: Budget, camera: str, reason: Reason, now_s: float, **limits: Any) -> str | None:
    """One where it is allowed, or why not."""
    budget.watched(camera, now_s)
    why = ask(budget, camera, reason, now_s, **limits)
    if why is None:
        budget.take(f"{camera}-{now_s}", camera, reason, now_s)
    return why


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(REASONS),
            st.one_of(st.floats(0, 900), st.floats(0, 30_000), st.floats(-7200, 0)),
            st.booleans(),
        ),
        max_size=120,
    ),
    st.integers(1, 6),
    st.integers(1, 20),
)
def test_no_window_holds_more_than_its_limit(
    asked: list[tuple[str, Reason, float, bool]], per_hour: int, per_day: int
) -> None:
    """In real time, over restarts, and though the clock is set back (negative) now and then."""
    budget, clock_s, real_s = Budget(), START_S, 0.0
    times: list[float] = []
    for camera, reason, passed_s, restarts in asked:
        clock_s += passed_s
        real_s += max(0.0, passed_s)
        if restarts:
            kept, budget = budget.taken(), Budget()
            budget.restore(kept, clock_s)
        if take(budget, camera, reason, clock_s, per_hour=per_hour, per_day=per_day) is None:
            times.append(real_s)
    for length_s, limit in ((HOUR_S, per_hour), (DAY_S, per_day)):
        for begin_s in times:
            # The clock's seconds since 1970 have seven digits after the point.
            assert sum(begin_s <= at_s < begin_s + length_s - 1e-3 for at_s in times) <= limit


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(REASONS), st.floats(0, 600)), min_size=1, max_size=200),
    st.integers(8, 40),
)
def test_who_has_had_less_than_the_sure_part_is_not_refused(
    asked: list[tuple[str, Reason, float]], per_hour: int
) -> None:
    budget, now_s = Budget(), START_S
    for camera in "abcd":
        budget.watched(camera, now_s)
    for camera, reason, passed_s in asked:
        now_s += passed_s
        for one in "abcd":
            budget.watched(one, now_s)
        recent = [one for one in budget.taken() if one.taken_s > now_s - HOUR_S]
        of_camera = sum(one.camera == camera for one in recent)
        of_reason = sum(one.reason == reason for one in recent)
        why = take(budget, camera, reason, now_s, per_hour=per_hour, per_day=10_000)
        if of_camera < per_hour // 8 and of_reason < per_hour // 6:
            assert why is None


def test_half_of_an_hour_is_for_who_comes_first_and_half_is_shared_out() -> None:
    budget = Budget()
    budget.watched("quiet", START_S)
    answers = [take(budget, "busy", "uncertain", START_S + n, per_hour=8, reasons=("uncertain",)) for n in range(9)]
    assert answers == [None] * 6 + ["hour-camera"] * 3, "two of eight are kept for the other camera"
    assert take(budget, "quiet", "uncertain", START_S + 20, per_hour=8, reasons=("uncertain",)) is None
    assert ask(budget, "busy", "uncertain", START_S + HOUR_S, per_hour=8, reasons=("uncertain",)) is None


def test_room_is_kept_for_reasons_that_come_seldom() -> None:
    budget = Budget()
    answers = [take(budget, "a", "uncertain", START_S + n, per_hour=12) for n in range(10)]
    assert answers == [None] * 8 + ["hour-reason"] * 2
    assert take(budget, "a", "vote-flip", START_S + 30, per_hour=12) is None


def test_a_reason_that_is_named_twice_has_the_part_of_one() -> None:
    budget = Budget()
    reasons = ("uncertain", "random", "random")
    answers = [take(budget, "a", "uncertain", START_S + n, reasons=reasons) for n in range(4)]
    assert answers == [None] * 3 + ["hour-reason"]


def test_a_camera_that_is_gone_is_owed_nothing_an_hour_later() -> None:
    budget = Budget()
    budget.watched("gone", START_S)
    later_s = START_S + HOUR_S + 1
    answers = [take(budget, "a", "uncertain", later_s, per_hour=8, reasons=("uncertain",)) for _ in range(9)]
    assert answers == [None] * 8 + ["hour"]


def test_a_day_s_limit_is_a_limit_too() -> None:
    budget = Budget()
    hours = range(30)
    answers = [take(budget, "a", "random", START_S + hour * HOUR_S, per_day=3, reasons=("random",)) for hour in hours]
    assert [hour for hour in hours if answers[hour] is None] == [0, 1, 2, 24, 25, 26]
    assert answers[5] == "day"


def test_what_came_to_nothing_is_given_back() -> None:
    budget = Budget()
    taken = budget.take("x", "a", "random", START_S)
    assert ask(budget, "a", "random", START_S, per_hour=1, reasons=("random",)) == "hour"
    budget.give_back(taken)
    budget.give_back(taken)
    assert ask(budget, "a", "random", START_S, per_hour=1, reasons=("random",)) is None
    assert budget.taken() == []


def test_the_same_frame_once_more_gives_back_its_own_place_only() -> None:
    budget = Budget()
    budget.take("x", "a", "random", START_S)
    budget.give_back(budget.take("x", "a", "asked", START_S + 1))
    assert [(one.id, one.reason) for one in budget.taken()] == [("x", "random")]


@pytest.mark.parametrize(("taken_s", "free_after_s"), [(START_S - 3000, 600), (START_S + 9e8, 3600)])
def test_a_picture_of_the_future_counts_for_one_window_and_not_for_ever(taken_s: float, free_after_s: float) -> None:
    budget = Budget()
    budget.restore([Taken(id="x", camera="a", reason="random", taken_s=taken_s)], START_S)
    assert ask(budget, "a", "random", START_S + free_after_s - 1, per_hour=1, reasons=("random",)) == "hour"
    assert ask(budget, "a", "random", START_S + free_after_s, per_hour=1, reasons=("random",)) is None


def test_a_clock_that_was_a_year_ahead_blocks_for_one_window() -> None:
    budget = Budget()
    assert take(budget, "a", "random", START_S + 3e7, per_hour=1, reasons=("random",)) is None
    assert ask(budget, "a", "random", START_S, per_hour=1, reasons=("random",)) == "hour"
    assert ask(budget, "a", "random", START_S + 3599, per_hour=1, reasons=("random",)) == "hour"
    assert ask(budget, "a", "random", START_S + 3600, per_hour=1, reasons=("random",)) is None


def test_the_reason_that_was_served_least_goes_first() -> None:
    budget = Budget()
    for number in range(3):
        budget.take(f"u{number}", "a", "uncertain", START_S)
    budget.take("r", "a", "random", START_S)
    assert budget.rarest({"uncertain", "random", "vote-flip"}) == ["vote-flip", "random", "uncertain"]
