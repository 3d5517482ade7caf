"""Which anchors answer for which true box: SimOTA, with the costs in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safetygear_training.anchors import Grid
from safetygear_training.boxes import iou

MOST_ANCHORS = 10
IOU_COST = 3.0
FAR_COST = 1e6

Array = NDArray[np.floating]
Index = NDArray[np.intp]


def assign(truth: Array, predicted: Array, chances: Array, grid: Grid, centre_radius: float) -> tuple[Index, Index]:
    """truth (n, 5), predicted (A, 4), chances (A, classes) -> anchors and, for each, the true box it answers for.

    An anchor may answer for a box if its centre lies nearer than `centre_radius` strides to the box's, across and down.
    """
    nothing = np.zeros(0, np.intp), np.zeros(0, np.intp)
    if not len(truth):
        return nothing
    centres = (truth[:, :2] + truth[:, 2:4]) / 2
    distance = np.abs(grid.centres[None] - centres[:, None]).max(-1)
    near = distance < centre_radius * grid.strides[:, 0][None]
    candidates = np.flatnonzero(near.any(0))
    if not len(candidates):
        return nothing
    near = near[:, candidates]
    overlap = iou(truth[:, :4], predicted[candidates])
    chance = np.sqrt(chances[candidates]).clip(1e-4, 1 - 1e-4)
    labels = truth[:, 4].astype(int)
    absent = -np.log(1 - chance)
    class_cost = absent.sum(1)[None] - absent[:, labels].T - np.log(chance[:, labels]).T
    cost = class_cost - IOU_COST * np.log(overlap + 1e-8) + FAR_COST * ~near

    wanted = np.sort(np.where(near, overlap, 0), 1)[:, ::-1][:, :MOST_ANCHORS].sum(1).astype(int).clip(1)
    order = np.argsort(cost, 1, kind="stable")
    chosen = np.zeros_like(near)
    for row, count in enumerate(wanted):
        best = order[row, :count]
        chosen[row, best[near[row, best]]] = True
    contested = np.flatnonzero(chosen.sum(0) > 1)
    chosen[:, contested] = False
    chosen[cost[:, contested].argmin(0), contested] = True
    box, anchor = np.nonzero(chosen)
    return candidates[anchor], box
