"""How long pieces of work take, in turn, so that a slow moment of the machine hits all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

K = TypeVar("K")

WARM_UP = 2
LEAST_ROUNDS = 3
MOST_ROUNDS = 25


def medians_ms(
    work: Mapping[K, Callable[[], Any]], *, until_s: float, monotonic_s: Callable[[], float]
) -> dict[K, float]:
    """Median wall time of each piece, each once a round; rounds until `until_s`, but LEAST_ROUNDS in any case.

    Wall time, because a runtime may compute in a thread of its own, whose processor time would not be seen here.
    """
    took: dict[K, list[float]] = {name: [] for name in work}
    for number in range(WARM_UP + MOST_ROUNDS):
        if number >= WARM_UP + LEAST_ROUNDS and monotonic_s() >= until_s:
            break
        for name, piece in work.items():
            before_s = monotonic_s()
            piece()
            if number >= WARM_UP:
                took[name].append((monotonic_s() - before_s) * 1000)
    return {name: round(statistics.median(ms), 2) for name, ms in took.items()}
