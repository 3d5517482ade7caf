"""A person on its way through a story: where it is at a time, what its body does, and where its helmet is.

A helmet that hangs from the hand is put on, or taken off, with both hands within three seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from safetygear_scenes.gait import Gait, ease
from safetygear_scenes.mesh import Rotation, Vertices, between, turn_x, turn_z
from safetygear_scenes.path import Path, Stop
from safetygear_scenes.worker import Absolute, Skeleton, Worker

HelmetState = Literal["worn", "carried", "none"]
HANDLING_S = 3.05
"""From the hand hanging to the hands down again."""
ON_HEAD_S = 2.05
"""Into putting it on; from then on it counts as worn."""
_SEATED_S = 2.1
_SEAT = np.array([0.0, -0.003, 0.034])
_Place = tuple[Vertices, Rotation]


@dataclass(frozen=True)
class Handling:
    """Begins at `at_s`, seconds of the story."""

    at_s: float
    act: Literal["put-on", "take-off"]


@dataclass(frozen=True)
class Look:
    """Turns the head while it lasts."""

    from_s: float
    to_s: float
    aside_deg: float
    down_deg: float = 0.0


@dataclass(frozen=True)
class Figure:
    """A person at one time. `meshes`: world vertices by part, `helmet` and `cap` included where there are any."""

    meshes: dict[str, Vertices]
    helmet: HelmetState
    feet_m: Vertices
    """(2,) on the ground."""
    heading_deg: float
    speed_m_s: float


def helmet_state(start: HelmetState, handlings: Sequence[Handling], t_s: float) -> HelmetState:
    """What is true of the helmet at a time: worn from when it sits on the head until it leaves it."""
    state = start
    for handling in handlings:
        if handling.act == "put-on" and t_s >= handling.at_s + ON_HEAD_S:
            state = "worn"
        elif handling.act == "take-off" and t_s > handling.at_s + HANDLING_S - ON_HEAD_S:
            state = "carried"
    return state


def handling_phase_s(start: HelmetState, handlings: Sequence[Handling], t_s: float) -> float:
    """0 the helmet hangs from the hand, `HANDLING_S` it is worn, in between how far it has been put on."""
    phase_s = HANDLING_S if start == "worn" else 0.0
    for handling in handlings:
        if t_s >= handling.at_s:
            passed_s = min(t_s - handling.at_s, HANDLING_S)
            phase_s = passed_s if handling.act == "put-on" else HANDLING_S - passed_s
    return phase_s


class Actor:
    """`start`: the helmet's state before any handling."""

    def __init__(
        self,
        worker: Worker,
        gait: Gait,
        path: Path,
        *,
        start: HelmetState,
        handlings: Sequence[Handling] = (),
        looks: Sequence[Look] = (),
    ) -> None:
        self.worker, self.path = worker, path
        self._gait, self._start, self._handlings, self._looks = gait, start, tuple(handlings), tuple(looks)

    def at(self, t_s: float) -> Figure:
        worker, gait = self.worker, self._gait
        step = self.path.at(t_s)
        heading_deg, shift = _standing(step.heading_deg, self.path.stops, t_s)
        aside_deg, down_deg = self._look(t_s)
        going, phase = ease(step.speed_m_s / (self.path.speed_m_s * 0.8)), gait.phase(step.walked_m)
        pose = gait.body(phase, going, look_deg=aside_deg, nod_deg=down_deg, shift=shift * (1 - going))
        phase_s = handling_phase_s(self._start, self._handlings, t_s) if worker.helmet else HANDLING_S
        in_hand = worker.helmet is not None and self._start != "none" and phase_s < 0.3
        for side in "lr":
            holds = in_hand and side == "r"
            upper, lower = gait.hanging(side, phase, going, swing=0.35 if holds else 1, bend_deg=4 if holds else 12)
            gait.set_arm(pose, side, upper, lower)
            gait.set_fingers(pose, side, 40 if holds else 20)
        skeleton = worker.pose(pose)
        place: _Place | None = None
        if worker.helmet is not None:
            skeleton, place = self._with_helmet(pose, skeleton, phase, going, phase_s)
        out = turn_z(heading_deg)
        offset = np.array([*step.place_m, -gait.standing_m(skeleton, phase, going)])
        meshes = {name: worker.posed(part, skeleton) @ out.T + offset for name, part in worker.parts.items()}
        if worker.helmet is not None and place is not None:
            meshes["helmet"] = (worker.helmet.vertices @ place[1].T + place[0]) @ out.T + offset
        if worker.cap is not None:
            centre, rotation = self._on_head(skeleton)
            centre = centre - rotation @ np.array([0, 0, 0.002])
            meshes["cap"] = (worker.cap.vertices @ rotation.T + centre) @ out.T + offset
        state = helmet_state(self._start, self._handlings, t_s) if worker.helmet else "none"
        return Figure(meshes, state, np.asarray(step.place_m), (heading_deg + 180) % 360 - 180, step.speed_m_s)

    def _look(self, t_s: float) -> tuple[float, float]:
        aside_deg = down_deg = 0.0
        for look in self._looks:
            share = ease((t_s - look.from_s) / 0.5) * (1 - ease((t_s - look.to_s + 0.5) / 0.5))
            aside_deg, down_deg = aside_deg + share * look.aside_deg, down_deg + share * look.down_deg
        return aside_deg, down_deg

    def _on_head(self, skeleton: Skeleton) -> _Place:
        turn = skeleton.turn("head")
        seat = self.worker.head.centre - self.worker.joint("head") + _SEAT
        return skeleton.joint("head") + turn @ seat, turn @ turn_x(4)

    def _in_hand(self, skeleton: Skeleton) -> _Place:
        """Hanging from the right hand by the peak, the dome outwards."""
        palm = skeleton.turn("hand_r") @ (self.worker.joint("middle_01_r") - self.worker.joint("hand_r"))
        up = np.array([-0.93, -0.1, 0.33])
        up /= np.linalg.norm(up)
        ahead = np.array([0.0, 0.12, -1.0])
        ahead -= up * (ahead @ up)
        ahead /= np.linalg.norm(ahead)
        rotation = skeleton.turn("spine_03") @ np.stack([np.cross(ahead, up), ahead, up], 1)
        return skeleton.joint("hand_r") + palm * 1.15 + rotation @ np.array([0, 0.155, -0.01]), rotation

    def _with_helmet(
        self,
        pose: dict[str, Rotation | Absolute],
        skeleton: Skeleton,
        phase: float,
        going: float,
        phase_s: float,
    ) -> tuple[Skeleton, _Place]:
        if phase_s <= 0:
            return skeleton, self._in_hand(skeleton)
        if phase_s >= HANDLING_S:
            return skeleton, self._on_head(skeleton)
        worker, gait = self.worker, self._gait
        chest = skeleton.turn("spine_03")
        seat, seat_turn = self._on_head(skeleton)
        centre, rotation = self._in_hand(skeleton)
        # From the hand to before the chest, above the head, and down onto it.
        for place, turn, share in (
            (seat + chest @ np.array([0, -0.34, -0.30]), chest @ turn_x(15), ease(phase_s)),
            (seat + chest @ np.array([0, -0.03, 0.17]), seat_turn @ turn_x(3), ease((phase_s - 0.9) / 0.8)),
            (seat, seat_turn, ease((phase_s - 1.6) / 0.5)),
        ):
            centre, rotation = centre + (place - centre) * share, between(rotation, turn, share)
        if phase_s >= _SEATED_S:
            centre, rotation = seat, seat_turn
        down = 1 - ease((phase_s - 2.25) / 0.8)
        for side, sign in (("l", 1), ("r", -1)):
            shoulder, hand = skeleton.joint(f"upperarm_{side}"), skeleton.joint(f"hand_{side}")
            rim = centre + rotation @ np.array([sign * (worker.head.half_x + 0.05), -0.01, -0.02])
            wrist = rim + chest @ np.array([sign * 0.02, 0.05, -0.085])
            share = (ease(phase_s / 0.45) if side == "r" else ease((phase_s - 0.25) / 0.65)) * down
            goal = hand + (wrist - hand) * share
            if share < 1:
                # The hand goes round the body, not through it.
                goal = goal + chest @ np.array([0, -0.14, 0]) * np.sin(np.pi * share) * 0.6
            reach = gait.reaching(chest.T @ shoulder, chest.T @ goal, side, np.array([sign * 0.8, 0.25, -0.6]))
            rest, mixed = gait.hanging(side, phase, going), min(1.0, share * 4)
            upper, lower = (a * (1 - mixed) + b * mixed for a, b in zip(rest, reach, strict=True))
            gait.set_arm(pose, side, upper / np.linalg.norm(upper), lower / np.linalg.norm(lower))
            gait.set_fingers(pose, side, 14 + 22 * share)
        skeleton = worker.pose(pose)
        return skeleton, self._on_head(skeleton) if phase_s >= _SEATED_S else (centre, rotation)


def _standing(heading_deg: float, stops: Sequence[Stop], t_s: float) -> tuple[float, float]:
    """Heading, and how the weight shifts, with the stops' facing taken into account."""
    shift = 0.0
    for stop in stops:
        share = ease((t_s - stop.from_s) / 0.6) * (1 - ease((t_s - stop.to_s + 0.3) / 0.6))
        shift = max(shift, share) * float(np.sin(t_s * 1.3))
        if stop.facing_deg is not None:
            heading_deg += share * ((stop.facing_deg - heading_deg + 180) % 360 - 180)
    return heading_deg, shift
