"""Examples to learn from, made up."""

from __future__ import annotations

from safetygear.clock import rfc3339
from safetygear.learning.example import Example, ExampleDetection, ExamplePicture, Reason, example_id
from safetygear.messages.codec import BoundingBox
from safetygear.messages.detections import FrameSize, ModelIdentity

NOON_S = 1_795_953_600.0
"""2026-11-29T12:00:00Z."""


def example(second: int, *, camera: str = "gate", reasons: tuple[Reason, ...] = ("uncertain",)) -> Example:
    """One of a frame of that second after noon."""
    captured_at = rfc3339(NOON_S + second)
    return Example(
        id=example_id(camera, captured_at, f"{second:08x}"),
        camera=camera,
        captured_at=captured_at,
        reasons=list(reasons),
        score=0.5,
        frame=FrameSize(width=640, height=360),
        picture=ExamplePicture(
            width=640, height=360, sha256=f"{second:064x}", quality=90, faces_blurred=True, privacy=False
        ),
        focus=BoundingBox(left=0, top=0, width=1, height=1),
        perceptual_hash=f"{second:016x}",
        focus_hash=f"{second:016x}",
        model=ModelIdentity(name="model", version="1", sha256="0" * 64),
        labels=["person", "helmet"],
        detections=[
            ExampleDetection(
                label="person", probability=0.4, bounding_box=BoundingBox(left=0.1, top=0.2, width=0.1, height=0.5)
            )
        ],
        tracks=[],
    )
