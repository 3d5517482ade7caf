"""From a frame that was chosen to an example: which picture is made of it, and what is said beside it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from safetygear.learning.example import (
    Example,
    ExampleDetection,
    ExamplePicture,
    ExampleTrack,
    Reason,
    example_id,
)
from safetygear.messages.codec import BoundingBox, MessageError, decode
from safetygear.messages.detections import FrameSize
from safetygear_inference.evidence.crop import Part, Polygon
from safetygear_inference.evidence.frame_order import order_of
from safetygear_inference.evidence.picture_making import MadePicture, PictureOrder
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.near_duplicates import Fingerprint
from safetygear_inference.learning.observed import BoxNorm, Observed
from safetygear_inference.picture import Bgr
from safetygear_inference.pixels import perceptual_hash


@dataclass(frozen=True)
class Chosen:
    """A frame and why it was chosen."""

    frame: SeenFrame
    observed: Observed
    reasons: tuple[Reason, ...]
    """The one that counts first."""
    score: float
    focus_norm: BoxNorm


def id_of(frame: SeenFrame) -> str:
    """The same for the same frame, so that nothing takes it twice."""
    reference = frame.arrival.reference
    digest = hashlib.sha256(f"{reference.camera}/{reference.epoch}/{reference.frame}".encode()).hexdigest()
    return example_id(reference.camera, reference.captured_at, digest)


def order_for(frame: SeenFrame, config: LearningConfig, black_out: Sequence[Polygon]) -> PictureOrder:
    """The whole frame in its own resolution. `black_out`: the camera's privacy zones, in 0..1 of the frame."""
    size_px = frame.arrival.reference.width, frame.arrival.reference.height
    return order_of(
        frame,
        Part.whole(size_px),
        black_out=black_out,
        faces=config.faces,
        max_side_px=max(size_px),
        quality=config.quality,
    )


def fingerprint_of(bgr: Bgr, focus_norm: BoxNorm) -> Fingerprint:
    """Of a whole frame (height, width, 3) whose faces are not covered yet: each look covers them a little otherwise."""
    height, width = bgr.shape[:2]
    # As evidence does: with what is around the person, a box that is drawn a little otherwise matters less.
    part = Part.around(focus_norm, margin=0.25, frame_size_px=(width, height))
    focus = bgr[part.top_px : part.bottom_px, part.left_px : part.right_px]
    return Fingerprint(perceptual_hash(bgr), perceptual_hash(focus), focus_norm)


def describe(chosen: Chosen, made: MadePicture, fingerprint: Fingerprint, order: PictureOrder) -> Example:
    """What is written beside the picture."""
    frame = chosen.frame
    reference = frame.arrival.reference
    return Example(
        id=id_of(frame),
        camera=frame.camera,
        captured_at=reference.captured_at,
        reasons=list(chosen.reasons),
        score=round(min(1.0, max(0.0, chosen.score)), 4),
        frame=FrameSize(width=reference.width, height=reference.height),
        picture=ExamplePicture(
            width=made.width_px,
            height=made.height_px,
            sha256=hashlib.sha256(made.jpeg).hexdigest(),
            quality=order.quality,
            faces_blurred=made.blurred,
            privacy=bool(order.black_out),
        ),
        focus=_box(chosen.focus_norm),
        perceptual_hash=f"{fingerprint.whole:016x}",
        focus_hash=f"{fingerprint.focus:016x}",
        model=frame.model.identity,
        labels=list(frame.model.labels),
        detections=[
            ExampleDetection(
                label=box.label,
                probability=round(min(1.0, max(0.0, box.probability)), 4),
                bounding_box=_box(box.xyxy_norm),
                weak=box.weak,
                track=box.track,
            )
            for box in chosen.observed.boxes
        ],
        tracks=[
            *(
                ExampleTrack(track=person.track, bounding_box=_box(person.xyxy_norm), seen=True)
                for person in chosen.observed.people
            ),
            *(ExampleTrack(bounding_box=_box(box), seen=False) for box in chosen.observed.unseen),
        ],
    )


def fingerprint_in(example: Example) -> Fingerprint:
    """The fingerprint that a description holds."""
    box = example.focus
    focus_norm = (box.left, box.top, box.left + box.width, box.top + box.height)
    return Fingerprint(int(example.perceptual_hash, 16), int(example.focus_hash, 16), focus_norm)


def faces_are_covered(description: bytes | None) -> bool:
    """Of the picture with that description file; where there is none, or it can't be read, nobody knows: False."""
    if description is None:
        return False
    try:
        return decode(description, Example).picture.faces_blurred
    except MessageError:
        return False


def _box(xyxy_norm: BoxNorm) -> BoundingBox:
    left, top, right, bottom = xyxy_norm
    return BoundingBox(
        left=round(left, 5), top=round(top, 5), width=round(right - left, 5), height=round(bottom - top, 5)
    )
