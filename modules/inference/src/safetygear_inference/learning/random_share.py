"""Frames taken for no reason at all: without them, nobody could tell what is usual. Pure, but for the generator given.

Times are drawn so that the next one never depends on the last (a Poisson process), and so is the camera: a camera that
is analysed more often is not sampled more often. A restart changes nothing about that.
"""

from __future__ import annotations

from random import Random
from typing import Final

from safetygear_inference.learning.observed import Observed, Wish, union_of

SEEN_WITHIN_S: Final = 10.0
"""A camera from which no frame came for so long is not drawn."""


class RandomShare:
    """Draws frames at a mean rate."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._seen_s: dict[str, float] = {}
        self._per_hour = 0.0
        self._due_s: float | None = None
        self._drawn: str | None = None

    def look(self, frame: Observed, *, per_hour: float) -> list[Wish]:
        """The frame, where it is drawn. `per_hour`: how many are, on average."""
        self._seen_s[frame.camera] = frame.now_s
        if per_hour <= 0:
            self._due_s = None
            return []
        if self._due_s is None or per_hour != self._per_hour:
            self._per_hour = per_hour
            self._due_s = frame.now_s + self._gap_s()
        if frame.now_s < self._due_s:
            return []
        if self._drawn is None or frame.now_s - self._seen_s.get(self._drawn, 0.0) > SEEN_WITHIN_S:
            watched = sorted(name for name, at_s in self._seen_s.items() if frame.now_s - at_s <= SEEN_WITHIN_S)
            self._drawn = self._random.choice(watched)
        if frame.camera != self._drawn:
            return []
        self._drawn, self._due_s = None, frame.now_s + self._gap_s()
        # What is shown, so that an empty yard is a near-duplicate of itself and a busy one is not.
        return [Wish("random", 1.0, union_of([box.xyxy_norm for box in frame.boxes if not box.weak]))]

    def forget(self, camera: str) -> None:
        self._seen_s.pop(camera, None)

    def _gap_s(self) -> float:
        return self._random.expovariate(self._per_hour / 3600)
