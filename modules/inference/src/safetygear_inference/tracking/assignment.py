"""Which box is whose. The only file that imports scipy. Pure; lengths in heights of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from safetygear_inference.tracking.motion import JITTER, Floats, Motion, anchors, areas, whole

Rows = NDArray[np.intp]

MAX_DEVIATIONS = 4.0
"""A box farther from where a person is expected than this many standard deviations is not his."""
MAX_COST = 8.0
"""A box that fits worse is taken for a stranger's."""
OVERLAP_WEIGHT = 3.0
"""What a full overlap with the expected box counts against the distance."""
SIZE_DEVIATION, SIZE_DEVIATION_PER_S = 0.15, 0.15
"""Standard deviation of the logarithm of a height from one observation to the next, and its growth with the gap."""
MAX_SIZE_COST = 2.0
"""One half hidden is short without being somebody else."""
LEAST_OF_TWO, BETTER_BY = 0.5, 0.1
"""Intersection over union of a box with the one around two people, and how much more that is than with either."""


def costs(people: Motion, gap_s: Floats, boxes: Floats, aspect: float) -> Floats:
    """How badly each box (m, 4) fits each of n people last seen `gap_s` (n,) ago: (n, m), infinite where impossible.

    The squared distance in standard deviations, plus the logarithm of the area that is possible (a box in the middle of
    a vague guess says less than one in the middle of a sharp one), plus size, minus overlap.
    """
    height = people.size[:, 1]
    boxes = whole(boxes[None, :, :], people.size[:, None, :], aspect)
    spread = people.place_var + (JITTER * height) ** 2
    offset = anchors(boxes) - people.place[:, None, :]
    distance = (offset**2).sum(axis=2) / spread[:, None]
    vague = 2 * np.log(np.sqrt(spread) / height)
    ratio = np.log((boxes[..., 3] - boxes[..., 1]) / height[:, None])
    size = ratio**2 / (SIZE_DEVIATION + SIZE_DEVIATION_PER_S * gap_s[:, None]) ** 2
    total = (
        distance
        + np.minimum(size, MAX_SIZE_COST)
        + vague[:, None]
        + OVERLAP_WEIGHT * (1 - _overlap(people.boxes()[:, None, :], boxes))
    )
    return np.asarray(np.where(distance <= MAX_DEVIATIONS**2, total, np.inf), np.float64)


def assign(cost: Floats, *, max_cost: float) -> tuple[Rows, Rows]:
    """Rows and columns of the pairs whose costs, each at most `max_cost`, have the least sum; the others stay alone."""
    if not cost.size:
        nobody = np.zeros(0, np.intp)
        return nobody, nobody
    # At the limit, being paired and staying alone cost the same: the sum then is the least over both choices.
    gain = np.minimum(cost - max_cost, 0)
    rows, columns = linear_sum_assignment(gain)
    paired = gain[rows, columns] < 0
    return np.asarray(rows[paired], np.intp), np.asarray(columns[paired], np.intp)


def two_in_one(people: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """(m,): which of the boxes (m, 4) is better explained by two of the people (n, 4) than by any one of them.

    Detectors draw one box around two people who pass each other. Whoever took it would be somewhere else afterwards.
    """
    if len(people) < 2 or not len(boxes):
        return np.zeros(len(boxes), bool)
    first, second = np.triu_indices(len(people), 1)
    near = _overlap(people[first], people[second]) > 0
    first, second = first[near], second[near]
    if not len(first):
        return np.zeros(len(boxes), bool)
    both = np.concatenate(
        [np.minimum(people[first, :2], people[second, :2]), np.maximum(people[first, 2:], people[second, 2:])], axis=1
    )
    of_two = _overlap(both[:, None, :], boxes[None, :, :]).max(axis=0)
    of_one = _overlap(people[:, None, :], boxes[None, :, :]).max(axis=0)
    return np.asarray((of_two >= LEAST_OF_TWO) & (of_two >= of_one + BETTER_BY), np.bool_)


def _overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes with an area, (..., 4) each, to (...)."""
    side = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    shared = side[..., 0] * side[..., 1]
    return np.asarray(shared / (areas(a) + areas(b) - shared), np.float64)
