"""What is queued reaches the hub, in the right order, through failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from safetygear.clock import FakeClock
from safetygear.errors import HubError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, OutgoingMessage
from safetygear_inference.publishing.send_queue import Lane, Outgoing
from safetygear_inference.publishing.sender import IN_FLIGHT, Sender


class Scene:
    def __init__(self, hub: FakeHub) -> None:
        self.hub, self.clock, self.lost, self.sent = hub, FakeClock(), list[Outgoing](), list[Outgoing]()
        self.sender = Sender(hub, self.clock, on_lost=self.lost.append, on_sent=self.sent.append)

    def submit(self, name: str, lane: Lane = "detections") -> None:
        message = OutgoingMessage(lane, b"{}", message_id=name)
        self.sender.submit(Outgoing(lane, message, 1, self.clock.monotonic_s()))

    def arrived(self) -> list[str | None]:
        return [message.message_id for message in self.hub.sent]


@asynccontextmanager
async def sending(hub: FakeHub | None = None) -> AsyncIterator[Scene]:
    scene = Scene(hub or FakeHub())
    await scene.hub.open(HubHandlers())
    task = asyncio.create_task(scene.sender.run())
    await scene.clock.advance(0)
    try:
        yield scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_messages_are_sent() -> None:
    async with sending() as scene:
        scene.submit("d")
        scene.submit("h", "health")
        await scene.clock.advance(0)
        assert sorted(map(str, scene.arrived())) == ["d", "h"]
        assert scene.sender.sent == {"detections": 1, "health": 1}


async def test_a_failed_send_is_tried_again_and_counted_as_maybe_twice() -> None:
    async with sending() as scene:
        scene.hub.fail_next_send(HubError("no answer", code="hub-timeout"))
        scene.submit("d")
        await scene.clock.advance(0)
        assert (scene.arrived(), scene.sent) == ([], [])
        await scene.clock.advance(1.0)
        assert scene.arrived() == ["d"]
        assert (scene.sender.retries, scene.sender.maybe_duplicated) == (1, 1)
        assert [sent.message.message_id for sent in scene.sent] == ["d"]


async def test_while_the_hub_is_away_nothing_is_attempted_and_nothing_lost() -> None:
    async with sending() as scene:
        scene.hub.set_connected(False)
        for number in range(30):
            scene.submit(str(number))
        await scene.clock.advance(30.0)
        assert scene.arrived() == []
        scene.hub.set_connected(True)
        await scene.clock.advance(3.0)
        assert sorted(map(int, filter(None, scene.arrived()))) == list(range(30))
        assert scene.sender.maybe_duplicated == 0
        assert scene.lost == []


async def test_what_has_expired_meanwhile_is_given_back() -> None:
    async with sending() as scene:
        scene.hub.set_connected(False)
        for number in range(IN_FLIGHT + 5):
            scene.submit(str(number))
        scene.submit("health", "health")
        await scene.clock.advance(700.0)
        scene.hub.set_connected(True)
        await scene.clock.advance(3.0)
        assert scene.arrived() == ["health"]
        assert len(scene.lost) == IN_FLIGHT + 5


async def test_a_message_that_is_too_large_is_dropped_alone() -> None:
    async with sending() as scene:
        scene.hub.fail_next_send(HubError("too large", code="message-too-large", retryable=False))
        scene.submit("large")
        await scene.clock.advance(0)
        scene.submit("small")
        await scene.clock.advance(0)
        assert scene.arrived() == ["small"]
        assert [lost.message.message_id for lost in scene.lost] == ["large"]
        assert scene.sender.evicted() == {"refused-message-too-large": 1}


async def test_a_connection_beyond_repair_ends_the_module() -> None:
    scene = Scene(FakeHub())
    await scene.hub.open(HubHandlers())
    scene.hub.fail_next_send(HubError("refused", code="hub-credentials-refused", retryable=False))
    scene.submit("d")
    with pytest.raises(ExceptionGroup) as raised:
        await scene.sender.run()
    assert raised.group_contains(HubError, match="refused")


class SlowHub(FakeHub):
    """Detections wait for ever for their PUBACK."""

    async def send(self, message: OutgoingMessage) -> None:
        if message.output == "detections":
            await asyncio.Event().wait()
        await super().send(message)


async def test_health_does_not_wait_behind_detections_that_hang() -> None:
    async with sending(SlowHub()) as scene:
        for number in range(3 * IN_FLIGHT):
            scene.submit(str(number))
        await scene.clock.advance(0)
        scene.submit("health", "health")
        await scene.clock.advance(0)
        assert scene.arrived() == ["health"]
        assert await scene.sender.drain(0.0) == 3 * IN_FLIGHT
