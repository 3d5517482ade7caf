"""Time: the fake clock, RFC 3339, back-off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.backoff import Backoff
from safetygear.clock import FakeClock, SystemClock, epoch_s, rfc3339


async def test_time_passes_only_when_it_is_told_to() -> None:
    clock, log = FakeClock(now_s=100.0, monotonic_s=5.0), []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        log.append((name, clock.monotonic_s(), clock.now_s()))

    tasks = [asyncio.create_task(sleeper(name, s)) for name, s in (("late", 3.0), ("soon", 1.0), ("now", 0.0))]
    await asyncio.sleep(0)
    await clock.advance(0)
    assert log == [("now", 5.0, 100.0)]
    await clock.advance(2.5)
    assert log[1:] == [("soon", 6.0, 101.0)]
    assert (clock.monotonic_s(), clock.now_s()) == (7.5, 102.5)
    await clock.advance(0.5)
    assert log[2:] == [("late", 8.0, 103.0)]
    await asyncio.gather(*tasks)


async def test_a_sleeper_that_sleeps_again_wakes_within_one_advance() -> None:
    clock, ticks = FakeClock(), 0

    async def ticker() -> None:
        nonlocal ticks
        while True:
            await clock.sleep(1.0)
            ticks += 1

    task = asyncio.create_task(ticker())
    await clock.advance(5.5)
    assert ticks == 5
    task.cancel()
    await clock.advance(10)
    assert ticks == 5


async def test_the_wall_clock_may_jump_and_sleepers_do_not_care() -> None:
    clock = FakeClock(now_s=100.0)
    before_s = clock.monotonic_s()
    task = asyncio.create_task(clock.sleep(10))
    clock.jump_wall_clock(-3600)
    assert (clock.now_s(), clock.monotonic_s()) == (-3500.0, before_s)
    await clock.advance(9.9)
    assert not task.done()
    await clock.advance(0.2)
    assert task.done()


async def test_the_systems_clock() -> None:
    clock = SystemClock()
    first_s = clock.monotonic_s()
    await clock.sleep(0)
    assert clock.monotonic_s() >= first_s
    assert clock.now_s() > 1_700_000_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_507_200.123, "2026-11-24T08:00:00.123Z"),
        (0.9996, "1970-01-01T00:00:01.000Z"),
        (59.9999, "1970-01-01T00:01:00.000Z"),
        (0.0004, "1970-01-01T00:00:00.000Z"),
        (-1.5, "1969-12-31T23:59:58.500Z"),
    ],
)
def test_rfc_3339_with_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.floats(0, 4_000_000_000))
def test_there_and_back_to_the_millisecond(seconds: float) -> None:
    text = rfc3339(seconds)
    assert len(text) == 24 and text.endswith("Z")
    assert abs(epoch_s(text) - seconds) <= 0.000501


def test_reading_takes_any_offset_and_refuses_none() -> None:
    assert epoch_s("1970-01-01T01:00:00+01:00") == 0.0
    assert epoch_s("1970-01-01T00:00:00.5Z") == 0.5
    for text in ("1970-01-01T00:00:00", "yesterday", ""):
        with pytest.raises(ValueError, match=r"offset|Invalid isoformat"):
            epoch_s(text)


def test_pauses_grow_to_the_ceiling_and_begin_again() -> None:
    backoff = Backoff(first_s=1, ceiling_s=10, factor=3, jitter=0)
    assert [backoff.next_s() for _ in range(5)] == [1, 3, 9, 10, 10]
    backoff.reset()
    assert backoff.next_s() == 1


@given(st.floats(0.01, 10), st.floats(1, 100), st.floats(1, 5), st.floats(0, 0.99), st.integers())
def test_jitter_stays_within_its_share(first_s: float, times: float, factor: float, jitter: float, seed: int) -> None:
    ceiling_s = first_s * times
    backoff = Backoff(first_s=first_s, ceiling_s=ceiling_s, factor=factor, jitter=jitter, random=random.Random(seed))
    pause_s = first_s
    for _ in range(20):
        found_s = backoff.next_s()
        assert pause_s * (1 - jitter) * 0.999 <= found_s <= pause_s * (1 + jitter) * 1.001
        pause_s = min(ceiling_s, pause_s * factor)


def test_two_cameras_do_not_knock_at_once() -> None:
    make: Callable[[], Backoff] = lambda: Backoff(first_s=1, ceiling_s=10)  # noqa: E731  # the same twice
    assert make().next_s() != make().next_s()


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_s": 0, "ceiling_s": 1},
        {"first_s": 2, "ceiling_s": 1},
        {"first_s": 1, "ceiling_s": 2, "factor": 0.5},
        {"first_s": 1, "ceiling_s": 2, "jitter": 1},
        {"first_s": 1, "ceiling_s": 2, "jitter": -0.1},
    ],
)
def test_a_backoff_that_makes_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a back-off needs"):
        Backoff(**wrong)  # type: ignore[arg-type]  # a table
