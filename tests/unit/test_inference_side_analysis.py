"""Pixels beside the live analysis: copied from the slot they are still in, or refused; never a queue without end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from safetygear.errors import FrameError
from safetygear.frames.ring import FrameRingWriter
from safetygear.messages.frames import FrameReference
from safetygear_inference.intake import Arrival
from safetygear_inference.picture import Picture
from safetygear_inference.side_analysis import BUSY, WAITING, SideAnalysis
from safetygear_inference.thread_priority import NICE

NOW = "2026-11-25T09:00:00.000Z"


def frame(ring: FrameRingWriter, luma: int) -> Arrival:
    planes = [np.full((8, 16), luma, np.uint8), *(np.full((4, 8), 128, np.uint8) for _ in range(2))]
    slot = ring.write(planes, width=16, height=8, pixel_format="i420")
    reference = FrameReference(
        camera="gate", frame=1, ring=ring.name, epoch=ring.epoch, slot=slot.slot, sequence=slot.sequence, width=16,
        height=8, stride=slot.stride, pixel_format="i420", captured_at=NOW, clock="arrival", decoded_at=NOW,
    )  # fmt: skip
    return Arrival("default", reference, 0.0)


def luma(picture: Picture) -> int:
    return int(picture.planes[0][0, 0])


async def test_the_pixels_are_those_of_the_frame(tmp_path: Path) -> None:
    ring, side = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=1024), SideAnalysis(tmp_path)
    first, second = frame(ring, 50), frame(ring, 90)
    assert [await side.of(arrival, luma, purpose="test") for arrival in (first, second)] == [50, 90]
    frame(ring, 130)
    with pytest.raises(FrameError):
        await side.of(first, luma, purpose="test")
    side.close()
    ring.close()


async def test_too_much_at_once_is_refused_and_counted(tmp_path: Path) -> None:
    side, hold = SideAnalysis(tmp_path), threading.Event()
    under_way = [asyncio.create_task(side.run(hold.wait, purpose="test")) for _ in range(WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(FrameError) as caught:
        await side.run(hold.wait, purpose="snapshot")
    assert caught.value.code == BUSY
    assert side.refused == {"snapshot": 1}
    hold.set()
    await asyncio.gather(*under_way)
    assert await side.run(lambda: 1, purpose="snapshot") == 1
    side.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only there has a thread a priority of its own")
async def test_it_gives_way_to_the_workers_and_the_event_loop(tmp_path: Path) -> None:
    def own_nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    side, before = SideAnalysis(tmp_path), own_nice()
    assert await side.run(own_nice, purpose="test") == max(before, NICE)
    assert own_nice() == before
    side.close()
