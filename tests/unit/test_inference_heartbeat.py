"""Capture hears that its frames are read, and at once of which cameras every one is wanted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from safetygear.clock import FakeClock
from safetygear.environment import FramesTransport
from safetygear.frames.presence import ReaderWatch
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers
from safetygear.messages.codec import decode
from safetygear.messages.frames import ReadersMessage
from safetygear_inference.heartbeat import BEAT_S, Heartbeat
from safetygear_inference.problems import Problems


class Site:
    def __init__(self, folder: Path, transport: FramesTransport) -> None:
        self.clock, self.hub, self.wanted = FakeClock(), FakeHub(), ["gate"]
        self.heart = Heartbeat(
            folder=folder, shards=("default", "north"), instance="inference", transport=transport, hub=self.hub,
            problems=Problems(), clock=self.clock, every_frame=lambda: self.wanted,
        )  # fmt: skip


async def test_messages_go_each_second_and_at_once_with_a_change(tmp_path: Path) -> None:
    site = Site(tmp_path, "jpeg")
    await site.hub.open(HubHandlers())
    task = asyncio.create_task(site.heart.run())
    for _ in range(20):
        await site.clock.advance(0.1)
    assert len(site.hub.sent) == 3
    site.wanted = ["gate", "yard"]
    for _ in range(2):
        await site.clock.advance(0.1)
    messages = [decode(message.body, ReadersMessage) for message in site.hub.sent]
    assert [message.every_frame for message in messages] == [["gate"]] * 3 + [["gate", "yard"]]
    assert messages[0].shards == ["default", "north"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_beat_file_of_each_shard_says_it(tmp_path: Path) -> None:
    site = Site(tmp_path, "ring")
    watches = [ReaderWatch(tmp_path, shard) for shard in ("default", "north")]
    await site.heart.beat()
    for watch in watches:
        assert watch.present(0.0)
        assert (watch.wants("gate", 0.0), watch.wants("yard", 0.0)) == (True, False)
    site.wanted = []
    await site.heart.beat()
    for watch in watches:
        assert watch.present(BEAT_S)
        assert not watch.wants("gate", BEAT_S)


async def test_nobody_looks_between_two_beats_where_no_camera_sends_key_frames_alone(tmp_path: Path) -> None:
    clock, hub, looks = FakeClock(), FakeHub(), 0

    def every_frame() -> None:
        nonlocal looks
        looks += 1

    heart = Heartbeat(
        folder=tmp_path, shards=("default",), instance="inference", transport="jpeg", hub=hub, problems=Problems(),
        clock=clock, every_frame=every_frame,
    )  # fmt: skip
    await hub.open(HubHandlers())
    task = asyncio.create_task(heart.run())
    for _ in range(50):
        await clock.advance(0.1)
    assert len(hub.sent) == 6
    assert looks == 12, "before each beat, and in it"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
