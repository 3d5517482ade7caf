"""Time as an argument: pure code takes seconds, shells take a Clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: `now_s` for what people read, `monotonic_s` for every duration and deadline."""

    def now_s(self) -> float:
        """Wall clock, seconds since 1970-01-01 UTC. May jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go backwards (CLOCK_MONOTONIC; the same for all processes of a host)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for `seconds` of monotonic time."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeClock:
    """A clock for tests: time passes only in `advance`, which also wakes the sleepers that are due."""

    def __init__(self, now_s: float = 1_764_000_000.0, monotonic_s: float = 1000.0) -> None:
        self._now_s = now_s
        self._monotonic_s = monotonic_s
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic_s + seconds, wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking sleepers in the order in which they are due."""
        target_s = self._monotonic_s + seconds
        await _let_tasks_run()
        while True:
            due = sorted(
                (entry for entry in self._sleepers if entry[0] <= target_s and not entry[1].done()),
                key=lambda entry: entry[0],
            )
            if not due:
                break
            wake_s, wake = due[0]
            self._sleepers.remove(due[0])
            self._now_s += wake_s - self._monotonic_s
            self._monotonic_s = wake_s
            wake.set_result(None)
            await _let_tasks_run()
        self._now_s += target_s - self._monotonic_s
        self._monotonic_s = target_s

    def jump_wall_clock(self, seconds: float) -> None:
        """What NTP or a person does: the wall clock moves, the monotonic clock doesn't."""
        self._now_s += seconds


async def _let_tasks_run() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def rfc3339(epoch_s: float) -> str:
    """UTC RFC 3339 with milliseconds: `2026-11-24T08:00:00.123Z`."""
    # Rounded first: isoformat truncates, and 0.9996 s must become the next second.
    return datetime.fromtimestamp(round(epoch_s, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_s(text: str) -> float:
    """The inverse of `rfc3339`, to the millisecond. Raises ValueError for anything without a UTC offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    return moment.timestamp()
