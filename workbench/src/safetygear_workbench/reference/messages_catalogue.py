"""Every message schema with what a reader has to know beside its fields, and an example made of the real types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from safetygear.messages.codec import BoundingBox, Message
from safetygear.messages.detections import Detection, DetectionsMessage, FrameSize, LatencyMs, ModelIdentity, Person
from safetygear.messages.event import EventMessage, Evidence
from safetygear.messages.frames import (
    CamerasMessage,
    CameraStatus,
    FrameReference,
    FramesMessage,
    MainStreamStatus,
    ReadersMessage,
)
from safetygear.messages.health import (
    BudgetHealth,
    CameraHealth,
    EvidenceHealth,
    HealthMessage,
    LatencyPercentiles,
    LearningDrift,
    LearningHealth,
    QueueHealth,
    ZoneCompliance,
)


@dataclass(frozen=True)
class MessageEntry:
    """One schema."""

    schema: str
    kind: type[Message]
    module: str
    """Who sends it."""
    output: str
    when: str
    example: Message
    properties: Mapping[str, str]
    """The example's routing properties; a test compares them with what the modules send."""
    reading: tuple[str, ...] = field(default=())
    """Paragraphs for who reads it."""


PROPERTY_MEANINGS = {
    "schema": "the message's schema",
    "camera": "the camera's id",
    "shard": "the shard of cameras; in health all shards of the instance, separated by commas",
    "rule": "the rule that was broken",
    "severity": "`low`, `medium` or `high`",
    "state": "`open`, `update` or `closed`",
    "instance": "the inference instance's name",
}

_MODEL = ModelIdentity(
    name="ppe_yolox_nano_relu_384x640",
    version="1",
    sha256="9b1f0c2f5d7a4e63a8d0c7be5f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c",
)

_DETECTIONS = DetectionsMessage(
    camera="gate-2",
    shard="default",
    sequence=1482,
    frame_number=4449,
    captured_at="2026-11-25T09:14:03.250Z",
    clock="rtcp",
    frame=FrameSize(width=640, height=360),
    model=_MODEL,
    detections=[
        Detection(
            label="person",
            probability=0.9312,
            track="mif3k2a10x7p-3",
            bounding_box=BoundingBox(left=0.41203, top=0.22871, width=0.12044, height=0.53402),
        ),
        Detection(
            label="helmet",
            probability=0.8817,
            track="mif3k2a10x7p-3",
            bounding_box=BoundingBox(left=0.44912, top=0.22913, width=0.04418, height=0.07305),
        ),
    ],
    people=[
        Person(
            track="mif3k2a10x7p-3",
            bounding_box=BoundingBox(left=0.41203, top=0.22871, width=0.12044, height=0.53402),
            helmet="worn",
            vest="missing",
            status="violation",
            reason="missing-vest",
        )
    ],
    latency_ms=LatencyMs(capture=62.0, queue=18.4, inference=31.7, total=117.9),
)

_EVENT = EventMessage(
    id="ep-5f2c1a9b7d3e4f60718293a4",
    event_sequence=318,
    outbox_epoch="20261120T071502Z-5b7e19c0",
    dedup_key="ep-5f2c1a9b7d3e4f60718293a4:open",
    rule="no-helmet",
    severity="high",
    state="open",
    camera="gate-2",
    zone="loading-bay",
    track="mif3k2a10x7p-3",
    track_now="mif3k2a10x7p-3",
    began_at="2026-11-25T09:14:01.050Z",
    opened_at="2026-11-25T09:14:03.250Z",
    updated_at="2026-11-25T09:14:03.250Z",
    reason="missing-helmet",
    seconds_violating=2.2,
    confidence=0.94,
    evidence=Evidence(
        uri="/evidence/ep-5f2c1a9b7d3e4f60718293a4-1.jpg",
        sha256="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        blurred=True,
    ),
    model=_MODEL,
    config_hash="5d41402abc4b2a76",
)

