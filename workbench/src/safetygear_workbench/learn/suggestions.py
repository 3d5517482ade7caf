"""The boxes of an example as suggestions for people who label. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from safetygear.errors import UserError
from safetygear.learning.example import Example

SMALLEST_SIDE_PX: Final = 1.0
"""What is cut off at the frame's edge may leave nothing that can be drawn."""


@dataclass(frozen=True)
class Suggestion:
    """A box that somebody should look at. `left` to `height` in 0..1 of the picture, inside of it."""

    tag: str
    left: float
    top: float
    width: float
    height: float
    probability: float


@dataclass(frozen=True)
class Wishes:
    """Which boxes become suggestions. `names`: what a label of the model is called over there."""

    names: Mapping[str, str] = field(default_factory=dict)
    least_probability: float = 0.0
    weak: bool = False
    """Also those that do not reach their label's threshold."""
    boxes: bool = True
    """False: none at all."""


def suggestions(example: Example, wishes: Wishes) -> list[Suggestion]:
    """The surest first."""
    found = []
    for one in example.detections:
        if not wishes.boxes or one.probability < wishes.least_probability or (one.weak and not wishes.weak):
            continue
        box = one.bounding_box
        sides = (box.left, box.top, box.left + box.width, box.top + box.height)
        if not all(math.isfinite(side) for side in sides):
            continue
        left, top, right, bottom = (min(1.0, max(0.0, side)) for side in sides)
        wide_px, high_px = (right - left) * example.picture.width, (bottom - top) * example.picture.height
        if min(wide_px, high_px) < SMALLEST_SIDE_PX:
            continue
        tag = wishes.names.get(one.label, one.label)
        found.append(Suggestion(tag, left, top, right - left, bottom - top, one.probability))
    return sorted(found, key=lambda suggestion: -suggestion.probability)


def counted(examples: Iterable[Example], wishes: Wishes) -> Counter[str]:
    """How many suggestions each tag gets."""
    return Counter(one.tag for example in examples for one in suggestions(example, wishes))


def check_names(names: Mapping[str, str], examples: Iterable[Example]) -> None:
    """Raises UserError where a label that gets another name is none of the models'."""
    known = {label for example in examples for label in example.labels}
    for label in names:
        if label not in known:
            raise UserError(
                f"--map {label}=…: no example's model has that label; they have: {', '.join(sorted(known))}."
            )
