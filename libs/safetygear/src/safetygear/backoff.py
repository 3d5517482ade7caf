"""Pauses between attempts: exponential, jittered, reset on success."""

from __future__ import annotations

import random as random_module


class Backoff:
    """`next_s()` gives `first_s`, then `factor` times the one before up to `ceiling_s`, each varied by ±`jitter`."""

    def __init__(
        self,
        *,
        first_s: float,
        ceiling_s: float,
        factor: float = 2.0,
        jitter: float = 0.25,
        random: random_module.Random | None = None,
    ) -> None:
        if not (0 < first_s <= ceiling_s and factor >= 1 and 0 <= jitter < 1):
            raise ValueError("a back-off needs 0 < first_s <= ceiling_s, factor >= 1 and 0 <= jitter < 1")
        self._first_s = first_s
        self._ceiling_s = ceiling_s
        self._factor = factor
        self._jitter = jitter
        # Not for security: it only keeps a site's cameras from knocking all at once.
        self._random = random or random_module.Random()
        self._pause_s = first_s

    def next_s(self) -> float:
        """How long to wait before the next attempt, seconds."""
        pause_s = self._pause_s
        self._pause_s = min(self._ceiling_s, pause_s * self._factor)
        return pause_s * (1 + self._jitter * (2 * self._random.random() - 1))

    def reset(self) -> None:
        """An attempt has succeeded."""
        self._pause_s = self._first_s
