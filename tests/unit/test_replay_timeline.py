"""The order and the clock of recorded messages, over duplicates, late ones, restarts and clock steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.replay.timeline import Ordered, Taken, in_order


def ordered(*messages: tuple[str, int, float]) -> Ordered[str]:
    """Of (run, sequence, captured_s); the item is `run:sequence@captured_s`."""
    return in_order([Taken(run, number, at_s, f"{run}:{number}@{at_s:g}") for run, number, at_s in messages])


def names(found: Ordered[str]) -> list[str]:
    return [item for _, item in found.items]


def steps(found: Ordered[str]) -> list[float]:
    times = [now_s for now_s, _ in found.items]
    return [round(later - earlier, 6) for earlier, later in pairwise(times)]


def test_in_order_the_clock_is_the_wall_clock() -> None:
    found = ordered(("r", 1, 100.0), ("r", 2, 100.2), ("r", 3, 100.5))
    assert [now_s for now_s, _ in found.items] == pytest.approx([100.0, 100.2, 100.5])
    assert (found.duplicates, found.missing) == (0, 0)


@pytest.mark.parametrize("run", ["r", ""])
def test_late_ones_are_put_in_order_and_duplicates_left_out(run: str) -> None:
    found = ordered((run, 1, 1.0), (run, 3, 3.0), (run, 2, 2.0), (run, 3, 3.0), (run, 6, 6.0))
    assert names(found) == [f"{run}:{number}@{number}" for number in (1, 2, 3, 6)]
    assert (found.duplicates, found.missing) == (1, 2)


@pytest.mark.parametrize("run", ["r", ""])
def test_a_wall_clock_that_is_put_back_does_not_take_the_time_back(run: str) -> None:
    found = ordered((run, 1, 100.0), (run, 2, 100.2), (run, 3, 40.0), (run, 4, 40.2))
    assert names(found) == [f"{run}:1@100", f"{run}:2@100.2", f"{run}:3@40", f"{run}:4@40.2"]
    assert steps(found) == [0.2, 0.2, 0.2]


def test_after_a_long_gap_a_step_back_is_taken_for_two_seconds() -> None:
    assert steps(ordered(("r", 1, 0.0), ("r", 2, 50.0), ("r", 3, 10.0))) == [50.0, 2.0]


def test_a_step_back_at_the_very_begin_takes_no_time() -> None:
    assert steps(ordered(("r", 1, 100.0), ("r", 2, 40.0), ("r", 3, 40.5))) == [0.0, 0.5]


def test_a_restart_begins_the_numbers_anew() -> None:
    named = ordered(("a", 1, 1.0), ("a", 2, 2.0), ("b", 1, 9.0), ("a", 3, 3.0), ("b", 2, 10.0))
    assert names(named) == ["a:1@1", "a:2@2", "a:3@3", "b:1@9", "b:2@10"]
    unnamed = ordered(("", 1, 1.0), ("", 2, 2.0), ("", 1, 9.0), ("", 2, 10.0), ("", 3, 11.0))
    assert names(unnamed) == [":1@1", ":2@2", ":1@9", ":2@10", ":3@11"]
    assert (named.missing, named.duplicates, unnamed.missing, unnamed.duplicates) == (0, 0, 0, 0)


MESSAGES = st.lists(
    st.tuples(st.sampled_from(["a", "b", ""]), st.integers(0, 30), st.floats(0, 1e6)), min_size=1, max_size=60
)


@given(MESSAGES)
def test_time_never_goes_back_and_nothing_but_duplicates_is_lost(messages: list[tuple[str, int, float]]) -> None:
    found = ordered(*messages)
    times = [now_s for now_s, _ in found.items]
    assert times == sorted(times)
    assert len(found.items) + found.duplicates == len(messages)
    assert found.missing >= 0
    assert {(name.split(":")[0], name.split("@")[0]) for name in names(found)} == {
        (run, f"{run}:{number}") for run, number, _ in messages
    }
