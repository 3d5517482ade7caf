"""From the outbox through the sender to the hub, through lost connections and a failing disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from safetygear.errors import HubError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, OutgoingMessage
from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.pump import EXPIRE_EVERY_S, LANE_FULL_PAUSE_S, RETRY_CEILING_S, WINDOW, Pump
from safetygear_inference.outbox.store import OutboxError
from safetygear_inference.publishing.send_queue import Outgoing
from safetygear_inference.publishing.sender import Sender
from support.outbox import Scene, event, inline


class Flow:
    """An outbox, its pump, a sender and a hub."""

    def __init__(self, folder: Path) -> None:
        self.scene = Scene(folder)
        self.clock = self.scene.clock
        self.hub = FakeHub()
        self.problems: list[str] = []
        self.lane_open = True
        self._tasks: list[asyncio.Task[None]] = []
        self.build()

    def build(self) -> None:
        self.sender = Sender(
            self.hub,
            self.clock,
            on_lost=lambda lost: self.pump.lost(lost.message),
            on_sent=lambda sent: self.pump.sent(sent.message),
        )
        self.pump = Pump(
            self.scene.outbox,
            self._submit,
            self.clock,
            on_problem=lambda code, message: self.problems.append(code),
            on_solved=lambda: self.problems.append("solved"),
            off_loop=inline,
        )

    def _submit(self, message: OutgoingMessage) -> bool:
        return self.lane_open and self.sender.submit(Outgoing("events", message, 1, self.clock.monotonic_s()))

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(work) for work in (self.sender.run(), self.pump.run())]
        await self.settle()

    async def stop(self) -> None:
        """As a kill would: nothing is finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop_pump(self) -> None:
        self._tasks[1].cancel()

    async def settle(self, seconds: float = 0.0) -> None:
        await self.clock.advance(seconds)
        for _ in range(40):
            await self.clock.advance(0)

    def arrived(self) -> list[int]:
        return [decode(message.body, EventMessage).event_sequence for message in self.hub.sent]


@asynccontextmanager
async def flowing(folder: Path) -> AsyncIterator[Flow]:
    flow = Flow(folder)
    await flow.hub.open(HubHandlers())
    await flow.start()
    try:
        yield flow
    finally:
        await flow.stop()
        flow.scene.outbox.close()


