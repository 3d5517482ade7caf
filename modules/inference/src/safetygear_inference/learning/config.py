"""What the twin says of pictures to learn from."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from safetygear.learning.example import REASONS, Reason
from safetygear_inference.evidence.config import FACES_DESCRIPTION, MEBIBYTE, Faces, UploadConfig


class LearningConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Whole analysed frames that the detector found hard, kept on the data volume for labelling."""

    enabled: Annotated[bool, Meta(description="false: no frame is looked at, and none is stored.")] = False
    reasons: Annotated[
        tuple[Reason, ...],
        Meta(
            min_length=1,
            max_length=len(REASONS),
            examples=[["uncertain", "judged-false"]],
            description="Why a frame may be taken.",
        ),
    ] = REASONS
    per_hour: Annotated[
        int,
        Meta(ge=1, le=1000, description="Most pictures in any 60 minutes, of all cameras, over restarts too."),
    ] = 20
    per_day: Annotated[int, Meta(ge=1, le=10_000, description="Most pictures in any 24 hours, likewise.")] = 200
    camera_pause_s: Annotated[
        float, Meta(ge=0, le=3600, description="Least time between two pictures of one camera.")
    ] = 10.0
    random_share: Annotated[
        float,
        Meta(ge=0, le=1, description="Part of perHour that random frames may use: the baseline of what is usual."),
    ] = 0.1
    minimum_distance_bits: Annotated[
        int,
        Meta(
            ge=0,
            le=32,
            description="Two pictures that show the same thing in the same place are near-duplicates where fewer of "
            "the 64 bits of their perceptual hashes differ: the second is not taken. 0: none is a duplicate.",
        ),
    ] = 16
    faces: Annotated[Faces, Meta(description=FACES_DESCRIPTION)] = "blurred"
    quality: Annotated[int, Meta(ge=40, le=95, description="JPEG quality.")] = 90
    quota_bytes: Annotated[
        int,
        Meta(
            ge=MEBIBYTE,
            le=1024 * 1024 * MEBIBYTE,
            description="Room on the data volume, 40 to 400 KB a picture. When it is full the oldest go. A quarter "
            "more is for pictures of events that nobody has judged yet.",
        ),
    ] = 256 * MEBIBYTE
    retention_days: Annotated[
        float, Meta(ge=0.01, le=3650, description="Older pictures are removed, fetched or not.")
    ] = 30.0
    verdict_days: Annotated[
        float,
        Meta(ge=0.01, le=365, description="How long the picture of an event waits for somebody to judge the event."),
    ] = 7.0
    reference_hours: Annotated[
        float,
        Meta(
            ge=0.1,
            le=720,
            description="From a model's first so many hours on a camera comes what its probabilities are compared with "
            "later: a whole day and more, so that night and day are in it.",
        ),
    ] = 24.0
    upload: Annotated[
        UploadConfig | None,
        Meta(description="Where pictures and their descriptions are copied to. Null: they stay on the device."),
    ] = None
