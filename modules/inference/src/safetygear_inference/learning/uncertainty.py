"""Boxes that are neither shown surely nor surely nothing: the nearer to their threshold, the less the model knows.

Nearly every frame of a busy site has some such box. So a frame must be among the most uncertain of its camera: the bar
follows the quantile `RAREST` of the scores it has had. Pure.
"""

from __future__ import annotations

from typing import Final

from safetygear_inference.learning.observed import Observed, Wish, at_edge

BAND: Final = 0.1
"""As probability: a box so far from its threshold on either side is not uncertain at all."""
RAREST: Final = 0.95
STEP: Final = 0.02
LEAST: Final = 0.5


class Uncertainty:
    """Keeps one number for each camera."""

    def __init__(self) -> None:
        self._bar: dict[str, float] = {}

    def look(self, frame: Observed) -> list[Wish]:
        """The most uncertain box, where it is unusually uncertain."""
        # A person cut by the frame's edge is doubtful for another reason.
        whole = (box for box in frame.boxes if not at_edge(box.xyxy_norm))
        best = min(whole, key=lambda box: abs(box.probability - box.least), default=None)
        if best is None:
            return []
        score = max(0.0, 1 - abs(best.probability - best.least) / BAND)
        bar = self._bar.get(frame.camera, LEAST)
        above = score >= bar
        # A step up for each score above, a small one down for each below: it settles where 1 - RAREST are above.
        self._bar[frame.camera] = min(0.99, max(LEAST, bar + STEP * (RAREST if above else RAREST - 1)))
        return [Wish("uncertain", score, best.xyxy_norm)] if above else []

    def forget(self, camera: str) -> None:
        self._bar.pop(camera, None)
