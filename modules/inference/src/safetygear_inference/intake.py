"""From the hub's handler to the scheduler: a bounded inbox, and the reading of what is in it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

from safetygear.clock import epoch_s
from safetygear.frames.jpeg import JPEG_CONTENT_TYPE, from_properties
from safetygear.hub.port import IncomingMessage
from safetygear.messages.codec import MessageError, decode
from safetygear.messages.frames import CamerasMessage, FrameReference, FramesMessage, Stream

FRAMES_INPUT = "frames"
CAMERAS_INPUT = "cameras"
FRAMES_KEPT = 128
"""Messages with frames that may wait for the event loop; with JPEG bodies of 200 KB they hold 25 MB."""
CAMERAS_KEPT = 32
"""Statuses that may wait: one a second and shard."""


@dataclass(frozen=True)
class Arrival:
    """One frame that came in. `jpeg` holds the picture itself where the modules share no memory."""

    shard: str
    reference: FrameReference
    decoded_s: float
    """Wall clock of the machine that decoded it, seconds."""
    jpeg: bytes | None = None
    stream: Stream = "analysed"
    """`main`: a key frame of the camera's main stream, which is not to be analysed."""


class Inbox:
    """What the hub handed over and nobody has read yet. Statuses go first; when full, the oldest go."""

    def __init__(self) -> None:
        self._frames: deque[IncomingMessage] = deque()
        self._cameras: deque[IncomingMessage] = deque()
        self._filled = asyncio.Event()
        self.dropped: Counter[str] = Counter()
        """Messages dropped since the start: `frames-inbox-full`, `cameras-inbox-full`, `unknown-input`."""

    def put(self, message: IncomingMessage) -> None:
        """The hub's handler: never blocks, never raises."""
        if message.input == FRAMES_INPUT:
            self._append(self._frames, message, FRAMES_KEPT, "frames-inbox-full")
        elif message.input == CAMERAS_INPUT:
            self._append(self._cameras, message, CAMERAS_KEPT, "cameras-inbox-full")
        else:
            self.dropped["unknown-input"] += 1

    async def take(self) -> IncomingMessage:
        """Wait for the next message."""
        while True:
            if self._cameras:
                return self._cameras.popleft()
            if self._frames:
                return self._frames.popleft()
            self._filled.clear()
            await self._filled.wait()

    def __len__(self) -> int:
        return len(self._frames) + len(self._cameras)

    def _append(self, lane: deque[IncomingMessage], message: IncomingMessage, kept: int, reason: str) -> None:
        lane.append(message)
        while len(lane) > kept:
            lane.popleft()
            self.dropped[reason] += 1
        self._filled.set()


def read_frames(message: IncomingMessage) -> list[Arrival]:
    """The frames in a message of the input `frames`, key frames of main streams first: frames that came with them may
    want them. Raises MessageError where they are not what they should be."""
    if is_jpeg(message):
        reference = from_properties(message.properties)
        shard = message.properties.get("shard", "default")
        return [Arrival(shard, reference, _decoded_s(reference), message.body)]
    frames = decode(message.body, FramesMessage)
    return [
        *(Arrival(frames.shard, one, _decoded_s(one), stream="main") for one in frames.key_frames),
        *(Arrival(frames.shard, one, _decoded_s(one)) for one in frames.references),
    ]


def read_cameras(message: IncomingMessage) -> CamerasMessage:
    """The status in a message of the input `cameras`. Raises MessageError."""
    return decode(message.body, CamerasMessage)


def is_jpeg(message: IncomingMessage) -> bool:
    """Whether the picture itself is in the body: it begins with JPEG's start-of-image marker, JSON with `{`.

    edgeHub hands system properties over in different ways, so the content type alone is no witness.
    """
    return message.body[:2] == b"\xff\xd8" or message.properties.get("contentType") == JPEG_CONTENT_TYPE


def _decoded_s(reference: FrameReference) -> float:
    try:
        epoch_s(reference.captured_at)
        return epoch_s(reference.decoded_at)
    except ValueError as exc:
        raise MessageError(f"FrameReference of {reference.camera}: {exc}") from exc
