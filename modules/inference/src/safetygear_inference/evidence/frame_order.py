"""What a picture of an analysed frame is to show, from what is known of the frame. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from safetygear.geometry import as_xyxy
from safetygear_inference.evidence.config import Faces
from safetygear_inference.evidence.crop import Part, Polygon
from safetygear_inference.evidence.picture_making import PictureOrder
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.judging.labels import canonical_labels
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.judging.weak_boxes import people_of


def order_of(
    frame: SeenFrame, part: Part, *, black_out: Sequence[Polygon], faces: Faces, max_side_px: int, quality: int
) -> PictureOrder:
    """`black_out`: the camera's privacy zones, in 0..1 of the frame."""
    labels, boxes = canonical_labels(frame.model.labels), frame.analysed.boxes
    seen = LabelledBoxes(
        boxes.xyxy_norm, tuple(labels[number] for number in boxes.class_id.tolist()), boxes.probability
    )
    # Somebody who was found with little certainty is covered like somebody who is expected there.
    weak = people_of(frame.analysed.weak, frame.model.labels)
    expected_norm = as_xyxy([*frame.judged.unseen, *weak])
    return PictureOrder(part, seen, expected_norm, black_out, faces, max_side_px, quality)
