"""Whose gear is it, and is it worn? Evidence of one frame: boxes against tracked people. Pure.

Gear has two places on a person: where it is worn (a helmet on the head, a vest on the torso) and where it is carried.
All places of all people compete for all things seen, each at most once, and the assignment with the best total fit
wins: in a crowd a helmet goes to the head it sits on. What fits nobody is nobody's. Nothing seen is unknown, with the
reason why it may not have been seen; never missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import iou
from safetygear_inference.compliance.body import Array, Bodies, Mask, cut_edges, inside
from safetygear_inference.compliance.judging_config import WearingConfig
from safetygear_inference.compliance.things import Thing, things
from safetygear_inference.judging.observation import Gear, GearEvidence, GearState, LabelledBoxes, TrackedPerson
from safetygear_inference.tracking.assignment import assign

PERSON = "person"
LEAST_WORN, LEAST_CARRIED = 0.3, 0.25
"""A worse fit is none."""
CARRIED_COUNTS = 0.6
"""A thing that may be one person's worn gear and another's carried gear is more probably worn."""
SAME_PERSON_IOU = 0.45
"""An untracked person's box that overlaps a tracked one's by more is a second box of the same person."""
COVERED = 0.5
"""Part of a head's or torso's region from which another person's box occludes it."""
IN_DARK = 0.5
"""What a box of a dark picture counts, to that of a bright one."""


def observe(
    people: Sequence[TrackedPerson],
    boxes: LabelledBoxes,
    *,
    frame_size_px: tuple[int, int],
    dark: bool,
    gear: Sequence[Gear],
    config: WearingConfig = WearingConfig(),  # noqa: B008  # frozen
) -> dict[str, dict[Gear, GearEvidence]]:
    """What this frame says of each of `gear` on each person, by track. Every person has every gear.

    `dark`: the whole picture is; boxes then count half. Person boxes that are not tracked (ignored, not yet confirmed)
    keep their own gear from being taken for a neighbour's.
    """
    if not people:
        return {}
    scale = np.array([*frame_size_px, *frame_size_px], float)
    frame = _Frame(
        people, boxes, np.asarray(boxes.xyxy_norm, float).reshape(-1, 4) * scale, frame_size_px, dark, config
    )
    found: dict[str, dict[Gear, GearEvidence]] = {person.track: {} for person in people}
    torsos = frame.evidence("vest", None)
    helmets = frame.evidence("helmet", frame.torso_boxes(torsos)) if "helmet" in gear else []
    for name in gear:
        of_gear = torsos if name == "vest" else helmets if name == "helmet" else frame.evidence(name, None)
        for person, evidence in zip(people, of_gear, strict=True):
            found[person.track][name] = evidence
    return found


@dataclass(frozen=True)
class _Held:
    """A thing and how well it fits the place it was assigned to (0..1), less what other people's places claim."""

    thing: Thing
    fit: float


