"""Labels that are seldom shown: of what there is little, the model has learned little. Pure.

Counted over all cameras in frames that show anything; after `HALVED_AT` all counts are halved, so that the past fades.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from safetygear_inference.learning.observed import Observed, Wish

RARE_BELOW: Final = 0.05
"""Share of the frames."""
KNOWN_AFTER: Final = 500
"""Frames; before, nobody knows what is rare."""
HALVED_AT: Final = 100_000


class RareClasses:
    """`counts` and `frames` are to be kept over restarts."""

    def __init__(self, counts: Mapping[str, int] | None = None, frames: int = 0) -> None:
        self.counts = Counter(counts or {})
        self.frames = frames

    def look(self, frame: Observed) -> list[Wish]:
        """The frame's rarest label, where it is rare."""
        shown = {box.label: box for box in reversed(frame.boxes) if not box.weak}
        if not shown:
            return []
        wishes = []
        if self.frames >= KNOWN_AFTER:
            rarest = min(shown, key=lambda label: self.counts[label])
            score = 1 - self.counts[rarest] / self.frames / RARE_BELOW
            if score > 0:
                wishes.append(Wish("rare-class", score, shown[rarest].xyxy_norm))
        self.frames += 1
        self.counts.update(shown.keys())
        if self.frames >= HALVED_AT:
            self.frames //= 2
            self.counts = Counter({label: count // 2 for label, count in self.counts.items()})
        return wishes
