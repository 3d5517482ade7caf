"""The figures behind `safetygear bench`: right by hand-made numbers, before any machine is measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.bench.figures import Search, fit, median, percentile
from safetygear_workbench.bench.processes import PAGE_BYTES, TICKS_PER_S, parse_stat


def test_a_straight_line_is_found_and_its_residuals_are_told() -> None:
    line = fit([1, 2, 4], [5, 7, 11])
    assert (line.slope, line.at_zero) == (pytest.approx(2), pytest.approx(3))
    assert line.residuals == pytest.approx((0, 0, 0), abs=1e-9)
    assert not line.is_flat


def test_noise_around_a_level_is_flat() -> None:
    assert fit([0, 1, 2, 3, 4, 5], [10, 12, 9, 11, 10.5, 10]).is_flat
    assert fit([0, 1], [10, 12]).is_flat, "two points tell nothing"


@pytest.mark.parametrize(("x", "y"), [([], []), ([1], [1]), ([2, 2], [1, 3]), ([1, 2], [1])])
def test_what_is_no_line_is_refused(x: list[float], y: list[float]) -> None:
    with pytest.raises(ValueError, match="line"):
        fit(x, y)


def test_nothing_measured_is_no_number() -> None:
    assert math.isnan(median([]))
    assert math.isnan(percentile([], 95))
    assert percentile([1, 2, 3, 4], 50) == 2.5


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 40))
def test_the_largest_that_works_is_found_and_the_next_shown_to_fail(most: int, first: int, limit: int) -> None:
    search, tried = Search(most=limit), []
    while (number := search.next(first)) is not None:
        assert number not in tried, "no number is measured twice"
        tried.append(number)
        search = search.tried(number, number <= most)
    assert search.found == min(most, limit)
    if most < limit:
        assert most + 1 in search.failed


def test_a_process_is_read_whatever_its_name() -> None:
    fields = "S 41 1 1 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 3 0 12345 1000 77 0"
    parent, used = parse_stat(f"42 (a) b (c) {fields}")
    assert (parent, used.cpu_s, used.rss_bytes) == (41, 200 / TICKS_PER_S, 77 * PAGE_BYTES)
    with pytest.raises(ValueError, match="stat"):
        parse_stat("42 (gone) S 1")