class _Frame:
    """One frame's people and boxes in pixels. The tracked people come first, then the untracked ones."""

    def __init__(
        self,
        people: Sequence[TrackedPerson],
        boxes: LabelledBoxes,
        xyxy_px: Array,
        frame_size_px: tuple[int, int],
        dark: bool,
        config: WearingConfig,
    ) -> None:
        self._boxes = boxes
        self._xyxy_px = xyxy_px
        self._cut = cut_edges(xyxy_px, frame_size_px)
        self._frame_height_px = frame_size_px[1]
        self._dark = dark
        self._config = config
        self._tracked = len(people)
        scale = np.array([*frame_size_px, *frame_size_px], float)
        tracked = np.array([person.xyxy_norm for person in people], float).reshape(-1, 4) * scale
        own = {person.box_index for person in people}
        rest = [row for row, label in enumerate(boxes.label) if label == PERSON and row not in own]
        others = xyxy_px[rest]
        if rest:
            overlap = iou(others.astype(np.float32), tracked.astype(np.float32)).max(axis=1)
            others = others[overlap <= SAME_PERSON_IOU]
        self._bodies = Bodies.of(np.concatenate((tracked, others)), frame_size_px)

    def evidence(self, gear: Gear, torsos: Array | None) -> list[GearEvidence]:
        """Of each tracked person. `torsos`: (n, 4) of all people, for helmets only."""
        seen = things(gear, self._boxes, self._xyxy_px)
        worn_fit, carried_fit = self._fits(gear, seen, torsos)
        worn, carried = _assign(seen, worn_fit, carried_fit)
        bare = np.array([held is not None and not held.thing.present for held in worn])
        if gear == "helmet" and bare.any() and any(thing.present for thing in seen):
            # A helmet near a bare head is not on it, however near: it is held there.
            worn, carried = _assign(seen, *self._beside_bare_heads(seen, bare, worn_fit, carried_fit))
        hidden = self._why_hidden(gear)
        return [
            self._judge(gear, person, worn[person], carried[person], hidden[person]) for person in range(self._tracked)
        ]

    def torso_boxes(self, evidence: Sequence[GearEvidence]) -> Array:
        """(n, 4) px of the box on each person's torso, NaN where none was seen."""
        torsos = np.full((len(self._bodies.xyxy_px), 4), np.nan)
        for person, of_person in enumerate(evidence):
            if of_person.state in ("worn", "missing") and of_person.box_index is not None:
                torsos[person] = self._xyxy_px[of_person.box_index]
        return torsos

    def _fits(self, gear: Gear, seen: Sequence[Thing], torsos: Array | None) -> tuple[Array, Array]:
        """How well each thing (m) lies where each person (n) wears and carries it: two of (n, m)."""
        rows = self._xyxy_px[[thing.box_index for thing in seen]].reshape(-1, 4)
        bodies = self._bodies
        if gear == "helmet":
            torsos = np.full(bodies.xyxy_px.shape, np.nan) if torsos is None else torsos
            worn = bodies.on_head(rows, torsos)
            between_arms = np.where(np.isfinite(torsos[:, :1]), 0.0, bodies.between_arms(rows))
            carried = bodies.in_hand(rows, np.maximum(worn, between_arms))
        elif gear == "vest":
            worn = bodies.on_torso(rows)
            carried = bodies.beside_torso(rows, worn)
        else:
            worn = bodies.on_person(rows)
            carried = np.zeros_like(worn)
        # A bare head is on a neck and a bare torso on a body: neither is carried.
        return worn, np.where([thing.present for thing in seen], carried, 0.0)

    def _beside_bare_heads(
        self, seen: Sequence[Thing], bare: Mask, worn_fit: Array, carried_fit: Array
    ) -> tuple[Array, Array]:
        """The fits (n, m) when the `bare` heads (n) can wear no helmet."""
        present = np.array([thing.present for thing in seen])
        rows = self._xyxy_px[[thing.box_index for thing in seen]]
        beside = np.outer(bare, present)
        held = self._bodies.in_hand(rows, np.zeros_like(worn_fit))
        return np.where(beside, 0.0, worn_fit), np.where(beside, held, carried_fit)

    def _judge(
        self, gear: Gear, person: int, worn: _Held | None, carried: _Held | None, hidden: str | None
    ) -> GearEvidence:
        bodies, minimum = self._bodies, self._config.minimum_weight
        # The lower edge shortens the box, not the person.
        tall_px = bodies.full_height[person] if bodies.cut[person, 3] else bodies.height[person]
        if tall_px < self._config.min_person_height_px:
            return _unknown("too-small")
        on_place = self._weight(worn)
        if worn is not None and worn.thing.present:
            return _evidence("worn", on_place, minimum, _WORN.get(gear, "on-person"), worn)
        if worn is not None and self._cut[worn.thing.box_index, :3].any():
            # Half a head at the edge looks bare: the helmet is outside. Below, nothing would be.
            return _unknown("truncated", worn)
        if carried is not None:
            # Not to see the head leaves it open whether there is a second helmet on it.
            weight = self._weight(carried) * (CARRIED_COUNTS if worn is None else 1.0)
            weight *= 1 - 0.5 * float(bodies.wide[person])
            if worn is None and hidden in ("truncated", "occluded"):
                return _unknown(hidden, carried)
            if worn is None or weight >= minimum:
                return _evidence("carried", max(weight, on_place), minimum, _CARRIED.get(gear, "off-person"), carried)
        if worn is not None:
            return _evidence("missing", on_place, minimum, _LACKING.get(gear, f"no-{gear}"), worn)
        return _unknown(hidden or ("low-light" if self._dark else "not-seen"))

    def _weight(self, held: _Held | None) -> float:
        if held is None:
            return 0.0
        thing = held.thing
        weight = min(1.0, thing.probability / self._config.full_probability) * held.fit
        weight *= 1 - thing.against / max(thing.probability, 1e-6)
        if self._cut[thing.box_index].any():
            weight *= 0.5
        return weight * (IN_DARK if self._dark else 1.0)

    def _why_hidden(self, gear: Gear) -> list[str | None]:
        """Why gear may be there and not seen, of each tracked person: `truncated`, `occluded` or None."""
        bodies = self._bodies
        regions = bodies.head_regions() if gear == "helmet" else bodies.torso_regions()
        outside = bodies.cut[:, 0] | bodies.cut[:, 2] | bodies.cut[:, 1]
        outside |= (regions[:, 1] + regions[:, 3]) / 2 > self._frame_height_px
        covered = _covered(regions, bodies.xyxy_px)
        return ["truncated" if outside[n] else "occluded" if covered[n] else None for n in range(self._tracked)]


