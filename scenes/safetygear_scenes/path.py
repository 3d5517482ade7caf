"""Where somebody walks and when: a smooth line on the ground, a speed, and stops. Metres and seconds of the story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safetygear_scenes.gait import ease
from safetygear_scenes.mesh import Vertices

_LAW_STEP_S = 0.01
_POINTS = 60
"""Between two given places."""
_AHEAD_M = 0.15
_SLOWING_S = 0.7


@dataclass(frozen=True)
class Stop:
    """`facing_deg`: 0 looks along -Y, None keeps the direction of the way."""

    from_s: float
    to_s: float
    facing_deg: float | None = None


@dataclass(frozen=True)
class Step:
    place_m: tuple[float, float]
    heading_deg: float
    walked_m: float
    speed_m_s: float


class Path:
    """A Catmull-Rom line through `places_m`, walked from `from_s` to `to_s`; beyond its end straight on."""

    def __init__(
        self,
        places_m: Sequence[tuple[float, float]],
        *,
        speed_m_s: float,
        from_s: float,
        to_s: float,
        stops: Sequence[Stop] = (),
    ) -> None:
        self.speed_m_s, self.from_s, self.to_s, self.stops = speed_m_s, from_s, to_s, tuple(stops)
        self._line = _smooth(np.array(places_m, np.float64))
        self._along_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self._line, axis=0), axis=1))])
        self._times_s = np.arange(from_s, to_s + 1, _LAW_STEP_S)
        self._speeds = np.full(len(self._times_s), speed_m_s)
        half_s = _SLOWING_S / 2
        for stop in stops:
            for number, t_s in enumerate(self._times_s):
                into, out = (t_s - stop.from_s + half_s) / _SLOWING_S, (t_s - stop.to_s + half_s) / _SLOWING_S
                self._speeds[number] *= 1 - ease(into) * (1 - ease(out))
        self._walked_m = np.concatenate([[0.0], np.cumsum(self._speeds[:-1] * _LAW_STEP_S)])

    def present(self, t_s: float) -> bool:
        return self.from_s <= t_s <= self.to_s

    def at(self, t_s: float) -> Step:
        walked_m = float(np.interp(t_s, self._times_s, self._walked_m))
        speed = float(np.interp(t_s, self._times_s, self._speeds))
        place, ahead = self._place(walked_m), self._place(walked_m + _AHEAD_M)
        behind = self._place(max(0.0, walked_m - _AHEAD_M))
        way = ahead - behind
        heading = float(np.degrees(np.arctan2(way[0], -way[1])))
        return Step((float(place[0]), float(place[1])), heading, walked_m, speed)

    def _place(self, walked_m: float) -> Vertices:
        length_m = float(self._along_m[-1])
        if walked_m > length_m:
            way = self._line[-1] - self._line[-20]
            return np.asarray(self._line[-1] + way / np.linalg.norm(way) * (walked_m - length_m))
        return np.array([np.interp(walked_m, self._along_m, self._line[:, axis]) for axis in (0, 1)])


def _smooth(places: Vertices) -> Vertices:
    ends = np.vstack([2 * places[0] - places[1], places, 2 * places[-1] - places[-2]])
    found = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for u in np.linspace(0, 1, _POINTS, endpoint=False):
            bend = (2 * a - 5 * b + 4 * c - d) * u * u + (3 * b - a - 3 * c + d) * u**3
            found.append(0.5 * (2 * b + (c - a) * u + bend))
    return np.array([*found, places[-1]])
