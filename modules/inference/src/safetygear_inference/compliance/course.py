"""How somebody left the picture and who came into it there: when that is surely not the same person. Pure.

Only the left and the right edge: there a person's height and the level he walks at are seen until he is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median
from typing import Final

from safetygear_inference.compliance.episode import BoxTuple

AT_BORDER: Final = 0.005
"""A box that ends this near to the picture's border (0..1 of its side) may go on beyond it."""
EARLY_S: Final = 0.8
LATE_S: Final = 0.7
# In own widths: one who stands at the edge and moves, or whose box does, goes less far and more slowly.
_LEAST_WIDTHS_PER_S: Final = 0.8
_LEAST_WIDTHS: Final = 0.5
_LONGEST_STEP_S: Final = 0.6
# Who turns round comes back near where he went out; boxes, steps and the way on the ground take a part of that.
_SAME_LEVEL_HEIGHTS: Final = 0.25
_SAME_HEIGHT_RATIO: Final = 1.15

_Timed = tuple[float, BoxTuple]


@dataclass
class Course:
    """The boxes of a track's first and last moments, with their times in seconds."""

    early: list[_Timed] = field(default_factory=list)
    late: deque[_Timed] = field(default_factory=deque)

    def take(self, at_s: float, box: BoxTuple) -> None:
        """The next box of the track."""
        if len(self.early) < 2 or at_s - self.early[0][0] <= EARLY_S:
            self.early.append((at_s, box))
        self.late.append((at_s, box))
        while len(self.late) > 2 and at_s - self.late[0][0] > LATE_S:
            self.late.popleft()


def at_border(box: BoxTuple) -> bool:
    """Whether a person last seen in this box was at the picture's border: gone, not hidden."""
    return min(box[0], box[1]) <= AT_BORDER or max(box[2], box[3]) >= 1 - AT_BORDER


def somebody_else(lost: Course, new: Course) -> bool:
    """Whether `lost` was walking out over one side of the picture, and `new` has come in over it at another level or
    of another height. Who turned round beyond the edge would be as high as before, and near where he went out.
    """
    if min(len(lost.late), len(new.early)) < 2:
        return False
    width = max(box[2] - box[0] for _, box in chain(lost.late, new.early))
    if width <= 0 or not any(_went_out(lost, left, width) and _came_in(new, left, width) for left in (True, False)):
        return False
    before, after = _stature(lost.late), _stature(new.early)
    if before is None or after is None:
        return False
    (top, bottom), (new_top, new_bottom) = before, after
    height, new_height = bottom - top, new_bottom - new_top
    taller, smaller = max(height, new_height), min(height, new_height)
    off_level = max(abs(top - new_top), abs(bottom - new_bottom))
    return taller > _SAME_HEIGHT_RATIO * smaller or off_level > _SAME_LEVEL_HEIGHTS * taller


def _went_out(lost: Course, left: bool, width: float) -> bool:
    (before_s, _), (at_s, box) = lost.late[-2], lost.late[-1]
    outward = -_inward_per_s(lost.late, left)
    to_border = box[0] if left else 1 - box[2]
    # Where frames are far apart, he may have reached the border in none of them.
    reached = to_border <= AT_BORDER + outward * min(at_s - before_s, _LONGEST_STEP_S)
    return outward >= _LEAST_WIDTHS_PER_S * width and reached


def _came_in(new: Course, left: bool, width: float) -> bool:
    way = _inner(new.late[-1][1], left) - _inner(new.early[0][1], left)
    return _inward_per_s(new.early, left) >= _LEAST_WIDTHS_PER_S * width and way >= _LEAST_WIDTHS * width


def _inner(box: BoxTuple, left: bool) -> float:
    """The box's side away from the picture's left or right edge, which cuts only the other one; more is further in."""
    return box[2] if left else -box[0]


def _inward_per_s(boxes: Sequence[_Timed], left: bool) -> float:
    """Picture widths a second away from the edge, by least squares."""
    mean_s = sum(at_s for at_s, _ in boxes) / len(boxes)
    spread = sum((at_s - mean_s) ** 2 for at_s, _ in boxes)
    moved = sum((at_s - mean_s) * _inner(box, left) for at_s, box in boxes)
    return moved / spread if spread > 0 else 0.0


def _stature(boxes: Sequence[_Timed]) -> tuple[float, float] | None:
    """Upper and lower edge, 0..1; None where the picture's border may have cut them every time."""
    whole = [box for _, box in boxes if box[1] > AT_BORDER and box[3] < 1 - AT_BORDER]
    return (median(box[1] for box in whole), median(box[3] for box in whole)) if whole else None
