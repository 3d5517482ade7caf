"""From the camera threads to the hub: newest wins, what is due together goes together, nothing is sent late."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from safetygear.errors import HubError
from safetygear.frames.jpeg import from_properties
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, OutgoingMessage
from safetygear.messages.frames import FrameReference
from safetygear_capture.handover import MAX_REFERENCES, Handover, Mailbox, messages_of
from safetygear_capture.publisher import Publisher


def reference(camera: str, frame: int = 1) -> FrameReference:
    return FrameReference(
        camera=camera, frame=frame, ring=camera, epoch=7, slot=0, sequence=2, width=16, height=8, stride=16,
        pixel_format="i420", captured_at="2026-11-25T08:00:00.000Z", clock="arrival",
        decoded_at="2026-11-25T08:00:00.010Z",
    )  # fmt: skip


class Outcomes:
    """What each handed-over frame is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, str | None]] = []

    def handover(self, camera: str, frame: int = 1, shard: str = "default", jpeg: bytes | None = None) -> Handover:
        return Handover(
            shard, reference(camera, frame), lambda dropped: self.told.append((camera, frame, dropped)), jpeg
        )


async def test_the_newest_frame_of_a_camera_replaces_the_one_that_waits() -> None:
    outcomes, mailbox = Outcomes(), Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    for camera, frame in (("gate", 1), ("yard", 1), ("gate", 2)):
        mailbox.put(outcomes.handover(camera, frame))
    taken = await mailbox.take()
    assert [(item.reference.camera, item.reference.frame) for item in taken] == [("yard", 1), ("gate", 2)]
    assert outcomes.told == [("gate", 1, "superseded")]


async def test_a_put_from_another_thread_wakes_the_taker() -> None:
    mailbox = Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    taking = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    thread = threading.Thread(target=mailbox.put, args=(Outcomes().handover("gate"),))
    thread.start()
    assert len(await asyncio.wait_for(taking, 10)) == 1
    thread.join()


def test_a_put_after_the_loop_has_closed_is_no_error() -> None:
    mailbox, loop = Mailbox(), asyncio.new_event_loop()
    mailbox.bind(loop)
    loop.close()
    mailbox.put(Outcomes().handover("gate"))


def test_references_that_are_due_together_go_as_one_message_per_shard() -> None:
    outcomes = Outcomes()
    items = [outcomes.handover(f"c{n}", shard=("north", "south")[n % 2]) for n in range(5)]
    messages = messages_of(items)
    assert [(message.properties["shard"], len(items)) for message, items in messages] == [("north", 3), ("south", 2)]
    body = json.loads(messages[0][0].body)
    assert (body["schema"], body["shard"]) == ("safetygear.frames/1", "north")
    assert [one["camera"] for one in body["references"]] == ["c0", "c2", "c4"]
    assert messages[0][0].properties["schema"] == "safetygear.frames/1"


def test_a_message_is_bounded() -> None:
    outcomes = Outcomes()
    messages = messages_of([outcomes.handover(f"camera-{n:03}") for n in range(MAX_REFERENCES + 1)])
    assert [len(items) for _, items in messages] == [MAX_REFERENCES, 1]
    assert len(messages[0][0].body) < 200 * 1024


def test_a_picture_in_the_message_is_alone_in_it() -> None:
    outcomes = Outcomes()
    messages = messages_of([outcomes.handover("gate", jpeg=b"\xff\xd8x"), outcomes.handover("yard", jpeg=b"\xff\xd8y")])
    assert [message.body for message, _ in messages] == [b"\xff\xd8x", b"\xff\xd8y"]
    assert messages[0][0].content_type == "image/jpeg"
    assert from_properties(messages[0][0].properties) == reference("gate")
    assert messages[0][0].properties["shard"] == "default"


class SlowHub(FakeHub):
    """Takes messages and does not answer until told."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def send(self, message: OutgoingMessage) -> None:
        await self.answer.wait()
        await super().send(message)


@contextlib.contextmanager
def publishing(publisher: Publisher) -> Iterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()


async def opened(hub: FakeHub) -> FakeHub:
    await hub.open(HubHandlers())
    return hub


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_the_hub_takes_is_counted_as_sent() -> None:
    hub, outcomes, mailbox = await opened(FakeHub()), Outcomes(), Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    with publishing(publisher := Publisher(hub, mailbox)):
        mailbox.put(outcomes.handover("gate"))
        await settle()
    assert outcomes.told == [("gate", 1, None)]
    assert (dict(publisher.sent), dict(publisher.lost)) == ({"frames": 1}, {})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "hub-away"),
        (HubError("x", code="hub-unreachable"), "hub-unreachable"),
        (HubError("x", code="message-too-large", retryable=False), "message-too-large"),
    ],
)
async def test_what_it_does_not_take_is_dropped_and_counted_and_the_next_goes(
    error: HubError | None, reason: str
) -> None:
    hub, outcomes, mailbox = await opened(FakeHub()), Outcomes(), Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    if error is None:
        hub.set_connected(False)
    else:
        hub.fail_next_send(error)
    with publishing(publisher := Publisher(hub, mailbox)):
        mailbox.put(outcomes.handover("gate", 1))
        await settle()
        hub.set_connected(True)
        mailbox.put(outcomes.handover("gate", 2))
        await settle()
    assert outcomes.told == [("gate", 1, reason), ("gate", 2, None)]
    assert dict(publisher.lost) == {reason: 1}
    assert [json.loads(message.body)["references"][0]["frame"] for message in hub.sent] == [2]


async def test_while_the_hub_does_not_answer_newer_frames_replace_older_ones() -> None:
    hub: Any = await opened(SlowHub())
    outcomes, mailbox = Outcomes(), Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    with publishing(Publisher(hub, mailbox, send_timeout_s=60)):
        for frame in (1, 2, 3):
            mailbox.put(outcomes.handover("gate", frame))
            await settle()
        hub.answer.set()
        await settle()
    assert sorted(outcomes.told) == [("gate", 1, None), ("gate", 2, "superseded"), ("gate", 3, None)]


async def test_a_hub_that_never_answers_costs_one_send_timeout() -> None:
    hub, outcomes, mailbox = await opened(SlowHub()), Outcomes(), Mailbox()
    publisher = Publisher(hub, mailbox, send_timeout_s=0.01)
    (message, _), *_ = messages_of([outcomes.handover("gate")])
    assert await publisher.send(message) == "hub-timeout"
    assert dict(publisher.lost) == {"hub-timeout": 1}


@pytest.mark.parametrize("turns", range(6))
async def test_a_stop_in_the_very_moment_of_an_answer_is_a_stop(turns: int) -> None:
    hub: Any = await opened(SlowHub())
    mailbox = Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    task = asyncio.create_task(Publisher(hub, mailbox).run())
    mailbox.put(Outcomes().handover("gate"))
    await settle()
    hub.answer.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await settle()
    assert task.cancelled()