_WORN = {"helmet": "helmet-on-head", "vest": "vest-on-torso"}
_CARRIED = {"helmet": "helmet-off-head", "vest": "vest-off-torso"}
_LACKING = {"helmet": "bare-head"}


def _covered(regions: Array, people: Array) -> Mask:
    """(n): whether somebody nearer to the camera (feet lower in the picture) covers a person's region (n, 4)."""
    share = inside(regions, people)
    feet = people[:, 3]
    slack = 0.02 * (people[:, 3] - people[:, 1])
    in_front = feet[:, None] >= (feet - slack)[None, :]
    np.fill_diagonal(in_front, False)
    return np.asarray(np.where(in_front, share, 0.0).max(axis=0, initial=0.0) >= COVERED)


def _assign(
    seen: Sequence[Thing], worn_fit: Array, carried_fit: Array
) -> tuple[list[_Held | None], list[_Held | None]]:
    """Things to places, each at most once, with the greatest total fit. Fits (n people, m things)."""
    count = len(worn_fit)
    held: tuple[list[_Held | None], list[_Held | None]] = ([None] * count, [None] * count)
    if not seen or not count:
        return held
    fit = np.concatenate(
        (np.where(worn_fit >= LEAST_WORN, worn_fit, 0), np.where(carried_fit >= LEAST_CARRIED, carried_fit, 0))
    )
    counts = np.repeat([1.0, CARRIED_COUNTS], count)[:, None]
    # Of two things on one place the more probable one stays.
    score = fit * counts * np.array([0.5 + 0.5 * thing.probability for thing in seen])
    places, columns = assign(1 - score, max_cost=1.0)
    rivals = _rivals(score, places, columns) / score[places, columns]
    held_fit = fit[places, columns] * (1 - 0.5 * np.minimum(rivals, 1))
    for place, column, fit_here in zip(places.tolist(), columns.tolist(), held_fit.tolist(), strict=True):
        slot, person = divmod(place, count)
        held[slot][person] = _Held(seen[column], fit_here)
    return held


def _rivals(score: Array, places: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    """Of each assigned pair: the best score of its thing with a place of somebody else, as far as that place has
    nothing better. `score` (2n places, m things)."""
    count = len(score) // 2
    own = np.zeros(2 * count)
    own[places] = score[places, columns]
    gain = np.maximum(score[:, columns] - own[:, None], 0)
    same_person = np.arange(2 * count)[:, None] % count == places[None, :] % count
    return np.asarray(np.where(same_person, 0.0, gain).max(axis=0))


def _evidence(state: GearState, weight: float, minimum: float, reason: str, held: _Held) -> GearEvidence:
    if weight < minimum:
        return _unknown("low-confidence", held)
    return GearEvidence(state, min(1.0, weight), reason, held.thing.box_index)


def _unknown(reason: str, held: _Held | None = None) -> GearEvidence:
    return GearEvidence("unknown", 0.0, reason, held.thing.box_index if held is not None else None)
