"""Which event goes first: to the hub, and out of a full outbox. Pure.

To the hub: opens and closes before updates, then by severity, then by age; what is sent again goes after all of these.
Out of a full outbox: copies of sent events, then updates, and only then opens and closes: an open before the close of
the same severity, because a close tells all that its open did. Lower severities first, among equals the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable

from safetygear.messages.event import EventState, Severity

_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

SEND_RANKS = range(6)
"""What `send_rank` can return."""
RESEND_RANK = 10
"""Send rank of a sent event that somebody has asked for again."""
COPY_EVICTION_RANK, RESEND_EVICTION_RANK = 0, 1
"""The hub has once taken what is evicted with one of these: no event is lost."""

Range = tuple[int, int]
"""First and last sequence, both included."""


def send_rank(state: EventState, severity: Severity) -> int:
    """The lower, the sooner it is sent; equals go by age."""
    return 3 * (state == "update") + 2 - _SEVERITIES.index(severity)


def eviction_rank(state: EventState, severity: Severity) -> int:
    """Of an event that the hub has not taken. The lower, the sooner it goes; equals go by age."""
    if state == "update":
        return 10 + _SEVERITIES.index(severity)
    return 20 + 2 * _SEVERITIES.index(severity) + (state == "closed")


def as_ranges(sequences: Iterable[int]) -> tuple[Range, ...]:
    """Ascending sequences without repetition, as ranges."""
    ranges: list[Range] = []
    for sequence in sequences:
        if ranges and ranges[-1][1] == sequence - 1:
            ranges[-1] = (ranges[-1][0], sequence)
        else:
            ranges.append((sequence, sequence))
    return tuple(ranges)


def without(first: int, last: int, ranges: Iterable[Range]) -> tuple[Range, ...]:
    """What of `first..last` is in none of `ranges` (ascending, apart from each other, within it)."""
    left: list[Range] = []
    for start, end in ranges:
        if first < start:
            left.append((first, start - 1))
        first = end + 1
    if first <= last:
        left.append((first, last))
    return tuple(left)
