"""COCO's average precision for one class, where some pictures do not label it.

Such pictures are left out whole: what a network finds there is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from safetygear_training.boxes import area, intersection, iou

IOU_LIMITS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Found:
    """What one network found in one picture: boxes (n, 4) in picture pixels, scores (n,), classes (n,)."""

    boxes: Array
    scores: Array
    classes: NDArray[np.integer]


@dataclass(frozen=True)
class Truth:
    """Boxes (n, 5) in picture pixels with the class index, and which classes the picture labels (classes,).

    What is found mostly inside an `ignored` box (n, 5) of its class, and nowhere else, counts neither way.
    """

    boxes: Array
    labelled: NDArray[np.bool_]
    ignored: Array = field(default_factory=lambda: np.zeros((0, 5)))


@dataclass(frozen=True)
class ClassScore:
    """Average precision at IoU .5 and over .5 to .95, and the number of true boxes behind it."""

    ap50: float
    ap: float
    support: int


def match(found: Array, truth: Array, limits: Array) -> NDArray[np.bool_]:
    """Boxes best score first against true boxes -> (limits, found): True where a box takes a free true box."""
    overlap = iou(found, truth)
    hits = np.zeros((len(limits), len(found)), bool)
    for row, limit in enumerate(limits):
        free = np.ones(len(truth), bool)
        for index in range(len(found)):
            candidates = np.where(free, overlap[index], -1.0)
            if len(candidates) and candidates.max() >= min(limit, 1 - 1e-10):
                # COCO takes the last of equals
                best = len(candidates) - 1 - int(candidates[::-1].argmax())
                free[best] = False
                hits[row, index] = True
    return hits


def inside(found: Array, ignored: Array) -> NDArray[np.bool_]:
    """(found,): True where more than half of the box lies in an ignored one."""
    return (intersection(found, ignored) > 0.5 * area(found)[:, None]).any(1)


def interpolated(hits: NDArray[np.bool_], support: int) -> float:
    """Hits best score first -> mean of the precision envelope at 101 recalls."""
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    recall = right / support
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALL_POINTS, side="left")
    return float(np.where(at < len(hits), envelope[np.minimum(at, len(hits) - 1)], 0.0).mean()) if len(hits) else 0.0


def score_class(truths: Sequence[Truth], founds: Sequence[Found], label: int, most: int = 100) -> ClassScore | None:
    """The score of class `label`, None where no picture that labels it shows one."""
    scores: list[Array] = []
    hits: list[NDArray[np.bool_]] = []
    counted: list[NDArray[np.bool_]] = []
    support = 0
    for truth, found in zip(truths, founds, strict=True):
        if not truth.labelled[label]:
            continue
        true_boxes = truth.boxes[truth.boxes[:, 4] == label, :4]
        support += len(true_boxes)
        mine = np.flatnonzero(found.classes == label)
        mine = mine[np.argsort(-found.scores[mine], kind="mergesort")][:most]
        scores.append(found.scores[mine])
        hits.append(match(found.boxes[mine], true_boxes, IOU_LIMITS))
        places = truth.ignored[truth.ignored[:, 4] == label, :4]
        counted.append(hits[-1] | ~inside(found.boxes[mine], places)[None])
    if not support:
        return None
    order = np.argsort(-np.concatenate(scores), kind="mergesort")
    all_hits, all_counted = np.concatenate(hits, 1)[:, order], np.concatenate(counted, 1)[:, order]
    each = [interpolated(row[used], support) for row, used in zip(all_hits, all_counted, strict=True)]
    return ClassScore(each[0], float(np.mean(each)), support)
