"""Which decoded frames are handed over: those at the analysed rate, each as soon as it is decoded. Pure."""

from __future__ import annotations

import math
import zlib
from typing import Final

TOLERANCE: Final = 0.1
"""A frame this part of the interval early counts as due: a camera's 15 fps jitter around every third frame."""


class Sampler:
    """Dues lie on a grid, so that jitter doesn't change the average rate.

    Each camera has its own phase on the grid: cameras that were started together don't all come due at once, which
    would make the last of them wait for the detector. What comes in a burst (a network that caught up) is handed over
    at most once per interval.
    """

    def __init__(self, analysed_fps: float, phase: float) -> None:
        """`phase`: 0..1 of the interval."""
        self._interval_s = 1 / analysed_fps
        self._offset_s = (phase % 1.0) * self._interval_s
        self._due_s = -math.inf

    def due(self, now_s: float) -> bool:
        """Whether a frame decoded at `now_s` (monotonic) is to be handed over. The first one always is."""
        early_s = TOLERANCE * self._interval_s
        if now_s < self._due_s - early_s:
            return False
        # The next point of the grid that is not this frame's own.
        passed = math.floor((now_s + early_s - self._offset_s) / self._interval_s)
        self._due_s = (passed + 1) * self._interval_s + self._offset_s
        return True


def phase_of(camera: str) -> float:
    """A camera's place on the grid: the same after each restart, spread over cameras."""
    return zlib.crc32(camera.encode()) / 2**32
