"""Several pieces of work timed in turn, so that a slow moment of the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from safetygear_workbench.bench.figures import median, percentile


@dataclass(frozen=True)
class Cost:
    """Milliseconds of this thread's processor time."""

    p50_ms: float
    p95_ms: float


def costs(work: Mapping[str, Callable[[], Any]], *, rounds: int, warm_up: int = 5) -> dict[str, Cost]:
    """Each piece once a round. Work in threads of its own is not seen."""
    took: dict[str, list[float]] = {name: [] for name in work}
    for number in range(warm_up + rounds):
        for name, piece in work.items():
            before_s = time.thread_time()
            piece()
            if number >= warm_up:
                took[name].append((time.thread_time() - before_s) * 1000)
    return {name: Cost(round(median(ms), 3), round(percentile(ms, 95), 3)) for name, ms in took.items()}