async def test_events_reach_the_hub_and_leave_the_line(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        for name in "abc":
            flow.scene.append(name, "open", "high")
        flow.pump.wake()
        await flow.settle()
        assert flow.arrived() == [1, 2, 3]
        assert [message.message_id for message in flow.hub.sent] == ["e1-1", "e1-2", "e1-3"]
        assert flow.hub.sent[0].output == "events"
        assert flow.hub.sent[0].properties["state"] == "open"
        assert flow.scene.outbox.health().depth == 0


async def test_what_waited_before_the_start_is_sent(tmp_path: Path) -> None:
    flow = Flow(tmp_path)
    flow.scene.append("a")
    await flow.hub.open(HubHandlers())
    await flow.start()
    assert flow.arrived() == [1]
    await flow.stop()
    flow.scene.outbox.close()


async def test_a_night_without_a_hub_loses_nothing_and_opens_come_first(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        flow.hub.set_connected(False)
        for hour in range(6):
            flow.scene.outbox.append_all([event(f"{hour}-{number}") for number in range(50)], shard="default")
            flow.pump.wake()
            await flow.settle()
        opens = [flow.scene.append("late", "open", "high"), flow.scene.append("later", "closed", "high")]
        flow.pump.wake()
        await flow.settle(60.0)
        flow.clock.jump_wall_clock(8 * 3600.0)
        assert flow.arrived() == []
        health = flow.scene.outbox.health()
        assert (health.depth, health.oldest_age_s) == (302, pytest.approx(8 * 3600.0 + 60.0))
        flow.hub.set_connected(True)
        for _ in range(5):
            await flow.settle(3.0)
        assert sorted(flow.arrived()) == list(range(1, 303))
        assert max(flow.arrived().index(sequence) for sequence in opens) < WINDOW + 2
        assert flow.scene.outbox.health().depth == 0


async def test_a_connection_that_comes_and_goes_duplicates_but_loses_nothing(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        for number in range(60):
            flow.scene.append(f"{number}", "open", "high")
            if number % 7 == 0:
                flow.hub.fail_next_send(HubError("no answer", code="hub-timeout"))
            if number % 11 == 0:
                flow.hub.set_connected(number % 2 == 0)
            flow.pump.wake()
            await flow.settle(0.5)
        flow.hub.set_connected(True)
        for _ in range(10):
            await flow.settle(3.0)
        assert sorted(flow.arrived()) == list(range(1, 61))


async def test_what_was_in_flight_at_a_kill_is_sent_again_with_the_same_key(tmp_path: Path) -> None:
    class Deaf(FakeHub):
        async def send(self, message: OutgoingMessage) -> None:
            await super().send(message)
            await asyncio.Event().wait()  # taken, but the PUBACK never comes

    flow = Flow(tmp_path)
    flow.hub = Deaf()
    flow.build()
    await flow.hub.open(HubHandlers())
    flow.scene.append("a", "open", "high")
    await flow.start()
    (first,) = flow.hub.sent
    await flow.stop()
    flow.scene.restart()
    flow.hub = FakeHub()
    flow.build()
    await flow.hub.open(HubHandlers())
    await flow.start()
    (second,) = flow.hub.sent
    assert (second.body, second.message_id) == (first.body, first.message_id)
    await flow.stop()
    flow.scene.outbox.close()


async def test_a_message_the_hub_refuses_for_ever_holds_nobody_up(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        flow.hub.fail_next_send(HubError("too large", code="message-too-large", retryable=False))
        flow.scene.append("a", "open", "high")
        flow.scene.append("b", "open", "high")
        flow.pump.wake()
        await flow.settle()
        assert flow.arrived() == [2]
        answer = flow.scene.outbox.resend(1, 2)
        assert (answer.evicted, answer.queued) == (((1, 1),), 1)


async def test_a_resend_reaches_the_hub_again(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        for name in "abc":
            flow.scene.append(name)
        flow.pump.wake()
        await flow.settle()
        assert flow.scene.outbox.resend(2, 3).queued == 2
        flow.pump.wake()
        await flow.settle()
        assert flow.arrived() == [1, 2, 3, 2, 3]
        assert flow.hub.sent[1] == flow.hub.sent[3]


async def test_few_are_handed_over_at_a_time(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        flow.hub.set_connected(False)
        for number in range(3 * WINDOW):
            flow.scene.append(f"{number}")
        flow.pump.wake()
        await flow.settle()
        assert flow.sender.depth("events") <= WINDOW


async def test_a_full_lane_is_tried_again(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        flow.lane_open = False
        flow.scene.append("a")
        flow.pump.wake()
        await flow.settle()
        assert flow.arrived() == []
        flow.lane_open = True
        await flow.settle(LANE_FULL_PAUSE_S)
        assert flow.arrived() == [1]


async def test_a_disk_that_fails_after_the_puback_causes_no_second_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with flowing(tmp_path) as flow:
        works = flow.scene.outbox.acknowledged

        def fails(keys: object) -> None:
            raise OutboxError("no space left", code="data-full")

        monkeypatch.setattr(flow.scene.outbox, "acknowledged", fails)
        flow.scene.append("a")
        flow.pump.wake()
        await flow.settle()
        await flow.settle(60.0)
        assert flow.arrived() == [1]
        assert set(flow.problems) == {"data-full"}
        monkeypatch.setattr(flow.scene.outbox, "acknowledged", works)
        await flow.settle(RETRY_CEILING_S * 1.25)
        assert flow.problems[-1] == "solved"
        assert flow.arrived() == [1]
        assert flow.scene.outbox.health().depth == 0


async def test_old_copies_are_forgotten_by_and_by(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        flow.scene.outbox.config = OutboxConfig(keep_sent_days=0.001)
        flow.scene.append("a")
        flow.pump.wake()
        await flow.settle()
        assert flow.scene.outbox.resend(1, 1).not_kept == ()
        flow.pump.wake()
        await flow.settle(2 * EXPIRE_EVERY_S)
        assert flow.scene.outbox.resend(1, 1).not_kept == ((1, 1),)


async def test_what_the_hub_took_is_noted_at_the_end(tmp_path: Path) -> None:
    async with flowing(tmp_path) as flow:
        flow.hub.set_connected(False)
        flow.scene.append("a")
        flow.pump.wake()
        await flow.settle()
        flow.stop_pump()
        flow.hub.set_connected(True)
        await flow.settle(3.0)
        assert (flow.arrived(), flow.scene.outbox.health().depth) == ([1], 1)
        await flow.pump.flush()
        assert flow.scene.outbox.health().depth == 0
