"""From a frame's pixels to a picture that may be stored: cut out, blacked out, looked at again, blurred, encoded.

The detector runs on the very pixels that are stored, with low thresholds: what it doubts is covered too. What the
frame's own analysis saw counts as well; a face is left visible only where neither saw anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from safetygear.errors import FrameError
from safetygear.geometry import Boxes, area, as_xyxy, iou
from safetygear_inference.compliance.best_view import sharpness_share
from safetygear_inference.detectors import Detector, Model
from safetygear_inference.detectors.nms import keep_best
from safetygear_inference.evidence.config import Faces
from safetygear_inference.evidence.crop import Part, Polygon
from safetygear_inference.evidence.faces import face_regions
from safetygear_inference.judging.labels import PERSON, canonical_labels
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.picture import Bgr, Picture
from safetygear_inference.pixels import black_out, encode_jpeg, make_unrecognisable, sharpness, to_bgr

DOUBTFUL: Final = 0.1
"""From this probability on a box is covered. The default detector's own threshold is 0.35."""
LOWER_QUALITIES: Final = (75, 60, 45)
SMALLER: Final = 0.75
LEAST_WIDTH_PX: Final = 160
THERE_IOU, THERE_FROM = 0.5, 0.2
"""How far the box of somebody who is found again must overlap that of before, and how sure it must be. Moved aside by a
third of its width, which is as much, he is whole in a part with the margin of 0.25, but for a hand."""
SAME_IOU: Final = 0.5
"""Two boxes of one label that overlap by more, one of each look at the frame, are of one thing."""


@dataclass(frozen=True)
class PictureOrder:
    """What a picture is to show of a frame, and how."""

    part: Part
    boxes: LabelledBoxes
    """What the frame's own analysis saw, in 0..1 of the frame."""
    expected_norm: Boxes
    """(n, 4) likewise: where people are expected whom it did not see."""
    black_out: Sequence[Polygon]
    """In 0..1 of the frame: nobody may see it."""
    faces: Faces
    max_side_px: int
    quality: int
    bare_norm: Boxes = field(default_factory=lambda: as_xyxy([]))
    """(n, 4) likewise: people who by the votes wear no helmet."""


@dataclass(frozen=True)
class MadePicture:
    """A JPEG and what is in it."""

    jpeg: bytes
    width_px: int
    height_px: int
    blurred: bool


class CautiousDetector:
    """A detector of its own for each model in use, with low thresholds. For one thread."""

    def __init__(self) -> None:
        self._made: tuple[Model, Detector, tuple[str, ...]] | None = None

    def look(self, model: Model, bgr: Bgr) -> LabelledBoxes:
        """Everything that may be something in the picture, with canonical labels. Raises ModelError."""
        if self._made is None or self._made[0] is not model:
            self._made = None
            detector = model.detector(thresholds=_lowered(model), default_threshold=DOUBTFUL)
            self._made = model, detector, canonical_labels(model.labels)
        _, detector, labels = self._made
        found = detector.detect(Picture.from_bgr(bgr))
        return LabelledBoxes(
            found.xyxy_norm, tuple(labels[number] for number in found.class_id.tolist()), found.probability
        )


def _lowered(model: Model) -> Mapping[str, float]:
    return {label: min(DOUBTFUL, threshold) for label, threshold in model.own_thresholds.items()}


def cut_out(picture: Picture, order: PictureOrder) -> Bgr:
    """The part as (height, width, 3) uint8 BGR of its own, scaled down where it is too large, zones blacked out."""
    part = order.part
    cut = picture.part(part.left_px, part.top_px, part.right_px, part.bottom_px)
    longest = max(part.width_px, part.height_px)
    width_px = part.width_px if longest <= order.max_side_px else round(part.width_px * order.max_side_px / longest)
    bgr = to_bgr(cut, max_width_px=max(1, width_px))
    black_out(bgr, part.polygons(order.black_out))
    return bgr


