"""`safetygear.detections/1`: the boxes of one analysed frame."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from safetygear.messages.codec import BoundingBox, Message, Pixels, Sha256, UtcTime
from safetygear.messages.frames import CameraId, Clock

Worn = Literal["worn", "missing", "carried", "unknown"]
Status = Literal["compliant", "violation", "indeterminate"]


class FrameSize(Message, frozen=True, kw_only=True):
    """The analysed picture's size in pixels."""

    width: Pixels
    """Pixels per row of the analysed stream."""
    height: Pixels
    """Rows of the analysed stream."""


class ModelIdentity(Message, frozen=True, kw_only=True):
    """Which weights said so."""

    name: str
    """The model's name: its folder or file in the models folder."""
    version: str
    """What the export says of itself; empty where it says nothing."""
    sha256: Sha256
    """Digest of the weights' file."""


class Detection(Message, frozen=True, kw_only=True):
    """One box."""

    label: str
    """What it is, by the model's own labels (`person`, `helmet`, `vest`, …)."""
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How sure the model is."""
    bounding_box: BoundingBox
    """Where it is in the frame."""
    track: str | None = None
    """The tracked person it belongs to; null: nobody's, or not known yet whose."""


class SecondLook(Message, frozen=True, kw_only=True):
    """What a second network has answered of one person's head or torso."""

    label: str
    """The gear: `helmet` or `vest`."""
    answer: Literal["yes", "no"]
    """Whether it is worn. Where that can't be told, there is no entry."""
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How sure the answer is."""
    bounding_box: BoundingBox
    """The person's box, as in `detections` or `weakDetections`."""


class Person(Message, frozen=True, kw_only=True):
    """One tracked person's state of gear."""

    track: str
    """Id of the person's track: the same from frame to frame."""
    bounding_box: BoundingBox
    """Where the person is in the frame."""
    helmet: Worn
    """Whether a helmet is worn; `carried`: there is one, and not on the head."""
    vest: Worn
    """Whether a vest is worn; `carried`: there is one, and not on the body."""
    status: Status
    """The verdict under the rules of the zones the person stands in, as far as they are in force now."""
    reason: str
    """Why: `missing-` or `carried-` and the gear; `all-worn`, `nothing-required`; why it can't be told (`too-small`,
    `occluded`, `truncated`, `low-light`, `low-confidence`, `not-seen`, `undecided`, `label-missing`)."""


class LatencyMs(Message, frozen=True, kw_only=True):
    """Milliseconds spent per stage."""

    capture: float
    """From the picture being taken to its being decoded; 0 where the camera gives no clock."""
    queue: float
    """From the decoded frame to the start of its analysis: ring, hub hop and waiting."""
    inference: float
    """The network alone, without what comes before and after it."""
    total: float
    """From the picture being taken to the message being handed to the hub."""


class DetectionsMessage(Message, frozen=True, kw_only=True):
    """What was seen in one frame of one camera."""

    schema: Literal["safetygear.detections/1"] = "safetygear.detections/1"
    """Names this layout."""
    camera: CameraId
    """The camera's id in capture's module twin."""
    shard: str
    """The shard of cameras it belongs to."""
    sequence: int
    """Counts this camera's analysed frames since the inference process started: a gap is a message not sent."""
    frame_number: int
    """Capture's number of the frame: counts this camera's decoded frames since the capture process started."""
    captured_at: UtcTime
    """When the picture was taken, by the clock that `clock` names."""
    clock: Clock
    """Whose clock `capturedAt` is: `rtcp` the camera's own, `arrival` this device's when the frame was decoded."""
    frame: FrameSize
    """The analysed picture's size."""
    model: ModelIdentity
    """Which weights saw it."""
    dark: bool = False
    """Whether the picture is too dark to trust what is seen in it: boxes then count half in the judging."""
    detections: list[Detection]
    """The boxes; an empty list: looked and found nothing."""
    weak_detections: list[Detection] = msgspec.field(default_factory=list)
    """Boxes that do not reach their label's threshold, as far as somebody was judged by them: they continue a track or
    are weak evidence of gear. Not shown on the page; `replay` judges by them too."""
    second_looks: list[SecondLook] = msgspec.field(default_factory=list)
    """Answers of the second network, of people whose gear was in doubt in the frame before. They are evidence like
    boxes; `replay` judges by them too."""
    people: list[Person]
    """Tracked people with their gear, the most probable first. Empty too while the camera's picture is frozen."""
    latency_ms: LatencyMs
    """Time spent per stage."""
