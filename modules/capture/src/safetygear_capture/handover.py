"""From the camera threads to the hub: the newest frame of each stream waits here, older ones are dropped."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from safetygear.frames.jpeg import JPEG_CONTENT_TYPE, to_properties
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import encode
from safetygear.messages.frames import FrameReference, FramesMessage, Stream

FRAMES_OUTPUT = "frames"
MAX_REFERENCES = 256
"""In one message: about 100 KB."""


@dataclass(frozen=True)
class Handover:
    """One frame to be sent. `outcome` is told what became of it: None when sent, else the drop reason."""

    shard: str
    reference: FrameReference
    outcome: Callable[[str | None], None]
    jpeg: bytes | None = None
    """The picture itself, where the modules share no memory."""
    stream: Stream = "analysed"


class Mailbox:
    """`put` from any thread; `take` on the event loop. Bounded by one frame per stream; drop policy: newest wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, Stream], Handover] = {}
        self._filled = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """To be called on the loop that will `take`, before any `put`."""
        self._loop = loop

    def put(self, item: Handover) -> None:
        """Replace what still waits of the same stream."""
        key = item.reference.camera, item.stream
        with self._lock:
            older = self._waiting.pop(key, None)
            self._waiting[key] = item
        if older is not None:
            older.outcome("superseded")
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: the module ends
                self._loop.call_soon_threadsafe(self._filled.set)

    async def take(self) -> list[Handover]:
        """Everything that waits, oldest first; waits until there is something."""
        while True:
            self._filled.clear()
            with self._lock:
                waiting, self._waiting = list(self._waiting.values()), {}
            if waiting:
                return waiting
            await self._filled.wait()


def messages_of(items: list[Handover]) -> list[tuple[OutgoingMessage, list[Handover]]]:
    """One message per shard for references that are due together; one per frame where the picture is in the body."""
    messages: list[tuple[OutgoingMessage, list[Handover]]] = []
    by_shard: dict[str, list[Handover]] = defaultdict(list)
    for item in items:
        if item.jpeg is not None:
            messages.append((_jpeg_message(item, item.jpeg), [item]))
        else:
            by_shard[item.shard].append(item)
    for shard, together in by_shard.items():
        for first in range(0, len(together), MAX_REFERENCES):
            part = together[first : first + MAX_REFERENCES]
            message = FramesMessage(
                shard=shard,
                references=[item.reference for item in part if item.stream == "analysed"],
                key_frames=[item.reference for item in part if item.stream == "main"],
            )
            properties = {"schema": message.schema, "shard": shard}
            messages.append((OutgoingMessage(FRAMES_OUTPUT, encode(message), properties), part))
    return messages


def _jpeg_message(item: Handover, jpeg: bytes) -> OutgoingMessage:
    return OutgoingMessage(
        FRAMES_OUTPUT,
        jpeg,
        {**to_properties(item.reference), "shard": item.shard},
        content_type=JPEG_CONTENT_TYPE,
        content_encoding="binary",
    )
