"""One frame from its slot to its boxes. Runs in a worker thread; holds no state between frames."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from safetygear.frames.ring import FrameRingReader
from safetygear.geometry import Boxes, as_xyxy
from safetygear_inference.detectors import Detector
from safetygear_inference.evidence.config import Faces
from safetygear_inference.evidence.faces import face_regions, left_over
from safetygear_inference.gating.gates import GateLook
from safetygear_inference.intake import Arrival
from safetygear_inference.judging import weak_boxes
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.picture import Bgr, DetectedBoxes, Picture
from safetygear_inference.pixels import black_out, decode_jpeg, encode_jpeg, make_unrecognisable, to_bgr
from safetygear_inference.second_look.looking import Looked, SecondLook
from safetygear_inference.visibility import Visibility, measure


@dataclass(frozen=True)
class PictureWanted:
    """Somebody looks at the camera: encode the analysed picture too."""

    max_width_px: int
    quality: int
    black_out: Sequence[Sequence[tuple[float, float]]] = ()
    """Polygons in 0..1 of the picture that nobody may see."""
    faces: Faces = "blurred"
    expected_norm: Boxes = field(default_factory=lambda: as_xyxy([]))
    """(n, 4) xyxy in 0..1: where people are expected, by the frame before; whom this frame does not show is covered."""


@dataclass(frozen=True)
class Analysed:
    """What one frame showed."""

    boxes: DetectedBoxes
    started_s: float
    """Wall clock when the analysis began, seconds."""
    inference_ms: float
    """The detector alone: pre-processing, network, decoding."""
    visibility: Visibility | None
    jpeg: bytes | None
    weak: DetectedBoxes = field(default_factory=weak_boxes.none)
    """What did not reach its label's threshold: for the judging only."""
    looked: Looked = field(default_factory=Looked)
    """What a second look at those in doubt has answered."""


@dataclass(frozen=True)
class Unchanged:
    """Nothing has moved since a frame that was analysed."""

    visibility: Visibility | None


def analyse(
    arrival: Arrival,
    detector: Detector,
    reader: FrameRingReader,
    *,
    labels: Sequence[str],
    shown_from: NDArray[np.float32],
    with_visibility: bool,
    picture_wanted: PictureWanted | None,
    gate: GateLook | None = None,
    second_look: SecondLook | None = None,
) -> Analysed | Unchanged:
    """Raises FrameError where the frame is gone or was written over meanwhile, ModelError where the detector fails.

    `labels`: the detector's class names. `shown_from` (classes,): the probability from which on a box is shown.

    Everything is made from the slot before its check, so that boxes, numbers and picture are of one frame or of none.
    """
    started_s = time.time()
    if arrival.jpeg is not None:
        view, picture = None, decode_jpeg(arrival.jpeg)
    else:
        view = reader.view(arrival.reference)
        picture = Picture.from_view(view)
    visibility = measure(picture.luma()) if with_visibility else None
    if gate is not None and gate.closes(picture):
        if view is not None:
            view.check()
        return Unchanged(visibility)
    before_s = time.perf_counter()
    found = detector.detect(picture)
    inference_ms = (time.perf_counter() - before_s) * 1000
    boxes, weak = weak_boxes.split(found, shown_from)
    looked = Looked()
    if second_look is not None:
        looked = second_look.at(picture, weak_boxes.for_judging(boxes, weak, labels), reader)
    jpeg = None
    if picture_wanted is not None:
        bgr = to_bgr(picture, max_width_px=picture_wanted.max_width_px)
        black_out(bgr, picture_wanted.black_out)
        if picture_wanted.faces != "clear":
            # What is too unsure to be shown is sure enough to be covered.
            _blur_faces(bgr, weak_boxes.for_judging(boxes, weak, labels), picture_wanted.expected_norm)
        jpeg = encode_jpeg(bgr, picture_wanted.quality)
    if view is not None:
        view.check()
    return Analysed(boxes, started_s, inference_ms, visibility, jpeg, weak, looked)


def _blur_faces(bgr: Bgr, seen: LabelledBoxes, expected_norm: Boxes) -> None:
    size_px = bgr.shape[1], bgr.shape[0]
    missing = left_over(expected_norm, seen)
    make_unrecognisable(bgr, face_regions(seen, picture_size_px=size_px, expected_norm=missing))
