"""Whom to look at: those of whom the vote is not sure first, each in turn, and no more than the budget has. Pure.

A bucket per camera fills with `looksPerSecond` and holds one second of them. Who has waited longest is first, so that
in a crowd everybody has his turn; who is settled waits for `recheckS` and comes after all who are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from safetygear_inference.judging.observation import Gear, LookWish
from safetygear_inference.second_look.config import SecondLookConfig

HELD_S = 1.0
"""Looks that were not used are kept for so long."""


class LookBudget:
    """One camera's. Remembers those who are wished for now only, so nothing in it grows."""

    def __init__(self, now_s: float) -> None:
        self._left = 0.0
        self._filled_s = now_s - HELD_S
        self._looked_s: dict[tuple[str, Gear], float] = {}

    def choose(self, wishes: Sequence[LookWish], config: SecondLookConfig, now_s: float) -> list[LookWish]:
        """The wishes that are granted, the most pressing first. What is granted counts as looked at."""
        self._fill(config, now_s)
        known = self._looked_s
        self._looked_s = {key: known[key] for wish in wishes if (key := (wish.track, wish.gear)) in known}
        due = [wish for wish in wishes if wish.pressing or now_s - self._last(wish) >= config.recheck_s]
        due.sort(key=lambda wish: (not wish.pressing, self._last(wish)))
        granted = due[: min(config.most_per_frame, int(self._left + 1e-9))]
        for wish in granted:
            self._looked_s[wish.track, wish.gear] = now_s
        self._left -= len(granted)
        return granted

    def _fill(self, config: SecondLookConfig, now_s: float) -> None:
        # At least one, or less than a look per second would never come to a whole one.
        most = max(1.0, config.looks_per_second * HELD_S)
        gained = max(0.0, now_s - self._filled_s) * config.looks_per_second
        self._left, self._filled_s = min(most, self._left + gained), now_s

    def _last(self, wish: LookWish) -> float:
        return self._looked_s.get((wish.track, wish.gear), float("-inf"))
