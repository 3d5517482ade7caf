"""How a person walks, and where arms go: joint rotations from the phase of the walk and the distance walked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from safetygear_scenes.mesh import Rotation, Vertices, turn, turn_onto, turn_x, turn_y, turn_z
from safetygear_scenes.worker import FINGERS, Absolute, Skeleton, Worker

_Curve = Callable[[float], float]


@dataclass(frozen=True)
class Style:
    """`stride`: of the joint angles, 1 is usual. `elbows_out_deg`, `lean_deg`: how the person holds itself."""

    stride: float = 1.0
    arms: float = 1.0
    lean_deg: float = 3.0
    elbows_out_deg: float = 13.0
    sway: float = 1.0


def _curve(points: Sequence[tuple[float, float]]) -> _Curve:
    """A smooth periodic curve through rough (phase, degrees) points: its first five harmonics."""
    phase, degrees = np.array(points, np.float64).T
    grid = np.arange(200) / 200
    spectrum = np.fft.rfft(np.interp(grid, np.concatenate([phase - 1, phase, phase + 1]), np.tile(degrees, 3)))
    spectrum[6:] = 0
    smooth = np.fft.irfft(spectrum, 200)
    grid, smooth = np.append(grid, 1.0), np.append(smooth, smooth[0])
    return lambda at: float(np.interp(at % 1.0, grid, smooth))


# Sagittal joint angles of level walking as textbooks draw them, rounded; phase 0 is the heel strike of that leg.
_HIP = _curve([(0, 27), (0.1, 24), (0.3, 5), (0.5, -11), (0.6, -5), (0.75, 20), (0.85, 29), (0.95, 28)])
_KNEE = _curve([(0, 4), (0.14, 17), (0.38, 4), (0.5, 12), (0.62, 40), (0.72, 60), (0.85, 30), (0.95, 4)])
_ANKLE = _curve([(0, 0), (0.07, -6), (0.25, 5), (0.45, 11), (0.55, 0), (0.62, -17), (0.75, -2), (0.9, 1)])
_CALIBRATION_STEPS = 120


def ease(share: float) -> float:
    """0..1, with rest at both ends."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


