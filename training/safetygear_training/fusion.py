"""Several views of one picture (sizes, mirrored or not) to one answer: boxes that overlap are averaged.

A score is the mean over all views, so what a single view sees counts little (weighted boxes fusion, arXiv:1910.13302).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from safetygear_training.average_precision import Found
from safetygear_training.boxes import iou

SAME_IOU = 0.55
MIN_SCORE = 0.02


def mirrored_back(found: Found, width: int) -> Found:
    """What was found in the mirror image, in pixels of the picture of that width."""
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = width - found.boxes[:, [2, 0]]
    return Found(boxes, found.scores, found.classes)


def fuse(views: Sequence[Found]) -> Found:
    """Best score first. A view adds one box at most to each fused one."""
    boxes = np.concatenate([view.boxes for view in views])
    scores = np.concatenate([view.scores for view in views])
    labels = np.concatenate([view.classes for view in views])
    origin = np.concatenate([np.full(len(view.scores), index) for index, view in enumerate(views)])
    fused: list[np.ndarray] = []
    fused_scores: list[float] = []
    fused_labels: list[int] = []
    for label in np.unique(labels):
        order = np.flatnonzero((labels == label) & (scores >= MIN_SCORE))
        order = order[np.argsort(-scores[order], kind="stable")]
        overlap = iou(boxes[order], boxes[order])
        free = np.ones(len(order), bool)
        for first in range(len(order)):
            if not free[first]:
                continue
            near = np.flatnonzero(free & (overlap[first] >= SAME_IOU))
            members = order[near[np.unique(origin[order[near]], return_index=True)[1]]]
            free[near] = False
            fused.append(np.average(boxes[members], axis=0, weights=scores[members]))
            fused_scores.append(float(scores[members].sum()) / len(views))
            fused_labels.append(int(label))
    ranked = np.argsort(-np.array(fused_scores), kind="stable")
    return Found(
        np.array(fused, np.float32).reshape(-1, 4)[ranked],
        np.array(fused_scores, np.float32)[ranked],
        np.array(fused_labels, np.intp)[ranked],
    )
