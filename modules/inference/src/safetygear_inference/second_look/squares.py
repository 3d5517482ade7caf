"""Where to look on a person: the square around the head or the torso. Pure. Boxes are xyxy px of the picture.

Where the detector has put a box on the head or the torso, the square is around it; else where the body's proportions
expect it. The training crops by the same numbers (training/safetygear_training/second_look/squares.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear_inference.compliance.body import HEAD_SHARE, Array, Bodies
from safetygear_inference.compliance.things import lack_labels
from safetygear_inference.judging.labels import PERSON
from safetygear_inference.judging.observation import Gear, LabelledBoxes, LookWish

HEAD_SIDES = 2.4
"""Side of a head's square per side (root of the area) of its head or helmet box: neck and shoulders tell a hood."""
HEAD_DOWN = 0.35
"""How far the square's centre lies below the box's, in the same unit."""
TORSO_SIDES = 1.3
"""Side of a torso's square per longer side of its vest or no-vest box."""
TORSO_TOP, TORSO_BOTTOM = 0.15, 0.47
"""Of a vest's box, per height of an upright person."""
LEAST_FIT = 0.3
"""A box that lies worse on a head or torso is not that person's."""
WALKED = 0.8
"""How far somebody may have gone since the frame before, per body height: at 2 fps a walker's boxes hardly overlap. To
look at a neighbour instead wastes a look and nothing else, since an answer goes with the box that was looked at."""
LEAST_HEAD_PX = 7.0
"""Side of the smallest head the network has learned from, and of the smallest person's torso in the same proportion."""
LEAST_INSIDE = 0.75
"""Of a square, in the picture."""
BENT = 0.5
"""Of `Bodies.wide`: beyond it the head may be at a side, and only a box can tell where."""


@dataclass(frozen=True)
class Place:
    """Where one wish is to be looked at."""

    gear: Gear
    person: int
    """Row of the person's box in the frame's LabelledBoxes."""
    square_px: tuple[float, float, float]
    """Centre x, centre y, side."""
    moved_px: tuple[float, float] = (0.0, 0.0)
    """How far the person has gone since the frame before."""


def places(wishes: list[LookWish], boxes: LabelledBoxes, picture_size_px: tuple[int, int]) -> list[Place]:
    """Where to look for each wish, in the picture these boxes are of. Who is not found again, is too small or is not
    wholly in the picture is left out."""
    people = [row for row, label in enumerate(boxes.label) if label == PERSON]
    if not wishes or not people:
        return []
    size = np.array([*picture_size_px, *picture_size_px], float)
    xyxy_px = np.asarray(boxes.xyxy_norm, float).reshape(-1, 4) * size
    expected = np.array([wish.xyxy_norm for wish in wishes], float).reshape(-1, 4)
    away = _away(expected * size, xyxy_px[people])
    bodies = Bodies.of(xyxy_px[people], picture_size_px)
    squares = {gear: _squares(gear, bodies, boxes, xyxy_px) for gear in {wish.gear for wish in wishes}}
    found: list[Place] = []
    for wish, of_wish in zip(wishes, away, strict=True):
        nearest = int(of_wish.argmin())
        square, taken = squares[wish.gear][nearest], {(place.gear, place.person) for place in found}
        if of_wish[nearest] > WALKED or square is None or not _inside(square, picture_size_px):
            continue
        if (wish.gear, people[nearest]) not in taken:
            found.append(Place(wish.gear, people[nearest], square, _moved(wish, xyxy_px[people[nearest]], size)))
    return found


def _away(expected_px: Array, people_px: Array) -> Array:
    """(n, m): how far the middle of each person's box (m, 4) is from each expected one (n, 4), per expected height."""
    before, now = ((box[:, :2] + box[:, 2:]) / 2 for box in (expected_px, people_px))
    height = np.maximum(expected_px[:, 3] - expected_px[:, 1], 1.0)
    apart = before[:, None, :] - now[None, :, :]
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]) / height[:, None])


def _moved(wish: LookWish, now_px: Array, size_px: Array) -> tuple[float, float]:
    """Of the middle of the box's upper edge: who comes nearer grows downwards."""
    before_px = np.asarray(wish.xyxy_norm, float) * size_px
    return float(now_px[0] + now_px[2] - before_px[0] - before_px[2]) / 2, float(now_px[1] - before_px[1])


def head_square(box: Array) -> tuple[float, float, float]:
    """Of a head or helmet box (4,): centre x, centre y, side."""
    width, height = max(box[2] - box[0], 1e-6), max(box[3] - box[1], 1e-6)
    unit = float(np.sqrt(width * height))
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2 + HEAD_DOWN * unit, HEAD_SIDES * unit


def torso_square(box: Array) -> tuple[float, float, float]:
    """Of a vest or no-vest box (4,): centre x, centre y, side."""
    longer = float(max(box[2] - box[0], box[3] - box[1], 1e-6))
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2, TORSO_SIDES * longer


def _squares(
    gear: Gear, bodies: Bodies, boxes: LabelledBoxes, xyxy_px: Array
) -> list[tuple[float, float, float] | None]:
    """Of each person; None where nothing tells where to look, or it is too small."""
    rows = [row for row, label in enumerate(boxes.label) if label == gear or label in lack_labels(gear)]
    seen = xyxy_px[rows].reshape(-1, 4)
    nowhere = np.full(bodies.xyxy_px.shape, np.nan)
    fit = bodies.on_head(seen, nowhere) if gear == "helmet" else bodies.on_torso(seen)
    best = _best(fit, np.asarray(boxes.probability)[rows])
    found: list[tuple[float, float, float] | None] = []
    for person, row in enumerate(best):
        cut_above = gear == "helmet" and bodies.cut[person, 1]
        if cut_above or (row is None and bodies.wide[person] > BENT):
            found.append(None)
            continue
        if gear == "helmet":
            square = head_square(_head(bodies, person) if row is None else seen[row])
            too_small = square[2] < HEAD_SIDES * LEAST_HEAD_PX
        else:
            square = torso_square(_torso(bodies, person) if row is None else seen[row])
            too_small = bodies.full_height[person] * HEAD_SHARE < LEAST_HEAD_PX
        found.append(None if too_small else square)
    return found


def _best(fit: Array, probability: NDArray[np.float32]) -> list[int | None]:
    """(n): of the boxes (m) the one that lies best on each person, weighed by how sure it is; None: none does."""
    if not fit.shape[1]:
        return [None] * len(fit)
    score = np.where(fit >= LEAST_FIT, fit * (0.5 + 0.5 * probability), 0.0)
    return [int(row) if score[person, row] > 0 else None for person, row in enumerate(score.argmax(axis=1))]


def _head(bodies: Bodies, person: int) -> Array:
    x0, y0, x1, _ = bodies.xyxy_px[person]
    side = HEAD_SHARE * bodies.full_height[person]
    return np.array([(x0 + x1 - side) / 2, y0, (x0 + x1 + side) / 2, y0 + side])


def _torso(bodies: Bodies, person: int) -> Array:
    x0, y0, x1, _ = bodies.xyxy_px[person]
    height = bodies.full_height[person]
    return np.array([x0, y0 + TORSO_TOP * height, x1, y0 + TORSO_BOTTOM * height])


def _inside(square: tuple[float, float, float], picture_size_px: tuple[int, int]) -> bool:
    x, y, side = square
    width, height = (
        min(limit, at + side / 2) - max(0.0, at - side / 2) for at, limit in zip((x, y), picture_size_px, strict=True)
    )
    return width > 0 and height > 0 and width * height >= LEAST_INSIDE * side * side