class Gait:
    """The walk of one person. Learns once how far each part of a step carries, so that standing feet stand."""

    def __init__(self, worker: Worker, style: Style) -> None:
        self._worker, self._style = worker, style
        self._arm: dict[str, Vertices] = {}
        for side in "lr":
            elbow = worker.joint(f"lowerarm_{side}")
            self._arm[f"upper{side}"] = elbow - worker.joint(f"upperarm_{side}")
            self._arm[f"lower{side}"] = worker.joint(f"hand_{side}") - elbow
        self._walked_m = self._calibrated()

    def phase(self, walked_m: float) -> float:
        """In whole strides; its fraction is where in the stride."""
        stride = float(self._walked_m[-1])
        share = float(np.interp(walked_m % stride, self._walked_m, np.linspace(0, 1, len(self._walked_m))))
        return share + float(np.floor(walked_m / stride))

    def body(
        self, phase: float, going: float, *, look_deg: float = 0.0, nod_deg: float = 0.0, shift: float = 0.0
    ) -> dict[str, Rotation | Absolute]:
        """Legs, spine and head. `going`: 0 stands, 1 walks. `shift`: of the weight while standing, -1..1."""
        style, pose = self._style, dict[str, Rotation | Absolute]()
        share = going * style.stride
        swing, lean = float(np.cos(2 * np.pi * phase)), style.lean_deg
        yaw, list_ = 5 * share * swing, 2.5 * share * float(np.sin(2 * np.pi * phase)) * style.sway
        pose["pelvis"] = turn_z(-yaw) @ turn_y(-list_ + shift * 1.2)
        for side, sign, at in (("l", 1, phase), ("r", -1, phase + 0.5)):
            apart = 4.2 * sign
            pose[f"thigh_{side}"] = turn_z(yaw) @ turn_y(list_) @ turn_x(-_HIP(at) * share) @ turn_y(apart)
            pose[f"calf_{side}"] = turn_x(_KNEE(at) * share + 2 * (1 - going))
            pose[f"foot_{side}"] = turn_y(-apart) @ turn_x(-_ANKLE(at) * share)
            push = float(np.clip((at % 1.0 - 0.42) / 0.16, 0, 1) * np.clip((0.68 - at % 1.0) / 0.06, 0, 1))
            pose[f"ball_{side}"] = turn_x(-22 * push * share)
            pose[f"clavicle_{side}"] = turn_y(5 * sign)
        twist = -9 * share * swing
        pose["spine_01"] = turn_x(lean * 0.5) @ turn_y(list_ * 0.6)
        pose["spine_02"] = turn_z(-twist * 0.3) @ turn_x(lean * 0.5) @ turn_y(list_ * 0.4)
        pose["spine_03"] = turn_z(-twist * 0.4)
        pose["neck_01"] = turn_x(-lean * 0.3 + nod_deg * 0.4) @ turn_z(look_deg * 0.4 + twist * 0.2)
        pose["head"] = turn_x(-lean * 0.5 + nod_deg * 0.6) @ turn_z(look_deg * 0.6)
        return pose

    def hanging(
        self, side: str, phase: float, going: float, *, swing: float = 1.0, bend_deg: float = 12.0
    ) -> tuple[Vertices, Vertices]:
        """Directions of upper and lower arm in the chest's frame, while the arm hangs or swings."""
        sign, at = (1, phase + 0.5) if side == "l" else (-1, phase)
        share = going * self._style.arms * swing
        shoulder = (1 + 18 * float(np.cos(2 * np.pi * at))) * share
        elbow = bend_deg + (7 + 9 * float(np.cos(2 * np.pi * (at - 0.04)))) * share
        out = np.radians(self._style.elbows_out_deg)
        upper = turn_x(-shoulder) @ np.array([np.sin(out) * sign, 0.03, -np.cos(out)])
        return upper, turn_x(-shoulder - elbow) @ np.array([0.03 * sign, 0.0, -1.0])

    def reaching(self, shoulder: Vertices, wrist: Vertices, side: str, pole: Vertices) -> tuple[Vertices, Vertices]:
        """Directions of upper and lower arm that bring the wrist to a place, the elbow towards `pole`."""
        upper, lower = (float(np.linalg.norm(self._arm[name + side])) for name in ("upper", "lower"))
        way = wrist - shoulder
        distance = float(np.linalg.norm(way))
        way = way / distance
        distance = float(np.clip(distance, abs(upper - lower) + 0.02, (upper + lower) * 0.995))
        along = (upper * upper + distance * distance - lower * lower) / (2 * upper * distance)
        aside = pole - way * (pole @ way)
        aside /= np.linalg.norm(aside)
        elbow = shoulder + way * upper * along + aside * upper * np.sqrt(max(0.0, 1 - along * along))
        fore = shoulder + way * distance - elbow
        return (elbow - shoulder) / upper, fore / np.linalg.norm(fore)

    def set_arm(self, pose: dict[str, Rotation | Absolute], side: str, upper: Vertices, lower: Vertices) -> None:
        """Point one arm, as directions in the chest's frame."""
        chest = self._worker.pose({key: value for key, value in pose.items() if not isinstance(value, Absolute)})
        frame = chest.turn("spine_03")
        pose[f"upperarm_{side}"] = Absolute(frame @ turn_onto(self._arm[f"upper{side}"], upper))
        pose[f"lowerarm_{side}"] = Absolute(frame @ turn_onto(self._arm[f"lower{side}"], lower))

    def set_fingers(self, pose: dict[str, Rotation | Absolute], side: str, degrees: float) -> None:
        """Bend all fingers."""
        across = self._worker.joint(f"pinky_01_{side}") - self._worker.joint(f"index_01_{side}")
        for finger in FINGERS:
            pose[f"{finger}_{side}"] = turn(across if side == "l" else -across, degrees)

    def standing_m(self, skeleton: Skeleton, phase: float, going: float) -> float:
        """Height of the soles: what has to be taken off so that the person stands on the ground."""
        boots = self._worker.parts["boots"]
        height, left = self._worker.posed(boots, skeleton)[:, 2], boots.vertices[:, 0] > 0
        left_m, right_m = float(height[left].min()), float(height[~left].min())
        at = phase % 1.0
        on_left = ease((at + 0.05) / 0.1) * (1 - ease((at - 0.45) / 0.1)) + ease((at - 0.95) / 0.1)
        lowest = min(left_m, right_m)
        walking = min(on_left * left_m + (1 - on_left) * right_m, lowest + 0.018)
        return going * walking + (1 - going) * lowest

    def _calibrated(self) -> Vertices:
        """How far a person has come at each step of one stride: as far as the standing foot goes back."""
        ahead = []
        for step in range(_CALIBRATION_STEPS + 1):
            pose = self.body(step / _CALIBRATION_STEPS, 1.0)
            skeleton = self._worker.pose(pose)
            ahead.append((skeleton.joint("foot_l")[1], skeleton.joint("foot_r")[1]))
        places = np.array(ahead)
        forward = np.diff(places, axis=0)
        half = _CALIBRATION_STEPS // 2
        gained = np.maximum(0.002, np.concatenate([forward[:half, 0], forward[half:, 1]]))
        wide = np.concatenate([gained[-4:], gained, gained[:4]])
        return np.concatenate([[0.0], np.cumsum(np.convolve(wide, np.ones(9) / 9, "valid"))])
