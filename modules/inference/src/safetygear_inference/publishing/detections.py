"""The `safetygear.detections/1` message of one analysed frame. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from safetygear.clock import epoch_s
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import BoundingBox, encode
from safetygear.messages.detections import (
    Detection,
    DetectionsMessage,
    FrameSize,
    LatencyMs,
    ModelIdentity,
    Person,
    SecondLook,
)
from safetygear.messages.frames import FrameReference
from safetygear_inference.judging.camera_judge import JudgedFrame, Verdict
from safetygear_inference.judging.observation import Look
from safetygear_inference.picture import DetectedBoxes

OUTPUT = "detections"
NOT_JUDGED = JudgedFrame()
PLAUSIBLE_CAPTURE_S = 60.0
"""A camera whose clock says the frame is older than this, or from the future, has a wrong clock."""


def detections_message(
    reference: FrameReference,
    boxes: DetectedBoxes,
    *,
    labels: Sequence[str],
    model: ModelIdentity,
    shard: str,
    sequence: int,
    latency: LatencyMs,
    minimum_probability: float,
    judged: JudgedFrame = NOT_JUDGED,
    weak: DetectedBoxes | None = None,
    looks: Sequence[Look] = (),
    dark: bool = False,
) -> DetectionsMessage:
    """`labels` names the boxes' class ids. Boxes below `minimum_probability` are left out; the others keep their order.
    Of the `weak` ones those are told that somebody was judged by.

    Coordinates are rounded to 1e-5 (0.02 px at 1080p) and probabilities to 1e-4: digits cost message blocks.
    """
    tracks = judged.tracks or (None,) * (len(boxes) + (0 if weak is None else len(weak)))
    detections = _detections(boxes, tracks[: len(boxes)], labels, minimum_probability)
    used = [] if weak is None else _detections(weak, tracks[len(boxes) :], labels, 0.0)
    return DetectionsMessage(
        camera=reference.camera,
        shard=shard,
        sequence=sequence,
        frame_number=reference.frame,
        captured_at=reference.captured_at,
        clock=reference.clock,
        frame=FrameSize(width=reference.width, height=reference.height),
        model=model,
        dark=dark,
        detections=detections,
        weak_detections=[one for one in used if one.track is not None],
        second_looks=[
            SecondLook(
                label=look.gear,
                answer=look.answer,
                probability=round(look.probability, 4),
                bounding_box=_box(look.xyxy_norm.tolist()),
            )
            for look in looks
        ],
        people=[_person(verdict) for verdict in judged.people],
        latency_ms=latency,
    )


def _detections(
    boxes: DetectedBoxes, tracks: Sequence[str | None], labels: Sequence[str], least: float
) -> list[Detection]:
    return [
        Detection(label=labels[class_id], probability=round(probability, 4), bounding_box=_box(xyxy), track=track)
        for xyxy, class_id, probability, track in zip(
            boxes.xyxy_norm.tolist(), boxes.class_id.tolist(), boxes.probability.tolist(), tracks, strict=True
        )
        if probability >= least
    ]


def _person(verdict: Verdict) -> Person:
    person = verdict.person
    return Person(
        track=person.track,
        bounding_box=_box(person.xyxy_norm.tolist()),
        helmet=person.gear.get("helmet", "unknown"),
        vest=person.gear.get("vest", "unknown"),
        status=verdict.status,
        reason=verdict.reason,
    )


def _box(xyxy: Sequence[float]) -> BoundingBox:
    left, top, right, bottom = xyxy
    return BoundingBox(
        left=round(left, 5), top=round(top, 5), width=round(right - left, 5), height=round(bottom - top, 5)
    )


def latency_ms(
    reference: FrameReference, *, analysis_started_s: float, inference_ms: float, handed_over_s: float
) -> LatencyMs:
    """Stages of a frame by this machine's wall clock (seconds). Never negative: clocks of other machines may differ."""
    decoded_s = epoch_s(reference.decoded_at)
    capture_s = decoded_s - epoch_s(reference.captured_at) if reference.clock == "rtcp" else 0.0
    if not 0 <= capture_s <= PLAUSIBLE_CAPTURE_S:
        capture_s = 0.0
    queue_s, after_decoding_s = max(0.0, analysis_started_s - decoded_s), max(0.0, handed_over_s - decoded_s)
    return LatencyMs(
        capture=round(capture_s * 1000, 1),
        queue=round(queue_s * 1000, 1),
        inference=round(inference_ms, 1),
        total=round((capture_s + after_decoding_s) * 1000, 1),
    )


def outgoing(message: DetectionsMessage, *, run: str) -> OutgoingMessage:
    """The message for the hub. `run` is random per process start: with camera and sequence it makes the id unique."""
    return OutgoingMessage(
        output=OUTPUT,
        body=encode(message),
        properties={"schema": message.schema, "camera": message.camera, "shard": message.shard},
        message_id=f"{run}-{message.camera}-{message.sequence}",
    )