_HEALTH = HealthMessage(
    instance="inference",
    period_started_at="2026-11-25T09:13:00.000Z",
    period_ended_at="2026-11-25T09:14:00.000Z",
    cameras=[
        CameraHealth(
            camera="gate-2",
            state="streaming",
            reason="ok",
            seconds_watched=54.2,
            seconds_blind=5.8,
            seconds_frozen=0.0,
            seconds_dark=0.0,
            seconds_blurred=1.4,
            frames_in=1355,
            analysed=271,
            dropped={"shed": 3},
            latency_ms=LatencyPercentiles(p50=104.6, p95=148.2),
        )
    ],
    queues=QueueHealth(detections=0, outbox=0, evicted={}),
    newest_event_sequence=318,
    outbox_epoch="20261120T071502Z-5b7e19c0",
    open_episodes=1,
    compliance=[
        ZoneCompliance(
            camera="gate-2",
            zone="loading-bay",
            hour="2026-11-25T09:00:00.000Z",
            seconds_compliant=1841.2,
            seconds_violating=93.4,
            seconds_indeterminate=210.8,
            precision=0.93,
        )
    ],
    evidence=EvidenceHealth(
        pictures=212,
        bytes=5_913_204,
        waiting_for_upload=0,
        stored=212,
        uploaded=0,
        failed={"overwritten": 1},
        evicted={},
    ),
    learning=LearningHealth(
        examples=143,
        bytes=15_204_118,
        awaiting_verdict=9,
        taken={"disagreement": 31, "judged-false": 4, "random": 12, "uncertain": 58},
        refused={"hour-reason": 911, "near-duplicate": 37, "pause": 5120},
        failed={},
        evicted={},
        drift=[LearningDrift(camera="gate-2", label="helmet", stability_index=0.31)],
    ),
    budget=BudgetHealth(daily_blocks=100_000, used_blocks=6204, shedding=False, shed_messages=0),
    shards_silent=[],
)

_REFERENCE = FrameReference(
    camera="gate-2",
    frame=4449,
    ring="gate-2",
    epoch=2_882_400_001,
    slot=3,
    sequence=2966,
    width=640,
    height=360,
    stride=640,
    pixel_format="i420",
    captured_at="2026-11-25T09:14:03.250Z",
    clock="rtcp",
    decoded_at="2026-11-25T09:14:03.312Z",
)

_CAMERAS = CamerasMessage(
    shard="default",
    instance="capture",
    sent_at="2026-11-25T09:14:04.000Z",
    started_at="2026-11-25T08:59:12.480Z",
    cameras=[
        CameraStatus(
            camera="gate-2",
            state="streaming",
            reason="ok",
            since="2026-11-25T08:59:14.102Z",
            stall_budget_s=10.0,
            frames_decoded=4463,
            frames_sent=4402,
            dropped={"superseded": 12},
            decoded_fps=5.0,
            width=640,
            height=360,
            codec="h264",
            seconds_streaming=889.9,
            seconds_frozen=0.0,
            main_stream=MainStreamStatus(
                state="streaming",
                reason="ok",
                since="2026-11-25T08:59:14.390Z",
                key_frames_decoded=446,
                key_frames_sent=446,
                dropped={},
                width=1920,
                height=1080,
                codec="h264",
            ),
        )
    ],
)

_READERS = ReadersMessage(instance="inference", shards=["default"], every_frame=["loading-bay"])

_FRAMES = FramesMessage(
    shard="default",
    references=[_REFERENCE],
    key_frames=[
        msgspec.structs.replace(
            _REFERENCE,
            frame=446,
            ring="gate-2.main",
            epoch=3_405_691_582,
            slot=1,
            sequence=298,
            width=1920,
            height=1080,
            stride=1920,
            captured_at="2026-11-25T09:14:03.210Z",
            decoded_at="2026-11-25T09:14:03.331Z",
        )
    ],
)

