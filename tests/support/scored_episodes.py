"""Episodes against a clip's truth: which are right, told twice, false, or missed."""

from __future__ import annotations

from typing import Any

import numpy as np

from safetygear.geometry import as_xyxy, iou


def who(clip: dict[str, Any], frame: dict[str, Any], box: Any) -> str | None:
    """The person of the truth whose box this one overlaps best."""
    people = frame["persons"]
    size = np.array([clip["width"], clip["height"]] * 2, np.float32)
    overlap = iou(as_xyxy([person["box"] for person in people]) / size, as_xyxy([box]))[:, 0] if people else []
    return people[int(np.argmax(overlap))]["id"] if len(overlap) and max(overlap) > 0.3 else None


def score(clip: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """`found`: rule, person and opened_s of each episode. One is right where its person breaks the rule then."""
    right: list[int] = []
    delays: list[float] = []
    wrong = []
    for one in found:
        matching = [
            number for number, event in enumerate(clip["events"])
            if (event["person"], event["rule"]) == (one["person"], one["rule"])
            and event["start_s"] <= one["opened_s"] <= event["end_s"] + 1.0
        ]  # fmt: skip
        if not matching:
            wrong.append(one)
            continue
        right += matching
        delays.append(one["opened_s"] - clip["events"][matching[0]]["assessable_start_s"])
    missed = [event for number, event in enumerate(clip["events"]) if number not in right]
    return {
        "right": len(set(right)),
        "again": len(right) - len(set(right)),
        "false": wrong,
        "missed": [f"{event['person']} {event['rule']}" for event in missed],
        "delay_s": [round(delay, 2) for delay in delays],
    }
