"""One camera's recorded messages in the order in which they were made, and a clock that never goes back. Pure.

Messages come twice, late or in another order, and wall clocks are put right: the sequence number says the order within
one start of the module, and the time between two frames is what their wall clock says as long as it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LONGEST_GUESS_S: Final = 2.0
"""Where the wall clock went back, a frame is taken to be as long after the last as that after its own, at most."""


@dataclass(frozen=True)
class Taken(Generic[T]):
    """One message as it was recorded."""

    run: str
    """The module's start that made it; empty where it is not known."""
    sequence: int
    captured_s: float
    """UTC epoch seconds."""
    item: T


@dataclass(frozen=True)
class Ordered(Generic[T]):
    """`items`: (now_s, item) in order; `now_s` begins as the first one's wall clock."""

    items: tuple[tuple[float, T], ...]
    duplicates: int
    missing: int
    """Numbers between a start's first and last one that did not come."""


def in_order(taken: Sequence[Taken[T]]) -> Ordered[T]:
    """One camera's messages, in the order in which they were recorded."""
    items: list[tuple[float, T]] = []
    duplicates = missing = 0
    now_s = before_s = None
    step_s = 0.0
    for run in _runs(taken):
        first_of: dict[int, Taken[T]] = {}
        for one in run:
            first_of.setdefault(one.sequence, one)
        duplicates += len(run) - len(first_of)
        missing += max(first_of) - min(first_of) + 1 - len(first_of)
        for _, one in sorted(first_of.items()):
            if now_s is None or before_s is None:
                now_s = one.captured_s
            else:
                passed_s = one.captured_s - before_s
                if passed_s >= 0:
                    step_s = min(passed_s, LONGEST_GUESS_S)
                now_s += passed_s if passed_s >= 0 else step_s
            before_s = one.captured_s
            items.append((now_s, one.item))
    return Ordered(tuple(items), duplicates, missing)


def _runs(taken: Sequence[Taken[T]]) -> list[list[Taken[T]]]:
    """The messages of each start of the module, the starts in the order in which they were first heard of."""
    named: dict[str, list[Taken[T]]] = {}
    for one in taken:
        named.setdefault(one.run, []).append(one)
    return [part for name, run in named.items() for part in ([run] if name else _split(run))]


def _split(run: list[Taken[T]]) -> list[list[Taken[T]]]:
    """Messages that don't say their start: a number that begins anew at a later time is another one's."""
    parts: list[list[Taken[T]]] = []
    newest: Taken[T] | None = None
    for one in run:
        if newest is None or (one.sequence <= newest.sequence and one.captured_s > newest.captured_s):
            parts.append([])
            newest = None
        parts[-1].append(one)
        if newest is None or one.sequence > newest.sequence:
            newest = one
    return parts
