"""The site scene judged person by person: its truth as perfect boxes, or a detector's boxes, against what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from safetygear.geometry import as_xyxy, iou
from safetygear_inference.compliance.judging_config import VoteConfig
from safetygear_inference.compliance.vote import GearVotes
from safetygear_inference.compliance.wearing import observe
from safetygear_inference.judging.observation import Gear, GearState, LabelledBoxes, TrackedPerson

GEAR: tuple[Gear, ...] = ("helmet", "vest")
LEAST_VISIBLE_PX = 40
"""A helmet or vest with fewer visible pixels gets no perfect box."""
LEAST_VISIBLE = 0.25
"""A person of whom less is visible gets no perfect box."""
SAME_IOU = 0.5


def expected(clip: dict[str, Any], person: str, gear: Gear, t_s: float) -> GearState:
    """The true state at `t_s`, from the clip's list of events."""
    rule = f"no-{gear}"
    for event in clip["events"]:
        if event["person"] == person and event["rule"] == rule and event["start_s"] <= t_s < event["end_s"]:
            return "carried" if "carried" in event.get("helmet_state", ()) else "missing"
    return "worn"


def assessable(clip: dict[str, Any], person: str, t_s: float) -> bool:
    """Whether the clip says that the person can be judged at `t_s`: in the picture, visible, tall enough."""
    return any(start_s <= t_s < end_s for start_s, end_s in clip["persons"][person]["assessable_s"])


def perfect_boxes(clip: dict[str, Any], frame: dict[str, Any]) -> tuple[LabelledBoxes, dict[str, int]]:
    """What a detector without faults would see in the frame, and which row is which person."""
    rows: list[tuple[list[float], str]] = []
    people: dict[str, int] = {}
    for person in frame["persons"]:
        if person["visible_fraction"] < LEAST_VISIBLE:
            continue
        people[person["id"]] = len(rows)
        rows.append((person["box"], "person"))
        helmet, head, vest = person["helmet"], person["head"], person["vest"]
        if helmet and helmet["visible_px"] >= LEAST_VISIBLE_PX:
            rows.append((helmet["box"], "helmet"))
        if head and person["helmet_state"] != "worn":
            rows.append((head, "head"))
        if vest and vest["visible_px"] >= LEAST_VISIBLE_PX:
            rows.append((vest["box"], "vest"))
        if head and not person["wears_vest"]:
            rows.append((_torso(person), "no-vest"))
    size = np.array([clip["width"], clip["height"]] * 2, np.float32)
    xyxy = as_xyxy([box for box, _ in rows]) / size
    return LabelledBoxes(xyxy, tuple(label for _, label in rows), np.full(len(rows), 0.9, np.float32)), people


def _torso(person: dict[str, Any]) -> list[float]:
    """Where a vest would be: below the head, as wide as the clip's vests are."""
    left, _, right, top = person["head"]
    height = person["box_unclipped"][3] - person["box_unclipped"][1]
    middle = (left + right) / 2
    return [middle - 0.1 * height, top - 0.02 * height, middle + 0.1 * height, top + 0.39 * height]


def found_people(clip: dict[str, Any], frame: dict[str, Any], boxes: LabelledBoxes) -> dict[str, int]:
    """Which row of a detector's boxes is which true person: the best overlap, one to one."""
    rows = [row for row, label in enumerate(boxes.label) if label == "person"]
    size = np.array([clip["width"], clip["height"]] * 2, np.float32)
    true = frame["persons"]
    overlap = iou(as_xyxy([person["box"] for person in true]) / size, boxes.xyxy_norm[rows].reshape(-1, 4))
    people: dict[str, int] = {}
    while overlap.size and overlap.max() >= SAME_IOU:
        person, row = np.unravel_index(int(overlap.argmax()), overlap.shape)
        people[true[int(person)]["id"]] = rows[int(row)]
        overlap[person, :] = overlap[:, row] = 0
    return people


@dataclass(frozen=True)
class Judged:
    """One person's one gear in one frame."""

    t_s: float
    person: str
    gear: Gear
    frame_state: GearState
    frame_reason: str
    state: GearState
    reason: str
    confidence: float
    expected: GearState
    assessable: bool


def judge(
    clip: dict[str, Any], seen: Sequence[tuple[dict[str, Any], LabelledBoxes, dict[str, int]]], config: VoteConfig
) -> Iterator[Judged]:
    """Each person of each frame (its truth, the boxes, the row of each person), tracked without fault."""
    votes = GearVotes(config)
    for frame, boxes, rows in seen:
        people = [
            TrackedPerson(name, boxes.xyxy_norm[row], float(boxes.probability[row]), row) for name, row in rows.items()
        ]
        t_s = float(frame["t"])
        found = observe(people, boxes, frame_size_px=(clip["width"], clip["height"]), dark=False, gear=GEAR)
        for person in people:
            states, reasons, confidence = votes.update(person.track, found[person.track], t_s)
            for gear in GEAR:
                evidence = found[person.track][gear]
                yield Judged(
                    t_s,
                    person.track,
                    gear,
                    evidence.state,
                    evidence.reason,
                    states[gear],
                    reasons[gear],
                    confidence[gear],
                    expected(clip, person.track, gear, t_s),
                    assessable(clip, person.track, t_s),
                )
