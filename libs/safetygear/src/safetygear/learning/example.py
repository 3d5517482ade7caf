"""`safetygear.example/1`: a picture worth labelling, with what the model saw in it. Lies beside its JPEG.

`<data>/learning/examples/<id>.jpg` and `<id>.json`. The JSON is written last, so a JPEG without one is no example yet.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args

import msgspec

from safetygear.messages.codec import BoundingBox, Message, Pixels, Sha256, UtcTime
from safetygear.messages.detections import FrameSize, ModelIdentity
from safetygear.messages.frames import CameraId

EXAMPLES: Final = "learning/examples"
"""Where they are below the data folder."""
PICTURE_SUFFIX, DESCRIPTION_SUFFIX = ".jpg", ".json"
Reason = Literal["uncertain", "disagreement", "vote-flip", "rare-class", "judged-false", "drift", "random", "asked"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
Verdict = Literal["true", "false", "unsure"]
PerceptualHash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", extra_json_schema={"x-unit": "64 bits as hex"})]
_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z-[A-Za-z0-9_-]{1,64}-[0-9a-f]{8}")


class ExamplePicture(Message, frozen=True, kw_only=True):
    """The JPEG, which shows the whole analysed frame."""

    width: Pixels
    """Pixels per row: the frame's, but for an odd one."""
    height: Pixels
    """Rows, likewise."""
    sha256: Sha256
    """Digest of the JPEG file."""
    quality: int
    """The JPEG's quality, as the encoder was asked."""
    faces_blurred: bool
    """Whether faces are made unrecognisable in it."""
    privacy: bool
    """Whether parts of it are black because they are in a privacy zone."""


class ExampleDetection(Message, frozen=True, kw_only=True):
    """A box that the model gave; nobody has checked it."""

    label: str
    """One of the model's labels."""
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How sure the model is."""
    bounding_box: BoundingBox
    """Where it is in the frame."""
    weak: bool = False
    """It does not reach its label's threshold."""
    track: str | None = None
    """The tracked person it belongs to; null: nobody's, or not known yet whose."""


class ExampleTrack(Message, frozen=True, kw_only=True):
    """A person who was followed when the frame was taken."""

    bounding_box: BoundingBox
    """Where the person is, or is expected where no box shows him."""
    seen: bool
    """Whether a box of this frame shows him."""
    track: str | None = None
    """Id of the track; null where he is expected only."""


class Example(Message, frozen=True, kw_only=True):
    """One picture and why it was taken."""

    schema: Literal["safetygear.example/1"] = "safetygear.example/1"
    """Names this layout."""
    id: str
    """The files' name without their ending: UTC time, camera, and a digest. Sorts by time."""
    camera: CameraId
    """The camera's id in capture's module twin."""
    captured_at: UtcTime
    """When the picture was taken."""
    reasons: Annotated[list[Reason], msgspec.Meta(min_length=1)]
    """Why it is worth labelling; it was taken, and counted in the budget, for the first."""
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How strong the first reason is; comparable within a reason only."""
    frame: FrameSize
    """The analysed frame's size, which boxes refer to."""
    picture: ExamplePicture
    """The JPEG beside this file."""
    focus: BoundingBox
    """The part of the frame that the first reason is about; the whole frame where it is about all of it."""
    perceptual_hash: PerceptualHash
    """Of the whole picture before faces were covered."""
    focus_hash: PerceptualHash
    """Of the focus, likewise."""
    model: ModelIdentity
    """Which weights saw it."""
    labels: list[str]
    """All labels of that model, in its order."""
    detections: list[ExampleDetection]
    """What it saw, the weak boxes last."""
    tracks: list[ExampleTrack]
    """Who was followed."""
    event: str | None = None
    """The episode that a person has judged; null where none was."""
    verdict: Verdict | None = None
    """What that person said; null likewise."""


def example_id(camera: str, captured_at: str, digest: str) -> str:
    """`captured_at`: RFC 3339 UTC with milliseconds; `digest`: hex, which tells frames of one millisecond apart."""
    return f"{re.sub('[-:.]', '', captured_at)}-{camera}-{digest[:8]}"


def is_example_id(text: str) -> bool:
    """Whether it may be an example's id: then it is a safe file name."""
    return _ID.fullmatch(text) is not None
