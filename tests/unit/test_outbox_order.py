"""Which event goes first, and what a gap in the sequence means."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.messages.event import EventState, Severity
from safetygear_inference.outbox.order import (
    RESEND_EVICTION_RANK,
    RESEND_RANK,
    SEND_RANKS,
    as_ranges,
    eviction_rank,
    send_rank,
    without,
)

STATES: tuple[EventState, ...] = ("open", "update", "closed")
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
ALL = [(state, severity) for state, severity in product(STATES, SEVERITIES)]


def test_opens_and_closes_are_sent_before_updates_then_by_severity() -> None:
    ranked = sorted(ALL, key=lambda kind: send_rank(*kind))
    assert ranked == [
        ("open", "high"), ("closed", "high"), ("open", "medium"), ("closed", "medium"), ("open", "low"),
        ("closed", "low"), ("update", "high"), ("update", "medium"), ("update", "low"),
    ]  # fmt: skip
    assert send_rank("open", "high") == send_rank("closed", "high")  # by age: an open before its own close
    assert {send_rank(*kind) for kind in ALL} == set(SEND_RANKS)
    assert max(SEND_RANKS) < RESEND_RANK


def test_low_updates_are_evicted_first_and_high_closes_last() -> None:
    ranked = sorted(ALL, key=lambda kind: eviction_rank(*kind))
    assert ranked == [
        ("update", "low"), ("update", "medium"), ("update", "high"), ("open", "low"), ("closed", "low"),
        ("open", "medium"), ("closed", "medium"), ("open", "high"), ("closed", "high"),
    ]  # fmt: skip
    assert len({eviction_rank(*kind) for kind in ALL}) == len(ALL)
    assert min(eviction_rank(*kind) for kind in ALL) > RESEND_EVICTION_RANK


@pytest.mark.parametrize(
    ("sequences", "ranges"),
    [([], ()), ([4], ((4, 4),)), ([1, 2, 3], ((1, 3),)), ([1, 3, 4, 9], ((1, 1), (3, 4), (9, 9)))],
)
def test_ranges(sequences: list[int], ranges: tuple[tuple[int, int], ...]) -> None:
    assert as_ranges(sequences) == ranges


@pytest.mark.parametrize(
    ("first", "last", "known", "left"),
    [
        (1, 9, [], ((1, 9),)),
        (1, 9, [(1, 9)], ()),
        (1, 9, [(3, 4)], ((1, 2), (5, 9))),
        (1, 9, [(1, 1), (9, 9)], ((2, 8),)),
        (5, 4, [], ()),
    ],
)
def test_what_is_in_no_range(
    first: int, last: int, known: list[tuple[int, int]], left: tuple[tuple[int, int], ...]
) -> None:
    assert without(first, last, known) == left


@given(st.sets(st.integers(1, 40)), st.integers(1, 40), st.integers(0, 40))
def test_a_range_falls_into_what_is_known_and_the_rest(known: set[int], first: int, last: int) -> None:
    within = sorted(n for n in known if first <= n <= last)
    left = without(first, last, as_ranges(within))
    listed = sorted([n for a, b in left for n in range(a, b + 1)] + within)
    assert listed == list(range(first, last + 1))