ENTRIES: tuple[MessageEntry, ...] = (
    MessageEntry(
        schema="safetygear.detections/1",
        kind=DetectionsMessage,
        module="inference",
        output="detections",
        when="For the analysed frames that `detections.policy` chooses ([twin.md](twin.md)): all of them, those that "
        "differ from the last one sent, or one per interval. While the message budget sheds, none.",
        example=_DETECTIONS,
        properties={"schema": _DETECTIONS.schema, "camera": _DETECTIONS.camera, "shard": _DETECTIONS.shard},
        reading=(
            "An empty `detections` list is a statement: the frame was analysed and nothing was found. Whether a camera "
            "was watched at all is in the health message, not here.",
            "The message id (`messageId`) is unique per frame; since delivery is at least once, one may come twice.",
        ),
    ),
    MessageEntry(
        schema="safetygear.event/1",
        kind=EventMessage,
        module="inference",
        output="events",
        when="When a violation episode opens and closes, and while it is open every `episodes.updateIntervalS`. Stored "
        "on the device before it is sent, so neither a restart nor a lost uplink loses one.",
        example=_EVENT,
        properties={
            "schema": _EVENT.schema,
            "camera": _EVENT.camera,
            "shard": "default",
            "rule": _EVENT.rule,
            "severity": _EVENT.severity,
            "state": _EVENT.state,
        },
        reading=(
            "One episode is one person breaking one rule in one zone. Count episodes by `id`, not messages: an episode "
            "has one `open`, any number of `update` and one `closed`.",
            "Drop what you already have by `dedupKey`; see what is missing by the gaps in `eventSequence`, which "
            "counts within an `outboxEpoch`, and ask for it with the method `resendEvents` "
            "([methods.md](methods.md)). Opens and closes go before updates, and high severity before low: messages "
            "may come in another order than their sequence.",
            "`closeReason`: `complied` (it was put on), `left` (the zone or the picture), `track-lost` (not seen any "
            "more, or not to be judged any more), `camera-lost`, `shift-end` (or the rule was taken out), `restart` "
            "(open when the module ended, and the person was not found again).",
            "`evidence` names a stored picture of the person; its file was on the device's disk before the event was. "
            "A later message of the episode may name a better one; the earlier one stays what it was. Faces are "
            "blurred in it unless the twin says otherwise ([evidence.md](evidence.md)).",
        ),
    ),
    MessageEntry(
        schema="safetygear.health/1",
        kind=HealthMessage,
        module="inference",
        output="health",
        when="Every `healthIntervalS` (a minute), whatever happens.",
        example=_HEALTH,
        properties={"schema": _HEALTH.schema, "shard": "default"},
        reading=(
            '"No violations" is not "not looking": for each camera `secondsWatched` and `secondsBlind` add up to the '
            "period. A shift was covered as far as its seconds were watched, and a period for which no health message "
            "came was not watched.",
        ),
    ),
    MessageEntry(
        schema="safetygear.frames/1",
        kind=FramesMessage,
        module="capture",
        output="frames",
        when="At the analysed rate, the references of all cameras of a shard that are due together in one message; "
        "none while nobody reads the shard.",
        example=_FRAMES,
        properties={"schema": _FRAMES.schema, "shard": _FRAMES.shard},
        reading=(
            "The pixels lie in the shared frames folder; the message says where. The reader checks the slot's sequence "
            "again after copying: a frame that was overwritten meanwhile is a counted drop, never a wrong picture.",
            "With `SAFETYGEAR_FRAMES_TRANSPORT=jpeg` the body is the picture itself (`image/jpeg`, at most 200 KB), "
            "one message per frame, and the reference's fields are the message's properties, as text. There are no key "
            "frames then.",
            "`keyFrames` are of main streams, as they come, and are never analysed as frames. An inference of a "
            "version that does not know them reads `references` alone.",
        ),
    ),
    MessageEntry(
        schema="safetygear.cameras/1",
        kind=CamerasMessage,
        module="capture",
        output="cameras",
        when="Every second, and at once when a camera's state changes.",
        example=_CAMERAS,
        properties={"schema": _CAMERAS.schema, "shard": _CAMERAS.shard},
        reading=("The states and reasons are explained in [twin.md](twin.md#camera-states).",),
    ),
    MessageEntry(
        schema="safetygear.readers/1",
        kind=ReadersMessage,
        module="inference",
        output="readers",
        when="Every second where the modules share no memory (`SAFETYGEAR_FRAMES_TRANSPORT=jpeg`); else a file in the "
        "frames folder says the same.",
        example=_READERS,
        properties={"schema": _READERS.schema, "instance": _READERS.instance},
        reading=("Capture sends a shard's frames only while it has seen a reader within 5 s.",),
    ),
)
