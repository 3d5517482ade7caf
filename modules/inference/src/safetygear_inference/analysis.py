"""One frame from its slot to its boxes. Runs in a worker thread; holds no state between frames."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from safetygear.frames.ring import FrameRingReader
from safetygear_inference.detectors import Detector
from safetygear_inference.intake import Arrival
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pixels import black_out, decode_jpeg, encode_jpeg, to_bgr
from safetygear_inference.visibility import Visibility, measure


@dataclass(frozen=True)
class PictureWanted:
    """Somebody looks at the camera: encode the analysed picture too."""

    max_width_px: int
    quality: int
    black_out: Sequence[Sequence[tuple[float, float]]] = ()
    """Polygons in 0..1 of the picture that nobody may see."""


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


def analyse(
    arrival: Arrival,
    detector: Detector,
    reader: FrameRingReader,
    *,
    with_visibility: bool,
    picture_wanted: PictureWanted | None,
) -> Analysed:
    """Raises FrameError where the frame is gone or was written over meanwhile, ModelError where the detector fails.

    Everything is made from the slot before its check, so that boxes, numbers and picture are of one frame or of none.
    """
    started_s = time.time()
    if arrival.jpeg is not None:
        view, picture = None, decode_jpeg(arrival.jpeg)
    else:
        view = reader.view(arrival.reference)
        picture = Picture.from_view(view)
    before_s = time.perf_counter()
    boxes = detector.detect(picture)
    inference_ms = (time.perf_counter() - before_s) * 1000
    visibility = measure(picture.luma()) if with_visibility else None
    jpeg = None
    if picture_wanted is not None:
        bgr = to_bgr(picture, max_width_px=picture_wanted.max_width_px)
        black_out(bgr, picture_wanted.black_out)
        jpeg = encode_jpeg(bgr, picture_wanted.quality)
    if view is not None:
        view.check()
    return Analysed(boxes, started_s, inference_ms, visibility, jpeg)
