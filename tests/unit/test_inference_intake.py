"""What arrives is bounded and checked before anything trusts it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from safetygear.frames.jpeg import to_properties
from safetygear.hub.port import IncomingMessage
from safetygear.messages.codec import MessageError, encode
from safetygear.messages.frames import FrameReference, FramesMessage
from safetygear_inference.intake import FRAMES_KEPT, Inbox, read_frames

REFERENCE = FrameReference(
    camera="gate", frame=7, ring="gate", epoch=1, slot=0, sequence=2, width=640, height=360, stride=640,
    pixel_format="i420", captured_at="2026-11-24T08:00:00.000Z", clock="arrival", decoded_at="2026-11-24T08:00:00.010Z",
)  # fmt: skip


async def test_the_inbox_drops_the_oldest_frames_and_serves_statuses_first() -> None:
    inbox = Inbox()
    for number in range(FRAMES_KEPT + 3):
        inbox.put(IncomingMessage("frames", str(number).encode()))
    inbox.put(IncomingMessage("cameras", b"status"))
    inbox.put(IncomingMessage("elsewhere", b""))
    assert inbox.dropped == {"frames-inbox-full": 3, "unknown-input": 1}
    assert [(await inbox.take()).body for _ in range(2)] == [b"status", b"3"]


async def test_the_inbox_wakes_its_reader() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take())
    await asyncio.sleep(0)
    inbox.put(IncomingMessage("frames", b"x"))
    assert (await asyncio.wait_for(taking, 1.0)).body == b"x"


def test_references_and_pictures_are_both_read() -> None:
    by_ring = read_frames(
        IncomingMessage("frames", encode(FramesMessage(shard="north", references=[REFERENCE, REFERENCE])))
    )
    assert [(arrival.shard, arrival.reference, arrival.jpeg) for arrival in by_ring] == [("north", REFERENCE, None)] * 2
    body = b"\xff\xd8\xff\xe0 picture"
    by_message = read_frames(IncomingMessage("frames", body, {**to_properties(REFERENCE), "shard": "north"}))
    assert [(arrival.shard, arrival.reference, arrival.jpeg) for arrival in by_message] == [("north", REFERENCE, body)]
    assert by_message[0].decoded_s == pytest.approx(1795507200.010)


@pytest.mark.parametrize(
    "message",
    [
        IncomingMessage("frames", b""),
        IncomingMessage("frames", b"[]"),
        IncomingMessage("frames", b'{"shard": 3}'),
        IncomingMessage("frames", b"\xff\xd8 no properties"),
        IncomingMessage(
            "frames",
            encode(FramesMessage(shard="s", references=[msgspec.structs.replace(REFERENCE, decoded_at="yesterday")])),
        ),
        IncomingMessage("frames", b"\xff\xd8", {**to_properties(REFERENCE), "camera": "../etc"}),
    ],
)
def test_what_is_no_frames_message_is_refused(message: IncomingMessage) -> None:
    with pytest.raises(MessageError):
        read_frames(message)
