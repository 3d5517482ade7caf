"""What is left of faces in the pictures that the module would store of a labelled clip, person by person.

A face is the part of the true head that no helmet covers: below the lower edge of a worn one. Of a head at the
picture's edge, what is inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from safetygear.messages.frames import FrameReference
from safetygear_inference.analysis import Analysed
from safetygear_inference.detectors import Model
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.crop import Part
from safetygear_inference.evidence.frame_order import order_of
from safetygear_inference.evidence.picture_making import CautiousDetector, cut_out, finish
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.weak_boxes import for_judging, split, thresholds_of
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import decode_jpeg, detail

VISIBLE = 0.25
"""Of a person: less shows no face worth the name, or it is somebody else's that is seen there."""
HEAD_VISIBLE = 0.3
"""Of a head's box, where the truth tells: with less, what hides the head would be measured."""
LEAST_PX = (8, 6)
"""Width and height of a face, in the stored picture: smaller ones show nothing."""


@dataclass(frozen=True)
class FaceLeft:
    """One face in one stored picture. `before`, `after`: `pixels.detail` without and with the covering."""

    t_s: float
    person: str
    of_whom: str
    """`whole` frame, or the track whose evidence it is."""
    before: float
    after: float
    helmet_left: float | None
    """Share of a worn helmet's upper half that is as it was; None: no helmet is worn, or not in the picture."""


def faces_left(clip: Path, truth: dict[str, Any], model: Model, *, every: int) -> Iterator[FaceLeft]:
    """Of each `every`th frame: the whole picture as `snapshot` gives it, and the evidence of each tracked person."""
    size_px = (truth["width"], truth["height"])
    own = {label: model.own_thresholds.get(label, model.own_default_threshold) for label in model.labels}
    thresholds = thresholds_of(own, {}, None)
    detector, cautious = model.detector(thresholds=thresholds.asked), CautiousDetector()
    judges, config = Judges(origin="t/t", token="t"), EvidenceConfig()
    judges.model(model.labels)
    with av.open(str(clip)) as container:
        frames = itertools.islice(enumerate(container.decode(video=0)), 0, None, every)
        for number, decoded in frames:
            true = truth["frames"][number]
            picture = Picture.from_bgr(decoded.to_ndarray(format="bgr24"))
            boxes, weak = split(detector.detect(picture), thresholds.shown_from(model.labels))
            judged = judges.judge(
                "c", for_judging(boxes, weak, model.labels), now_s=true["t"], wall_s=1e9 + true["t"], dark=False,
                frame_size_px=size_px,
            )  # fmt: skip
            unused: Any = None
            frame = SeenFrame(
                Arrival("default", _reference(size_px), 0.0), Analysed(boxes, 0.0, 0.0, None, None, weak), model,
                judged, unused, False,
            )  # fmt: skip
            parts = [("whole", Part.whole(size_px))] + [
                (
                    one.person.track,
                    Part.around(_corners(one.person.xyxy_norm), margin=config.margin, frame_size_px=size_px),
                )
                for one in judged.people
            ]
            for of_whom, part in parts:
                order = order_of(
                    frame, part, black_out=(), faces="blurred", max_side_px=config.max_side_px, quality=config.quality
                )
                cut = cut_out(picture, order)
                clear = cut.copy()
                covered = decode_jpeg(finish(cut, order, model, cautious).jpeg).planes[0]
                yield from _faces(true, of_whom, part, clear, covered)


def _faces(
    true: dict[str, Any], of_whom: str, part: Part, clear: np.ndarray, covered: np.ndarray
) -> Iterator[FaceLeft]:
    for person in true["persons"]:
        if not person["head"] or person["visible_fraction"] < VISIBLE:
            continue
        left, top, right, bottom = person["head"]
        if person.get("head_visible_px", np.inf) < HEAD_VISIBLE * (right - left) * (bottom - top):
            continue
        worn = person["helmet"] if person["helmet_state"] == "worn" else None
        if worn:
            top = max(top, worn["box"][3])
        face = _inside((left, top, right, bottom), part, clear)
        if face is None:
            continue
        helmet_left = None
        if worn:
            x0, y0, x1, y1 = worn["box"]
            shell = _inside((x0, y0, x1, (y0 + y1) / 2), part, clear)
            if shell is not None:
                change = np.abs(clear[shell].astype(int) - covered[shell]).mean(axis=2)
                helmet_left = float((change < 12).mean())
        yield FaceLeft(true["t"], person["id"], of_whom, detail(clear[face]), detail(covered[face]), helmet_left)


def _inside(box: Sequence[float], part: Part, shown: np.ndarray) -> tuple[slice, slice] | None:
    """The box of the frame in the picture, rows and columns; None where it is too small there."""
    height, width = shown.shape[:2]
    scale = width / part.width_px, height / part.height_px
    left, right = ((value - part.left_px) * scale[0] for value in (box[0], box[2]))
    top, bottom = ((value - part.top_px) * scale[1] for value in (box[1], box[3]))
    columns = slice(max(0, round(left)), min(width, round(right)))
    rows = slice(max(0, round(top)), min(height, round(bottom)))
    if columns.stop - columns.start < LEAST_PX[0] or rows.stop - rows.start < LEAST_PX[1]:
        return None
    return rows, columns


def _corners(xyxy_norm: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = xyxy_norm.tolist()
    return left, top, right, bottom


def _reference(size_px: tuple[int, int]) -> FrameReference:
    return FrameReference(
        camera="c", frame=1, ring="c", epoch=1, slot=0, sequence=2, width=size_px[0], height=size_px[1],
        stride=size_px[0], pixel_format="i420", captured_at="", clock="arrival", decoded_at="",
    )  # fmt: skip
