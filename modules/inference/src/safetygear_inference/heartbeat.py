"""Shows capture, once a second, that its frames are read: through the frames folder, or by message without one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
LOOK_EVERY_S = 0.1

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
        every_frame: Callable[[], Sequence[str] | None] = lambda: None,
    ) -> None:
        """`every_frame`: the cameras of which key frames alone will not do now; None: no camera sends key frames alone,
        and nobody has to look between two beats."""
        self._beats = [ReaderBeat(folder, shard, instance) for shard in shards] if transport == "ring" else []
        self._instance = instance
        self._shards = list(shards)
        self._every_frame = every_frame
        self._told: tuple[str, ...] = ()
        self._hub = hub
        self._problems = problems
        self._clock = clock

    async def run(self) -> None:
        """Beat until cancelled. A frames folder that can't be written is a named problem, tried again each second."""
        try:
            due_s = self._clock.monotonic_s()
            while True:
                now_s = self._clock.monotonic_s()
                wanted = self._every_frame()
                # At once where a camera is wanted: each frame of somebody who has just come is one to judge him by.
                if now_s >= due_s or tuple(wanted or ()) != self._told:
                    due_s = now_s + BEAT_S
                    if self._hub.connected:
                        await self.beat()
                await self._clock.sleep(LOOK_EVERY_S if wanted is not None else BEAT_S)
        finally:
            for beat in self._beats:
                beat.close()

    async def beat(self) -> None:
        """One beat now."""
        self._told = tuple(self._every_frame() or ())
        if not self._beats:
            beat = ReadersMessage(instance=self._instance, shards=self._shards, every_frame=list(self._told))
            message = OutgoingMessage(READERS_OUTPUT, encode(beat), {"schema": beat.schema, "instance": beat.instance})
            try:
                await self._hub.send(message)
            except HubError as exc:
                log.debug("a reader's heartbeat was not sent: %s", exc)
            return
        try:
            for file in self._beats:
                file.beat(self._told)
        except FrameError as exc:
            self._problems.raised("frames", exc.code, str(exc))
        else:
            self._problems.solved("frames")
