"""Shows capture, once a second, that its frames are read: through the frames folder, or by message without one."""

from __future__ import annotations

import logging
from pathlib import Path

from safetygear.clock import Clock
from safetygear.environment import FramesTransport
from safetygear.errors import FrameError, HubError
from safetygear.frames.presence import ReaderBeat
from safetygear.hub.port import HubPort, OutgoingMessage
from safetygear.messages.codec import encode
from safetygear.messages.frames import ReadersMessage
from safetygear_inference.problems import Problems

READERS_OUTPUT = "readers"
BEAT_S = 1.0

log = logging.getLogger(__name__)


class Heartbeat:
    """One beat for every shard. None while the hub is away: frames sent then would only pile up in edgeHub's store."""

    def __init__(
        self,
        *,
        folder: Path,
        shards: tuple[str, ...],
        instance: str,
        transport: FramesTransport,
        hub: HubPort,
        problems: Problems,
        clock: Clock,
    ) -> None:
        self._beats = [ReaderBeat(folder, shard, instance) for shard in shards] if transport == "ring" else []
        self._message = ReadersMessage(instance=instance, shards=list(shards))
        self._hub = hub
        self._problems = problems
        self._clock = clock

    async def run(self) -> None:
        """Beat until cancelled. A frames folder that can't be written is a named problem, tried again each second."""
        try:
            while True:
                if self._hub.connected:
                    await self.beat()
                await self._clock.sleep(BEAT_S)
        finally:
            for beat in self._beats:
                beat.close()

    async def beat(self) -> None:
        """One beat now."""
        if not self._beats:
            message = OutgoingMessage(
                READERS_OUTPUT,
                encode(self._message),
                {"schema": self._message.schema, "instance": self._message.instance},
            )
            try:
                await self._hub.send(message)
            except HubError as exc:
                log.debug("a reader's heartbeat was not sent: %s", exc)
            return
        try:
            for beat in self._beats:
                beat.beat()
        except FrameError as exc:
            self._problems.raised("frames", exc.code, str(exc))
        else:
            self._problems.solved("frames")
