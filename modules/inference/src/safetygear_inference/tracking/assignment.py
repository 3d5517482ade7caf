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


def _overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes with an area, (..., 4) each, to (...)."""
    side = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    shared = side[..., 0] * side[..., 1]
    return np.asarray(shared / (areas(a) + areas(b) - shared), np.float64)
