"""`safetygear.detections/1`: the boxes of one analysed frame."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from safetygear.messages.codec import BoundingBox, Message
from safetygear.messages.frames import CameraId, Clock

Worn = Literal["worn", "missing", "carried", "unknown"]
Status = Literal["compliant", "violation", "indeterminate"]


class FrameSize(Message, frozen=True, kw_only=True):
    """The analysed picture's size in pixels."""

    width: int
    height: int


class ModelIdentity(Message, frozen=True, kw_only=True):
    """Which weights said so."""

    name: str
    version: str
    sha256: str


class Detection(Message, frozen=True, kw_only=True):
    """One box. `track` is null until tracking has given the box an id."""

    label: str
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]
    bounding_box: BoundingBox
    track: str | None = None


class Person(Message, frozen=True, kw_only=True):
    """One tracked person's state of gear."""

    track: str
    bounding_box: BoundingBox
    helmet: Worn
    vest: Worn
    status: Status
    reason: str


class LatencyMs(Message, frozen=True, kw_only=True):
    """Milliseconds spent per stage; `total` is from the frame's capture to the message being handed to the hub."""

    capture: float
    """Capture time to decoded frame (0 where the camera gives no clock)."""
    queue: float
    """Decoded frame to the start of its analysis: ring, hub hop and waiting."""
    inference: float
    total: float


class DetectionsMessage(Message, frozen=True, kw_only=True):
    """What was seen in one frame of one camera."""

    schema: Literal["safetygear.detections/1"] = "safetygear.detections/1"
    camera: CameraId
    shard: str
    sequence: int
    """Counts this camera's analysed frames since the inference process started: a gap is a message not sent."""
    frame_number: int
    """Capture's number of the frame: counts decoded frames."""
    captured_at: str
    clock: Clock
    frame: FrameSize
    model: ModelIdentity
    detections: list[Detection]
    people: list[Person]
    """Empty until tracking judges people."""
    latency_ms: LatencyMs
