"""Gear where a source does not label it: what fused views are sure of teaches, where they are unsure nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from safetygear_training.average_precision import Found
from safetygear_training.boxes import iou
from safetygear_training.labels import CLASSES, HEAD, HELMET, NO_VEST, PERSON, VEST
from safetygear_training.pictures import Picture

SURE = 0.45
UNSURE = 0.08
OPPOSITE = {HELMET: HEAD, HEAD: HELMET, VEST: NO_VEST, NO_VEST: VEST}
SAME_PLACE_IOU = 0.4


def with_gear(picture: Picture, found: Found) -> Picture:
    """The picture with every gear class labelled; classes its source labels stay as they are.

    Where the source says the opposite of what was found (a vest where a missing one was found), the source is right.
    """
    taught = [label for label in range(len(CLASSES)) if label != PERSON and not picture.labelled[label]]
    boxes, ignored = [picture.boxes], [picture.ignored]
    for label in taught:
        mine = found.classes == label
        rows = np.concatenate((found.boxes[mine], np.full((int(mine.sum()), 1), label)), 1).astype(np.float32)
        scores = found.scores[mine]
        denied = overlaps_any(rows, picture.boxes[picture.boxes[:, 4] == OPPOSITE[label]])
        if not picture.labelled[OPPOSITE[label]]:
            rival = (found.classes == OPPOSITE[label]) & (found.scores >= SURE / 2)
            scores = np.where(overlaps_any(rows, found.boxes[rival]), np.minimum(scores, SURE - 1e-6), scores)
        boxes.append(rows[~denied & (scores >= SURE)])
        ignored.append(rows[~denied & (scores >= UNSURE) & (scores < SURE)])
    return replace(
        picture,
        boxes=np.concatenate(boxes),
        ignored=np.concatenate(ignored),
        labelled=picture.labelled | np.array([label in taught for label in range(len(CLASSES))]),
    )


def overlaps_any(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,): True where a row lies on one of the others."""
    if not len(others):
        return np.zeros(len(rows), bool)
    return iou(rows[:, :4], others[:, :4]).max(1) >= SAME_PLACE_IOU
