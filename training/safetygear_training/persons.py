"""Persons where a source labels none: what a COCO network is sure of teaches, where it is unsure nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from safetygear_training.boxes import area, intersection
from safetygear_training.labels import HEAD, HELMET, PERSON, Boxes
from safetygear_training.pictures import Picture, no_boxes

SURE = 0.45
UNSURE = 0.10


def with_persons(picture: Picture, found: Boxes, scores: np.ndarray) -> Picture:
    """The picture with person labelled: `found` (n, 5) and their scores (n,) come from the teacher.

    A head or helmet that lies in no sure box belongs to somebody the teacher missed: the place below it is ignored.
    """
    sure = found[scores >= SURE]
    unsure = found[(scores >= UNSURE) & (scores < SURE)]
    gear = picture.boxes[np.isin(picture.boxes[:, 4], (HELMET, HEAD))]
    covered = intersection(gear, sure) / (area(gear)[:, None] + 1e-9) > 0.5
    missed = body_below(gear[~covered.any(1)]) if len(gear) else no_boxes()
    labelled = picture.labelled.copy()
    labelled[PERSON] = True
    return replace(
        picture,
        boxes=np.concatenate((picture.boxes, sure)),
        ignored=np.concatenate((picture.ignored, unsure, missed)),
        labelled=labelled,
    )


def body_below(heads: Boxes) -> Boxes:
    """Where the body of each head may be: three heads wide, eight high."""
    width, height = heads[:, 2] - heads[:, 0], heads[:, 3] - heads[:, 1]
    body = heads.copy()
    body[:, 0] -= width
    body[:, 2] += width
    body[:, 1] -= height / 2
    body[:, 3] += 7 * height
    body[:, 4] = PERSON
    return body
