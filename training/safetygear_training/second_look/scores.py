"""How right the answers are: `yes` against `no` on crops that were never trained on, by the size of the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear_training.second_look.crops import GEARS, NO, YES, Crop
from safetygear_training.second_look.samples import measured

HEAD_PX = (8.0, 13.0, 20.0, 60.0)
"""A person of 58, 94, 145 px; as it is, but for compression."""
Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(n, 48, 48, 3) BGR to logits (n, gears, answers)."""
BATCH = 256


def logits_of(network: Network, crops: Sequence[Crop], head_px: float) -> NDArray[np.float32]:
    """(n, answers) of each crop's own gear."""
    found = []
    for first in range(0, len(crops), BATCH):
        part = crops[first : first + BATCH]
        seen = np.stack([measured(crop, head_px, first + number) for number, crop in enumerate(part)])
        found.append(network(seen)[np.arange(len(part)), [crop.gear for crop in part]])
    return np.concatenate(found) if found else np.zeros((0, 3), np.float32)


def balanced(logits: NDArray[np.float32], answers: NDArray[np.intp]) -> float | None:
    """Mean of the right shares of `yes` and of `no`, where it has to be one of both; None where one is not there."""
    said = np.where(logits[:, YES] > logits[:, NO], YES, NO)
    shares = [float((said[answers == answer] == answer).mean()) for answer in (NO, YES) if (answers == answer).any()]
    return sum(shares) / 2 if len(shares) == 2 else None


def score_sets(network: Network, sets: Mapping[str, Sequence[Crop]]) -> dict[str, dict[str, Any]]:
    """By set and gear: support, and balanced accuracy by the head's size."""
    scores: dict[str, dict[str, Any]] = {}
    for name, crops in sets.items():
        for gear, gear_name in enumerate(GEARS):
            own = [crop for crop in crops if crop.gear == gear]
            answers = np.array([crop.answer for crop in own])
            if not len(own):
                continue
            row: dict[str, Any] = {"no": int((answers == NO).sum()), "yes": int((answers == YES).sum())}
            for head_px in HEAD_PX:
                value = balanced(logits_of(network, own, head_px), answers)
                if value is not None:
                    row[f"{head_px:.0f} px"] = round(value, 4)
            scores[f"{name} {gear_name}"] = row
    return scores


def figure_of_merit(scores: Mapping[str, Mapping[str, Any]]) -> float:
    """Mean over sets and sizes; sets with one answer only say nothing."""
    values = [value for row in scores.values() for key, value in row.items() if key.endswith("px")]
    return sum(values) / max(1, len(values))
