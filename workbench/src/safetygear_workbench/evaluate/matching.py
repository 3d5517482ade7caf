"""Which box found is which true one, by COCO's rules. Pure.

The rules are those of pycocotools' `evaluateImg`: the most probable box first; each takes the free true box it overlaps
most, if by the limit at least; the last of equals; a crowd only where no other is left, and any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.found import Judged, JudgedPicture
from safetygear_workbench.evaluate.truth import XywhPx

IOU_LIMITS: Final = np.linspace(0.5, 0.95, 10)
"""COCO's; the first is the one for precision and recall."""
MOST_FOUND: Final = 100
"""COCO's `maxDets`: of one class and one picture the most probable boxes that average precision looks at."""
NOTHING: Final = -1


def overlap(found: XywhPx, truth: XywhPx, crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union, (found, truth); over the found box's own area for a crowd."""
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum((found[:, :2] + found[:, 2:])[:, None], (truth[:, :2] + truth[:, 2:])[None])
    side = np.maximum(high - low, 0)
    shared = side[..., 0] * side[..., 1]
    mine, theirs = found[:, 2] * found[:, 3], truth[:, 2] * truth[:, 3]
    whole = mine[:, None] + np.where(crowd, 0, theirs)[None] - np.where(crowd[None], 0, shared)
    return np.asarray(np.where(whole > 0, shared / np.maximum(whole, 1e-300), 0))


def take(found: XywhPx, truth: XywhPx, crowd: NDArray[np.bool_], limits: NDArray[np.float64]) -> NDArray[np.int64]:
    """(limits, found): the true box that each found one takes, or NOTHING; `found` most probable first."""
    taken = np.full((len(limits), len(found)), NOTHING, np.int64)
    if not len(found) or not len(truth):
        return taken
    shared = overlap(found, truth, crowd)
    best = shared.max(axis=1)
    for row, limit in enumerate(np.minimum(limits, 1 - 1e-10)):
        free = ~crowd
        for number in np.flatnonzero(best >= limit):
            for these in (free, crowd):
                candidates = np.where(these, shared[number], -1.0)
                place = len(truth) - 1 - int(candidates[::-1].argmax())
                if candidates[place] >= limit:
                    taken[row, number] = place
                    free = free & (np.arange(len(truth)) != place)
                    break
    return taken


@dataclass(frozen=True)
class ClassMatches:
    """All boxes found of one class, most probable first, and what became of them."""

    label: str
    probability: NDArray[np.float64]
    """(m,)."""
    picture: NDArray[np.int64]
    """(m,): index into the pictures."""
    rank: NDArray[np.int64]
    """(m,): how many boxes of this class and picture are more probable."""
    hit: NDArray[np.bool_]
    """(limits, m): takes a true box."""
    counted: NDArray[np.bool_]
    """(limits, m): is right or wrong; False for what lies in a crowd."""
    support: NDArray[np.int64]
    """(pictures,): true boxes in each, crowds not among them."""


def match_classes_of(judged: Judged) -> tuple[ClassMatches, ...]:
    """One entry per label."""
    return tuple(_match_class(judged.pictures, class_id, label) for class_id, label in enumerate(judged.labels))


def _match_class(pictures: Sequence[JudgedPicture], class_id: int, label: str) -> ClassMatches:
    scores: list[NDArray[np.float64]] = []
    hits: list[NDArray[np.bool_]] = []
    counted: list[NDArray[np.bool_]] = []
    support = np.zeros(len(pictures), np.int64)
    for number, picture in enumerate(pictures):
        truth, found = picture.truth_class == class_id, picture.found_class == class_id
        crowd = picture.crowd[truth]
        support[number] = np.count_nonzero(~crowd)
        taken = take(picture.found_xywh_px[found], picture.truth_xywh_px[truth], crowd, IOU_LIMITS)
        in_crowd = np.append(crowd, False)[taken]
        scores.append(picture.probability[found].astype(np.float64))
        hits.append((taken != NOTHING) & ~in_crowd)
        counted.append(~in_crowd)
    lengths = [len(part) for part in scores]
    probability = np.concatenate(scores)
    order = np.argsort(-probability, kind="stable")
    return ClassMatches(
        label=label,
        probability=probability[order],
        picture=np.repeat(np.arange(len(pictures)), lengths)[order],
        rank=np.concatenate([np.arange(length) for length in lengths])[order],
        hit=np.concatenate(hits, axis=1)[:, order],
        counted=np.concatenate(counted, axis=1)[:, order],
        support=support,
    )
