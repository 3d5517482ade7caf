"""From capture to inference: where a frame's pixels lie (`safetygear.frames/1`), and how the cameras are
(`safetygear.cameras/1`). Neither goes to IoT Hub."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from safetygear.messages.codec import Message

Clock = Literal["rtcp", "arrival"]
PixelFormat = Literal["i420", "nv12"]
CameraState = Literal[
    "idle", "connecting", "streaming", "stalled", "backing-off", "refused", "paused", "silent", "stopped"
]

CAMERA_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
CameraId = Annotated[str, msgspec.Meta(pattern=CAMERA_ID_PATTERN)]


class FrameReference(Message, frozen=True, kw_only=True):
    """Where one frame lies in a ring, and when it was taken. A ring is named, never given as a path."""

    camera: CameraId
    frame: int
    """Counts this camera's decoded frames since its capture process started."""
    ring: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    epoch: int
    """Random per writer start: a reference from before a restart never matches."""
    slot: int
    sequence: int
    """The slot's seqlock value when the frame was whole; even. Another value: the slot was used again."""
    width: int
    height: int
    stride: int
    """Bytes per row of the Y plane; I420's chroma rows take half of it, NV12's all of it."""
    pixel_format: PixelFormat
    captured_at: str
    """RFC 3339: the camera's clock where RTCP gives it (`clock`: rtcp), else when the frame was decoded."""
    clock: Clock
    decoded_at: str
    """RFC 3339: when the decoder handed the frame over, by this machine's clock."""


class FramesMessage(Message, frozen=True, kw_only=True):
    """References that were due together."""

    schema: Literal["safetygear.frames/1"] = "safetygear.frames/1"
    shard: str
    references: list[FrameReference]


class CameraStatus(Message, frozen=True, kw_only=True):
    """What capture knows of one camera."""

    camera: CameraId
    state: CameraState
    reason: str
    """Machine-readable: `ok`, or why the camera is not streaming (`auth-failed`, `stall`, `not-found`, …)."""
    since: str
    """RFC 3339: when the state was entered."""
    stall_budget_s: float
    frames_decoded: int
    """Since the capture process started; so are the next two."""
    frames_sent: int
    dropped: dict[str, int]
    """By reason."""
    decoded_fps: float
    """Over the last ten seconds."""
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    seconds_streaming: float = 0.0
    """Since the capture process started: the time in state `streaming`."""
    seconds_frozen: float = 0.0
    """Since the capture process started: the time in which decoded pictures did not change."""


class CamerasMessage(Message, frozen=True, kw_only=True):
    """The state of every camera of a capture shard: on each change of a state, and every second."""

    schema: Literal["safetygear.cameras/1"] = "safetygear.cameras/1"
    shard: str
    sent_at: str
    started_at: str
    cameras: list[CameraStatus]


class ReadersMessage(Message, frozen=True, kw_only=True):
    """An inference instance shows that it reads a shard; used where modules share no memory."""

    schema: Literal["safetygear.readers/1"] = "safetygear.readers/1"
    instance: str
    shards: list[str]
