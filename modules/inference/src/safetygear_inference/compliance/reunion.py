"""Which new track may be a person who was lost a moment ago. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from safetygear_inference.compliance.episode import BoxTuple

EARLIEST_S: Final = 0.5
"""A track that began so long before the other was last seen may still be the same person, seen double for a moment."""
# A person is half a metre wide and walks 1.3 m/s.
_REACH_WIDTHS: Final = 1.0
_REACH_WIDTHS_PER_S: Final = 2.5
_REACH_HEIGHTS: Final = 0.4
_REACH_HEIGHTS_PER_S: Final = 0.4
# After a longer absence the place says little, and a wider search would take strangers.
_LONGEST_WALK_S: Final = 1.5
_MOST_SIZE_RATIO: Final = 1.8


@dataclass(frozen=True)
class Sighting:
    """Where and when a track was last seen (a lost one) or first seen (a new one)."""

    track: str
    box: BoxTuple
    at_s: float


def distance(lost: Sighting, new: Sighting) -> float:
    """How far from the lost one's end the new track began, in what a person walks in between; above 1: another one."""
    gap_s = new.at_s - lost.at_s
    width, height = lost.box[2] - lost.box[0], lost.box[3] - lost.box[1]
    new_height = new.box[3] - new.box[1]
    if gap_s < -EARLIEST_S or min(width, height, new_height) <= 0:
        return math.inf
    if max(height, new_height) > _MOST_SIZE_RATIO * min(height, new_height):
        return math.inf
    walk_s = min(max(gap_s, 0.0), _LONGEST_WALK_S)
    reach_x = width * (_REACH_WIDTHS + _REACH_WIDTHS_PER_S * walk_s)
    reach_y = height * (_REACH_HEIGHTS + _REACH_HEIGHTS_PER_S * walk_s)
    x = (new.box[0] + new.box[2] - lost.box[0] - lost.box[2]) / 2
    y = (new.box[1] + new.box[3] - lost.box[1] - lost.box[3]) / 2
    return math.hypot(x / reach_x, y / reach_y)


def pairs(candidates: Sequence[tuple[Sighting, Sighting]]) -> dict[str, str]:
    """Of the (lost, new) pairs those that may be the same person, nearest first and each track once: new by lost."""
    near = sorted((distance(lost, new), lost.track, new.track) for lost, new in candidates)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for far, lost_track, new_track in near:
        if far > 1:
            break
        if lost_track not in found and new_track not in taken:
            found[lost_track] = new_track
            taken.add(new_track)
    return found
