"""Tells inference how the cameras are: each second, and at once when a state changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from safetygear.clock import Clock, rfc3339
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import encode
from safetygear.messages.frames import CamerasMessage, CameraStatus
from safetygear_capture.publisher import Publisher

CAMERAS_OUTPUT: Final = "cameras"
STATUS_EVERY_S: Final = 1.0
TOGETHER_S: Final = 0.1
"""Changes within this time go out together."""


class StatusSender:
    """One message per shard that is read. A shard whose last camera has gone is told so: it would look silent."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        instance: str,
        statuses: Callable[[], Mapping[str, Sequence[CameraStatus]]],
        missing: Callable[[str], str | None],
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._instance = instance
        self._statuses = statuses
        self._missing = missing
        self._clock = clock
        self._started_at = rfc3339(clock.now_s())
        self._shards: set[str] = set()
        """All that had cameras since the start: the readers of one that has none any more hear it too."""
        self._changed = True
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def changed(self) -> None:
        """Some camera's state has changed; from any thread."""
        self._changed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: the module ends
                self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Send until cancelled."""
        self._loop = asyncio.get_running_loop()
        due_s = self._clock.monotonic_s()
        while True:
            # First: a change from now on is seen below, or wakes.
            self._woken.clear()
            now_s = self._clock.monotonic_s()
            if self._changed or now_s >= due_s:
                self._changed, due_s = False, now_s + STATUS_EVERY_S
                await self.send()
                await self._clock.sleep(TOGETHER_S)
            else:
                await self._changed_within(due_s - now_s)

    async def _changed_within(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._woken.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((woken, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            slept.cancel()

    async def send(self) -> None:
        """One message to each shard with a reader; edgeHub would keep the others on disk (iotedge#7509)."""
        statuses = self._statuses()
        self._shards |= statuses.keys()
        for shard in sorted(self._shards):
            if self._missing(shard) is None:
                await self._publisher.send(self._message(shard, statuses.get(shard, ())))

    def _message(self, shard: str, cameras: Sequence[CameraStatus]) -> OutgoingMessage:
        message = CamerasMessage(
            shard=shard,
            instance=self._instance,
            sent_at=rfc3339(self._clock.now_s()),
            started_at=self._started_at,
            cameras=list(cameras),
        )
        return OutgoingMessage(CAMERAS_OUTPUT, encode(message), {"schema": message.schema, "shard": shard})
