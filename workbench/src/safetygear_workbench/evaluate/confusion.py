"""What is taken for what, at the thresholds and an intersection over union of .5. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.found import Judged, JudgedPicture
from safetygear_workbench.evaluate.matching import IOU_LIMITS, NOTHING, overlap, take

LIMIT = IOU_LIMITS[:1]


def counts(picture: JudgedPicture, thresholds: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(found,): boxes that reach their class's threshold."""
    return np.asarray(picture.probability >= thresholds[picture.found_class])


def right_ones(picture: JudgedPicture, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(found,): the true box of the same class that each kept one takes, or NOTHING."""
    taken = np.full(len(kept), NOTHING, np.int64)
    for class_id in np.unique(picture.found_class[kept]):
        mine = np.flatnonzero(kept & (picture.found_class == class_id))
        theirs = np.flatnonzero(picture.truth_class == class_id)
        chosen = take(picture.found_xywh_px[mine], picture.truth_xywh_px[theirs], picture.crowd[theirs], LIMIT)[0]
        taken[mine] = np.append(theirs, NOTHING)[chosen]
    return taken


def confusion(judged: Judged) -> NDArray[np.int64]:
    """(classes + 1, classes + 1): true class by found class.

    The last row is "nothing there", the last column "not found". Right ones are paired first, as for precision and
    recall; of what is left over, boxes of other classes that overlap by .5, the greatest overlap first. A class that a
    picture does not label has no part in it there.
    """
    classes = len(judged.labels)
    table = np.zeros((classes + 1, classes + 1), np.int64)
    thresholds = np.array(judged.thresholds, np.float32)
    for picture in judged.pictures:
        kept = counts(picture, thresholds)
        taken = right_ones(picture, kept)
        in_crowd = np.append(picture.crowd, False)[taken]
        right = (taken != NOTHING) & ~in_crowd
        np.add.at(table, (picture.truth_class[taken[right]], picture.found_class[right]), 1)
        found = np.flatnonzero(kept & (taken == NOTHING))
        left = ~picture.crowd
        left[taken[right]] = False
        truth = np.flatnonzero(left)
        for true_place, found_place in _pairs(picture, truth, found):
            table[picture.truth_class[true_place], picture.found_class[found_place]] += 1
            truth, found = truth[truth != true_place], found[found != found_place]
        table[:classes, classes] += np.bincount(picture.truth_class[truth], minlength=classes)
        table[classes, :classes] += np.bincount(picture.found_class[found], minlength=classes)
    return table


def _pairs(picture: JudgedPicture, truth: NDArray[np.int64], found: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(true, found) places, each at most once."""
    if not len(truth) or not len(found):
        return []
    shared = overlap(picture.found_xywh_px[found], picture.truth_xywh_px[truth], np.zeros(len(truth), bool))
    pairs = []
    while shared.max() >= LIMIT[0]:
        row, column = np.unravel_index(int(shared.argmax()), shared.shape)
        pairs.append((int(truth[column]), int(found[row])))
        shared[row], shared[:, column] = -1, -1
    return pairs
