"""Episodes that came out against those that are true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safetygear.clock import epoch_s
from support.storyboards import START_S, Truth

EARLY_S = 0.3
"""An episode may not open before its violation can be seen; frames and rounding give so much."""


@dataclass
class Score:
    """Of any number of stories."""

    right: int = 0
    false: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    open_delay_s: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / (self.right + len(self.false)) if self.right + len(self.false) else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + len(self.missed)) if self.right + len(self.missed) else 1.0

    def take(self, name: str, truths: Sequence[Truth], episodes: Sequence[Mapping[str, Any]]) -> None:
        """Each true episode is found by one episode at most, the earliest that fits."""
        left = list(episodes)
        for truth in truths:
            found = next((one for one in left if _fits(truth, one)), None)
            if found is None:
                self.missed.append(f"{name}: {truth}")
                continue
            left.remove(found)
            self.right += 1
            self.open_delay_s.append(_story_s(found["openedAt"]) - truth.since_s)
        self.false += [f"{name}: {dict(one)}" for one in left]

    def delay_s(self, percent: float) -> float:
        """Nearest rank."""
        ordered = sorted(self.open_delay_s)
        return round(ordered[max(0, -(-int(len(ordered) * percent) // 100) - 1)], 2)


def _fits(truth: Truth, episode: Mapping[str, Any]) -> bool:
    """The whole of it: what, why, when, and how it ended."""
    if (episode["zone"], episode["rule"], episode["reason"]) != (truth.zone, truth.rule, truth.reason):
        return False
    opened_s = _story_s(episode["openedAt"]) - truth.since_s
    closed_s = _story_s(episode["closedAt"]) - truth.until_s if episode["closedAt"] else float("inf")
    return (
        -EARLY_S <= opened_s <= truth.open_within_s
        and abs(closed_s) <= truth.close_within_s
        and episode["closeReason"] == truth.close_reason
    )


def _story_s(text: str) -> float:
    return epoch_s(text) - START_S
