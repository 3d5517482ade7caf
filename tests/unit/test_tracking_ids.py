"""Ids of tracks: short, and never given twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_inference.tracking.ids import SALTS, TrackIds, base36, start_token


def test_ids_count_up_behind_the_token_of_the_start() -> None:
    ids = TrackIds("m3x")
    assert [ids.next() for _ in range(37)][::12] == ["m3x-1", "m3x-d", "m3x-p", "m3x-11"]


@given(st.integers(0, 10**18))
def test_base_36_reads_back(number: int) -> None:
    assert int(base36(number), 36) == number


def test_starts_at_different_times_or_with_different_salts_give_no_id_twice() -> None:
    tokens = [start_token(*start) for start in ((0.0, 0), (0.0, 1), (1.0, 0), (1_800_000_000.0, 0), (-5.0, SALTS - 1))]
    first = [TrackIds(token).next() for token in tokens]
    assert len(set(first)) == len(first)
    assert start_token(0.0, SALTS + 1) == start_token(0.0, 1) == "00001"


@pytest.mark.parametrize("token", ["", "a" * 25, "A", "a-b", "a b", "é"])
def test_a_token_that_would_not_be_an_id_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        TrackIds(token)
