"""A stand-in for the capture module: writes pictures into a ring and sends their references."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from safetygear.clock import rfc3339
from safetygear.errors import HubError
from safetygear.frames.ring import FrameRingWriter, slot_bytes_for
from safetygear.hub.azure import AzureHub
from safetygear.hub.port import HubHandlers, HubPort, OutgoingMessage
from safetygear.messages.codec import encode
from safetygear.messages.frames import CamerasMessage, CameraStatus, FrameReference, FramesMessage

WIDTH, HEIGHT = 640, 360
Planes = tuple[NDArray[np.uint8], ...]


def grey_planes(level: int = 120) -> Planes:
    """An I420 picture with some texture."""
    luma = (np.random.default_rng(3).integers(-30, 30, (HEIGHT, WIDTH)) + level).clip(0, 255).astype(np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return luma, chroma, chroma


class FrameSource:
    """One camera of one shard."""

    def __init__(self, folder: Path, camera: str, shard: str, *, planes: Planes | None = None, slots: int = 8) -> None:
        self.camera, self.shard = camera, shard
        self._planes = planes or grey_planes()
        height, width = self._planes[0].shape
        self._ring = FrameRingWriter(folder, camera, slots=slots, slot_bytes=slot_bytes_for(width, height))
        self._started_at = rfc3339(time.time())
        self.frames = 0
        self.of_shard: list[FrameSource] = [self]
        """All cameras of the shard: a status that leaves one out says that it was removed."""

    def reference(self) -> FrameReference:
        """Write the next frame; where it lies."""
        self.frames += 1
        height, width = self._planes[0].shape
        written = self._ring.write(self._planes, width=width, height=height, pixel_format="i420")
        now = rfc3339(time.time())
        return FrameReference(
            camera=self.camera, frame=self.frames, ring=self._ring.name, epoch=self._ring.epoch, slot=written.slot,
            sequence=written.sequence, width=width, height=height, stride=written.stride, pixel_format="i420",
            captured_at=now, clock="arrival", decoded_at=now,
        )  # fmt: skip

    def frames_message(self) -> OutgoingMessage:
        message = FramesMessage(shard=self.shard, references=[self.reference()])
        return OutgoingMessage("frames", encode(message), {"schema": message.schema, "shard": self.shard})

    def cameras_message(self) -> OutgoingMessage:
        now = rfc3339(time.time())
        statuses = [source.status() for source in self.of_shard]
        message = CamerasMessage(shard=self.shard, sent_at=now, started_at=self._started_at, cameras=statuses)
        return OutgoingMessage("cameras", encode(message), {"schema": message.schema, "shard": self.shard})

    def status(self) -> CameraStatus:
        return CameraStatus(
            camera=self.camera, state="streaming", reason="ok", since=self._started_at, stall_budget_s=10,
            frames_decoded=self.frames, frames_sent=self.frames, dropped={}, decoded_fps=5.0,
        )  # fmt: skip

    async def run(self, hub: HubPort, fps: float) -> None:
        """Send frames at `fps` and a status each second, until cancelled; what a lost hub refuses is gone."""
        status_due_s = 0.0
        while True:
            messages = [self.frames_message()]
            if time.monotonic() >= status_due_s:
                messages.append(self.cameras_message())
                status_due_s = time.monotonic() + 1.0
            for message in messages:
                try:
                    await hub.send(message)
                except HubError:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1 / fps)

    def close(self) -> None:
        self._ring.close()


async def connect_as(environment: Mapping[str, str]) -> AzureHub:
    """The real adapter, connected as the module that `environment` names."""
    hub = AzureHub()
    with mock.patch.dict(os.environ, environment):
        await hub.open(HubHandlers())
    return hub
