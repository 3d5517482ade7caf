"""Golden pictures: what a model's maker saw in them, and whether it is seen here too. Pure.

Another CPU may round an int8 network otherwise, so boxes and probabilities are compared with a tolerance, and what lies
within it of its threshold may be there or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from safetygear.geometry import as_xyxy, iou
from safetygear_inference.picture import DetectedBoxes

MAX_PICTURES: Final = 4
PICTURE_BYTES: Final = 4 * 2**20
MAX_DIFFERENCES: Final = 8

Share = Annotated[float, Meta(ge=0, le=1)]


class GoldenBox(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A box that must be there; sides in 0..1 of the picture."""

    label: str
    probability: Share
    left: Share
    top: Share
    width: Share
    height: Share

    @property
    def xyxy_norm(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in 0..1 of the picture."""
        return self.left, self.top, self.left + self.width, self.top + self.height


class Golden(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A picture in the package and all that the model sees in it, by the package's own thresholds."""

    picture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    """A file beside the model: JPEG, PNG, BMP, WebP or TIFF."""
    boxes: Annotated[list[GoldenBox], Meta(max_length=300)]
    least_iou: Share = 0.8
    """How far a box must overlap the one that is expected (intersection over union)."""
    probability_tolerance: Share = 0.15


@dataclass(frozen=True)
class GoldenPicture:
    """A golden picture with its file's content."""

    expected: Golden
    data: bytes


def boxes_of(found: DetectedBoxes, labels: Sequence[str]) -> list[GoldenBox]:
    """What was found as what is expected from now on."""
    return [
        GoldenBox(
            label=labels[class_id],
            probability=round(probability, 4),
            left=round(left, 5),
            top=round(top, 5),
            width=round(right - left, 5),
            height=round(bottom - top, 5),
        )
        for (left, top, right, bottom), class_id, probability in zip(
            found.xyxy_norm.tolist(), found.class_id.tolist(), found.probability.tolist(), strict=True
        )
    ]


def differences(
    expected: Golden, found: DetectedBoxes, labels: Sequence[str], threshold: Callable[[str], float]
) -> list[str]:
    """How `found` differs from what is expected, one sentence each, at most MAX_DIFFERENCES; empty: it does not.

    `labels`: the model's, by class id. `threshold`: the least probability of a label's boxes.
    """
    said = []
    seen = boxes_of(found, labels)
    overlaps = iou(as_xyxy([box.xyxy_norm for box in expected.boxes]), as_xyxy([box.xyxy_norm for box in seen]))
    for row, box in enumerate(expected.boxes):
        overlaps[row, [other.label != box.label for other in seen]] = 0
    pairs = _pairs(overlaps, expected.least_iou)
    tolerance = expected.probability_tolerance
    for row, box in enumerate(expected.boxes):
        if row in pairs:
            other = seen[pairs[row]]
            if abs(other.probability - box.probability) > tolerance:
                said.append(
                    f"{box.label} at {_place(box)} has the probability {other.probability:.2f}, "
                    f"not {box.probability:.2f}"
                )
        elif box.probability - tolerance >= threshold(box.label):
            said.append(f"{box.label} at {_place(box)} ({box.probability:.2f}) is not seen")
    for column, box in enumerate(seen):
        if column not in pairs.values() and box.probability - tolerance >= threshold(box.label):
            said.append(f"{box.label} at {_place(box)} ({box.probability:.2f}) is not expected")
    return said[:MAX_DIFFERENCES]


def _pairs(overlaps: np.ndarray[tuple[int, ...], np.dtype[np.float32]], least: float) -> dict[int, int]:
    """Row to column, each in one pair, the best overlap first."""
    overlaps, found = overlaps.copy(), {}
    while overlaps.size and overlaps.max() >= max(least, 1e-6):
        row, column = divmod(int(overlaps.argmax()), overlaps.shape[1])
        found[row] = column
        overlaps[row, :] = -1
        overlaps[:, column] = -1
    return found


def _place(box: GoldenBox) -> str:
    return f"({box.left:.3f}, {box.top:.3f}, {box.width:.3f} x {box.height:.3f})"
