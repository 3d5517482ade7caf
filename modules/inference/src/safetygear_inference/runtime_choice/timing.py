"""How long pieces of work take, in turn, so that a slow moment of the machine hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

K = TypeVar("K")

WARM_UP = 2
LEAST_ROUNDS = 3
MOST_ROUNDS = 15


def medians_ms(
    work: Mapping[K, Callable[[], Any]],
    *,
    until_s: float,
    monotonic_s: Callable[[], float] = time.monotonic,
    used_s: Callable[[], float] = time.thread_time,
) -> dict[K, float]:
    """Median of what `used_s` says of each piece, each once a round; rounds until `until_s`, but LEAST_ROUNDS always.

    Processor time of the calling thread: at a start everything else on the box starts too, and wall time would tell
    mostly of that. It needs runtimes that compute in the calling thread, as both do with one thread (held by a test).
    """
    took: dict[K, list[float]] = {name: [] for name in work}
    for number in range(WARM_UP + MOST_ROUNDS):
        if number >= WARM_UP + LEAST_ROUNDS and monotonic_s() >= until_s:
            break
        for name, piece in work.items():
            before_s = used_s()
            piece()
            if number >= WARM_UP:
                took[name].append((used_s() - before_s) * 1000)
    return {name: round(statistics.median(ms), 2) for name, ms in took.items()}
