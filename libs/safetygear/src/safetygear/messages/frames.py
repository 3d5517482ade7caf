"""From capture to inference: where a frame's pixels lie (`safetygear.frames/1`), and how the cameras are
(`safetygear.cameras/1`). Neither goes to IoT Hub."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from safetygear.messages.codec import Message, Pixels, UtcTime

Clock = Literal["rtcp", "arrival"]
PixelFormat = Literal["i420", "nv12"]
Stream = Literal["analysed", "main"]
"""Which of a camera's streams: the one whose frames are analysed, or its larger one beside it, of which only key frames
are decoded."""
CameraState = Literal[
    "idle", "connecting", "streaming", "stalled", "backing-off", "refused", "paused", "silent", "stopped"
]
DecodedFrames = Literal["all", "key-frames", "key-frames-when-quiet"]
Decoder = Literal["software", "vaapi"]

CAMERA_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
CameraId = Annotated[str, msgspec.Meta(pattern=CAMERA_ID_PATTERN)]


class FrameReference(Message, frozen=True, kw_only=True):
    """Where one frame lies in a ring, and when it was taken. A ring is named, never given as a path."""

    camera: CameraId
    """The camera's id in capture's module twin."""
    frame: int
    """Counts this camera's decoded frames since its capture process started."""
    ring: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    """The ring's file in the shared frames folder."""
    epoch: int
    """Random per writer start: a reference from before a restart never matches."""
    slot: int
    """Which of the ring's slots holds the frame."""
    sequence: int
    """The slot's seqlock value when the frame was whole; even. Another value: the slot was used again."""
    width: Pixels
    """Pixels per row."""
    height: Pixels
    """Rows."""
    stride: Annotated[int, msgspec.Meta(extra_json_schema={"x-unit": "bytes"})]
    """Bytes per row of the Y plane; I420's chroma rows take half of it, NV12's all of it."""
    pixel_format: PixelFormat
    """How the planes lie in the slot."""
    captured_at: UtcTime
    """The camera's clock where RTCP gives it (`clock`: rtcp), else when the frame was decoded."""
    clock: Clock
    """Whose clock `capturedAt` is: `rtcp` the camera's own, `arrival` this device's."""
    decoded_at: UtcTime
    """When the decoder handed the frame over, by this device's clock."""


class FramesMessage(Message, frozen=True, kw_only=True):
    """References that were due together."""

    schema: Literal["safetygear.frames/1"] = "safetygear.frames/1"
    """Names this layout."""
    shard: str
    """The shard of all the cameras in it."""
    references: list[FrameReference]
    """One per camera that has a new frame."""
    key_frames: list[FrameReference] = msgspec.field(default_factory=list)
    """Key frames of main streams, in rings of their own: to cut pictures from, never to be analysed as frames. A reader
    that does not know the field sees none of them."""


class MainStreamStatus(Message, frozen=True, kw_only=True):
    """What capture knows of a camera's main stream, of which only key frames are decoded."""

    state: CameraState
    """What the connection does now."""
    reason: str
    """`ok`, or why no key frames come."""
    since: UtcTime
    """When the state was entered."""
    key_frames_decoded: int
    """Key frames decoded since the capture process started."""
    key_frames_sent: int
    """References the hub has taken since the capture process started."""
    dropped: dict[str, int]
    """Key frames not sent since the capture process started, by reason."""
    width: Pixels | None = None
    """Pixels per row of the stream; null while it does not stream."""
    height: Pixels | None = None
    """Rows of the stream; null while it does not stream."""
    codec: str | None = None
    """The stream's codec; null while it does not stream."""


class CameraStatus(Message, frozen=True, kw_only=True):
    """What capture knows of one camera."""

    camera: CameraId
    """The camera's id in capture's module twin."""
    state: CameraState
    """What the camera does now."""
    reason: str
    """`ok`, or why the camera is not streaming as it should (`auth-failed`, `stall`, …: the list is in twin.md)."""
    since: UtcTime
    """When the state was entered."""
    stall_budget_s: float
    """Without a picture for so long the camera counts as stalled, as configured."""
    frames_decoded: int
    """Pictures decoded since the capture process started."""
    frames_sent: int
    """References the hub has taken since the capture process started."""
    dropped: dict[str, int]
    """Frames not sent since the capture process started, by reason."""
    decoded_fps: float
    """Decoded pictures per second over the last ten seconds."""
    width: Pixels | None = None
    """Pixels per row of the stream; null while it does not stream."""
    height: Pixels | None = None
    """Rows of the stream; null while it does not stream."""
    codec: str | None = None
    """The stream's codec; null while it does not stream."""
    seconds_streaming: float = 0.0
    """Since the capture process started: the time in state `streaming`."""
    seconds_frozen: float = 0.0
    """Since the capture process started: the time in which decoded pictures did not change."""
    priority: float = 1.0
    """Its share of the analyses where there are not enough for all, as configured."""
    frames: DecodedFrames = "all"
    """Which of the stream's pictures are decoded, as configured."""
    every_frame: bool = True
    """Whether all of them are decoded now."""
    kept: dict[str, int] = msgspec.field(default_factory=dict)
    """What became of the pictures that are kept between key frames, since the capture process started: how often all
    pictures were wanted, and these were `decoded`, or there were none and the next key frame was `waited` for; and how
    often there were `too-many`, so that they were let go."""
    decoder: Decoder | None = None
    """What decodes them; null while it does not stream."""
    decoder_reason: str = ""
    """Why it is software though the configuration asks for another one (the list is in deploy.md)."""
    main_stream: MainStreamStatus | None = None
    """The camera's main stream; null where it is not opened. Whatever it does, the fields above are not about it."""


class CamerasMessage(Message, frozen=True, kw_only=True):
    """The state of every camera that a capture module has in a shard: on each change of a state, and every second."""

    schema: Literal["safetygear.cameras/1"] = "safetygear.cameras/1"
    """Names this layout."""
    shard: str
    """The shard of all the cameras in it."""
    sent_at: UtcTime
    """When the message was made."""
    started_at: UtcTime
    """When the capture process started: another time means that all counts began again."""
    cameras: list[CameraStatus]
    """Every camera that this instance has in the shard; one that is missing was removed."""
    instance: str = ""
    """The capture instance's name: several may have cameras in one shard. Empty from versions that did not say it."""


class ReadersMessage(Message, frozen=True, kw_only=True):
    """An inference instance shows that it reads a shard; used where modules share no memory."""

    schema: Literal["safetygear.readers/1"] = "safetygear.readers/1"
    """Names this layout."""
    instance: str
    """Who reads: the inference instance's name."""
    shards: list[str]
    """The shards it reads."""
    every_frame: list[CameraId] | None = None
    """Cameras that are not quiet: something moves, somebody is followed, or an episode is open. Of the others, key
    frames will do. null, as from versions that did not say it: nothing is known of that."""