def sharpness_of(bgr: Bgr, order: PictureOrder, person_norm: Boxes, *, frame_width_px: int) -> float:
    """0..1, of the person's part of what was cut out; `person_norm`: (4,) in 0..1 of the frame.

    As it would be in a frame of `frame_width_px`: of the same thing, a picture with more pixels is softer in each.
    """
    height, width = bgr.shape[:2]
    left, top, right, bottom = (
        order.part.boxes(person_norm.reshape(1, 4))[0] * (width, height, width, height)
    ).tolist()
    of_person = bgr[int(top) : max(int(top) + 3, round(bottom)), int(left) : max(int(left) + 3, round(right))]
    in_frame_px = max(3, round(float(person_norm[2] - person_norm[0]) * frame_width_px))
    return sharpness_share(sharpness(to_bgr(Picture.from_bgr(of_person), max_width_px=in_frame_px)))


def shows_person(looked: LabelledBoxes, order: PictureOrder, person_norm: Boxes) -> bool:
    """Whether a look at what was cut out found somebody where `person_norm`, (4,) in 0..1 of the frame, was."""
    rows = [row for row, label in enumerate(looked.label) if label == PERSON and looked.probability[row] >= THERE_FROM]
    wanted = order.part.boxes(person_norm.reshape(1, 4))
    return bool((iou(wanted, looked.xyxy_norm[rows].reshape(-1, 4)) >= THERE_IOU).any())


def finish(
    bgr: Bgr, order: PictureOrder, model: Model, detector: CautiousDetector, *, looked: LabelledBoxes | None = None
) -> MadePicture:
    """Make faces unrecognisable in what was cut out, in place, and encode it. `looked`: what the detector sees in it,
    where it has looked already. Raises ModelError, FrameError: then there is no picture."""
    _cover_faces(bgr, order, model, detector, looked)
    return _made(encode_jpeg(bgr, order.quality), bgr, order)


def finish_within(
    bgr: Bgr, order: PictureOrder, model: Model, detector: CautiousDetector, *, at_most_bytes: int
) -> MadePicture:
    """The same with a JPEG of so many bytes at most: of less quality first, then smaller. Raises also FrameError
    (`jpeg-too-large`)."""
    _cover_faces(bgr, order, model, detector)
    while True:
        for quality in (order.quality, *(lower for lower in LOWER_QUALITIES if lower < order.quality)):
            jpeg = encode_jpeg(bgr, quality)
            if len(jpeg) <= at_most_bytes:
                return _made(jpeg, bgr, order)
        width_px = int(bgr.shape[1] * SMALLER)
        if width_px < LEAST_WIDTH_PX:
            raise FrameError(f"the picture does not fit into {at_most_bytes} bytes", code="jpeg-too-large")
        bgr = to_bgr(Picture.from_bgr(bgr), max_width_px=width_px)


def _cover_faces(
    bgr: Bgr, order: PictureOrder, model: Model, detector: CautiousDetector, looked: LabelledBoxes | None = None
) -> None:
    if order.faces == "clear":
        return
    seen = both(detector.look(model, bgr) if looked is None else looked, _in_part(order))
    size_px = bgr.shape[1], bgr.shape[0]
    expected_norm = order.part.inside(order.expected_norm)
    bare_norm = order.part.inside(order.bare_norm)
    make_unrecognisable(
        bgr, face_regions(seen, picture_size_px=size_px, expected_norm=expected_norm, bare_norm=bare_norm)
    )


def _made(jpeg: bytes, bgr: Bgr, order: PictureOrder) -> MadePicture:
    return MadePicture(jpeg, bgr.shape[1], bgr.shape[0], order.faces != "clear")


def _in_part(order: PictureOrder) -> LabelledBoxes:
    boxes = order.part.boxes(order.boxes.xyxy_norm)
    rows = np.flatnonzero(area(boxes) > 0).tolist()
    return LabelledBoxes(boxes[rows], tuple(order.boxes.label[row] for row in rows), order.boxes.probability[rows])


def both(first: LabelledBoxes, second: LabelledBoxes) -> LabelledBoxes:
    """What either look saw, each thing once."""
    xyxy = np.concatenate((first.xyxy_norm.reshape(-1, 4), second.xyxy_norm.reshape(-1, 4)))
    label = (*first.label, *second.label)
    names = sorted(set(label))
    number = np.array([names.index(name) for name in label], np.int64)
    probability = np.concatenate((first.probability, second.probability))
    kept = keep_best(xyxy, number, probability, iou_above=SAME_IOU)
    return LabelledBoxes(xyxy[kept], tuple(label[row] for row in kept.tolist()), probability[kept])
