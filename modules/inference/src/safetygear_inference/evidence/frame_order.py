"""What a picture of an analysed frame is to show, from what is known of the frame. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from safetygear.geometry import as_xyxy
from safetygear_inference.evidence.config import Faces
from safetygear_inference.evidence.crop import Part, Polygon
from safetygear_inference.evidence.picture_making import PictureOrder
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.judging.weak_boxes import for_judging

NO_HELMET: Final = ("missing", "carried")
"""What the votes say of a head that is covered whole, even where a hood looks like a helmet in this frame. People of
whom they have not decided are not among them: that would hide every helmet in its first second."""


def order_of(
    frame: SeenFrame, part: Part, *, black_out: Sequence[Polygon], faces: Faces, max_side_px: int, quality: int
) -> PictureOrder:
    """`black_out`: the camera's privacy zones, in 0..1 of the frame."""
    # What is too unsure to be shown is sure enough to be covered.
    seen = for_judging(frame.analysed.boxes, frame.analysed.weak, frame.model.labels)
    expected_norm = as_xyxy(frame.judged.unseen)
    bare_norm = as_xyxy(
        [one.person.xyxy_norm for one in frame.judged.people if one.person.gear.get("helmet") in NO_HELMET]
    )
    return PictureOrder(part, seen, expected_norm, black_out, faces, max_side_px, quality, bare_norm)
