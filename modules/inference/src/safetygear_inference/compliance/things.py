"""Things seen in one frame: the boxes of one gear, with what speaks for it and against it on the same spot. Pure.

A network may put a helmet's box and a bare head's box on one head, or two boxes on one helmet. They are one thing with
a reading of either kind, so that neither can be taken for the gear of a neighbour.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from safetygear_inference.compliance.body import Array, side
from safetygear_inference.judging.observation import Gear, LabelledBoxes

SAME_SPOT = 0.6
"""Two boxes whose centres are nearer than this many sides of the larger one, and that overlap, are one thing."""
OVERLAP = 0.4
"""Least part of the smaller one that both must share."""


@dataclass(frozen=True)
class Thing:
    """One piece of gear, or its lack, at one place."""

    box_index: int
    """Row of the better supported box in the frame's LabelledBoxes."""
    present: bool
    """Gear (True) or its lack."""
    probability: float
    against: float
    """Probability of the best box of the other kind on the same spot; 0 where there is none."""


def lack_labels(gear: Gear) -> tuple[str, ...]:
    """Labels that show the lack of `gear`."""
    return ("head", "no-helmet") if gear == "helmet" else (f"no-{gear}",)


def things(gear: Gear, boxes: LabelledBoxes, xyxy_px: Array) -> list[Thing]:
    """The things of `gear` in the frame; `xyxy_px`: (n, 4), the frame's boxes in pixels."""
    lacks: Collection[str] = lack_labels(gear)
    rows = [row for row, label in enumerate(boxes.label) if label == gear or label in lacks]
    rows.sort(key=lambda row: (-float(boxes.probability[row]), row))
    if not rows:
        return []
    same = _same_spot(xyxy_px[rows]).tolist()
    found: list[Thing] = []
    free = [True] * len(rows)
    for place, row in enumerate(rows):
        if not free[place]:
            continue
        present = boxes.label[row] == gear
        against = 0.0
        for other in range(place + 1, len(rows)):
            if free[other] and same[place][other]:
                free[other] = False
                if (boxes.label[rows[other]] == gear) != present:
                    against = max(against, float(boxes.probability[rows[other]]))
        found.append(Thing(row, present, float(boxes.probability[row]), against))
    return found


def _same_spot(xyxy: Array) -> Array:
    """(k, k): which boxes (k, 4) lie on one spot."""
    low = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    size = np.maximum(high - low, 0)
    shared = size[..., 0] * size[..., 1]
    sides = side(xyxy)
    smaller = np.minimum(sides[:, None], sides[None, :]) ** 2
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    away = centre[:, None, :] - centre[None, :, :]
    apart = np.hypot(away[..., 0], away[..., 1])
    larger = np.maximum(sides[:, None], sides[None, :])
    return np.asarray((shared >= OVERLAP * smaller) & (apart <= SAME_SPOT * larger))
