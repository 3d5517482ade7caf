"""The first connection, and whether one is alive: on a fake clock with the fake hub."""

from __future__ import annotations

import asyncio
import logging

import pytest

from safetygear.clock import FakeClock
from safetygear.errors import HubError
from safetygear.hub.connect import open_unless_stopped, open_with_retry
from safetygear.hub.fake import FakeHub
from safetygear.hub.liveness import Liveness, watch
from safetygear.hub.port import HubHandlers

UNREACHABLE = HubError("no connection", code="hub-unreachable")
REFUSED = HubError("refused", code="hub-credentials-refused", retryable=False)


class Pauses:
    """1, 2, 3, … seconds."""

    def __init__(self) -> None:
        self._pause_s = 0.0

    def next_s(self) -> float:
        self._pause_s += 1
        return self._pause_s


def failing(*errors: HubError) -> FakeHub:
    hub = FakeHub()
    for error in errors:
        hub.fail_next(error)
    return hub


async def test_the_first_connection_is_tried_again_with_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    hub, clock = failing(UNREACHABLE, UNREACHABLE), FakeClock()
    with caplog.at_level(logging.INFO):
        task = asyncio.create_task(open_with_retry(hub, HubHandlers(), clock=clock, backoff=Pauses()))
        await clock.advance(0.9)
        assert not hub.connected
        await clock.advance(2.1)
        await task
    assert hub.connected
    assert [record.getMessage() for record in caplog.records] == [
        "edgeHub can't be reached (no connection); next attempt in 1.0 s",
        "edgeHub can't be reached (no connection); next attempt in 2.0 s",
        "connected to edgeHub after 3.0 s",
    ]


async def test_what_no_retry_cures_is_raised_at_once() -> None:
    with pytest.raises(HubError, match="refused"):
        await open_with_retry(failing(REFUSED), HubHandlers(), clock=FakeClock(), backoff=Pauses())


async def test_after_its_time_it_gives_up() -> None:
    hub, clock = failing(*[UNREACHABLE] * 20), FakeClock()
    task = asyncio.create_task(open_with_retry(hub, HubHandlers(), clock=clock, backoff=Pauses(), give_up_s=6))
    await clock.advance(5.9)
    assert not task.done()
    await clock.advance(0.2)
    with pytest.raises(HubError, match="no connection"):
        await task


async def test_a_module_that_is_told_to_stop_does_not_wait_for_its_hub() -> None:
    stopping, clock = asyncio.Event(), FakeClock()
    task = asyncio.create_task(open_unless_stopped(failing(*[UNREACHABLE] * 20), HubHandlers(), stopping, clock))
    await clock.advance(1)
    stopping.set()
    assert await task is False
    assert await open_unless_stopped(FakeHub(), HubHandlers(), asyncio.Event(), clock) is True
    with pytest.raises(HubError):
        await open_unless_stopped(failing(REFUSED), HubHandlers(), asyncio.Event(), clock)


def test_a_deaf_connection_is_given_up_after_its_time_and_not_before() -> None:
    liveness = Liveness(0.0, interval_s=30, deaf_after_s=90)
    assert liveness.seconds_to_probe(0.0) == 30
    assert liveness.failed(UNREACHABLE, connected=True, now_s=30) is None
    assert liveness.seconds_to_probe(30) == 10, "after a failure it looks more often"
    assert liveness.failed(UNREACHABLE, connected=True, now_s=119.9) is None
    verdict = liveness.failed(UNREACHABLE, connected=True, now_s=120)
    assert verdict is not None and (verdict.code, verdict.retryable) == ("hub-deaf", False)
    assert "has not answered for 120 s" in str(verdict)


def test_an_answer_forgets_the_silence() -> None:
    liveness = Liveness(0.0, deaf_after_s=90)
    liveness.failed(UNREACHABLE, connected=True, now_s=30)
    liveness.answered(100)
    assert liveness.seconds_to_probe(100) == 30
    assert liveness.seconds_to_probe(200) == 0
    assert liveness.failed(UNREACHABLE, connected=True, now_s=130) is None
    assert liveness.failed(UNREACHABLE, connected=True, now_s=219) is None
    assert liveness.failed(UNREACHABLE, connected=True, now_s=220) is not None


def test_a_lost_hub_is_waited_for_much_longer() -> None:
    liveness = Liveness(0.0, deaf_after_s=90, lost_after_s=900)
    for now_s in (30, 500, 929):
        assert liveness.failed(UNREACHABLE, connected=False, now_s=now_s) is None
    verdict = liveness.failed(UNREACHABLE, connected=False, now_s=930)
    assert verdict is not None and verdict.code == "hub-lost"


def test_deaf_and_lost_are_counted_apart() -> None:
    liveness = Liveness(0.0, deaf_after_s=90, lost_after_s=900)
    assert liveness.failed(UNREACHABLE, connected=True, now_s=30) is None
    assert liveness.failed(UNREACHABLE, connected=False, now_s=60) is None
    assert liveness.failed(UNREACHABLE, connected=True, now_s=130) is None, "the silence began anew"
    assert liveness.failed(UNREACHABLE, connected=False, now_s=980) is None, "so did being away"


def test_a_connection_that_comes_and_goes_without_an_answer_is_lost() -> None:
    liveness = Liveness(0.0, deaf_after_s=90, lost_after_s=900)
    for now_s in range(10, 990, 10):
        assert liveness.failed(UNREACHABLE, connected=now_s % 20 == 0, now_s=now_s) is None
    verdict = liveness.failed(UNREACHABLE, connected=False, now_s=990)
    assert verdict is not None and verdict.code == "hub-lost" and not verdict.retryable


def test_what_only_a_new_process_cures_ends_at_once() -> None:
    assert Liveness(0.0).failed(REFUSED, connected=True, now_s=1) is REFUSED


async def test_the_watch_ends_the_module_only_for_what_a_restart_cures() -> None:
    hub, clock = FakeHub(), FakeClock()
    await hub.open(HubHandlers())
    task = asyncio.create_task(watch(hub, clock))
    await clock.advance(300)
    assert not task.done()
    hub.fail_next(UNREACHABLE)
    await clock.advance(300)
    assert not task.done()
    hub.fail_next(REFUSED)
    await clock.advance(31)
    with pytest.raises(HubError, match="refused"):
        await task


async def test_the_watch_gives_a_lost_hub_up_after_15_minutes() -> None:
    hub, clock = FakeHub(), FakeClock()
    await hub.open(HubHandlers())
    hub.set_connected(False)
    task = asyncio.create_task(watch(hub, clock))
    await clock.advance(920)
    assert not task.done()
    await clock.advance(30)
    with pytest.raises(HubError) as caught:
        await task
    assert caught.value.code == "hub-lost"
