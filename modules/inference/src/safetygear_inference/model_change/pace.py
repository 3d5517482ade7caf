"""How long a frame may take, and whether a model takes longer. Pure."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final, Literal

OLD_IS_ENOUGH: Final = 1.25
"""Without a limit of the twin's, a model that is slower than the one in use by less than a quarter is not called slow:
on a box that is busy anyway, the comparison itself takes its share."""
FRAMES_JUDGED: Final = 30
LEAST_FRAMES: Final = 5
"""Fewer say nothing: the first frames of a network are its slowest."""
FRAMES_KEPT: Final = 256
FORGOTTEN_S: Final = 30.0

Verdict = Literal["going-on", "kept", "slow"]


class Lately:
    """How the model in use has done: frames per second over all cameras, and milliseconds for a frame."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=FRAMES_KEPT)

    def saw(self, now_s: float, took_ms: float) -> None:
        """A frame was analysed at `now_s` (monotonic)."""
        self._seen.append((now_s, took_ms))

    def fps(self, now_s: float) -> float:
        """0 where none came lately."""
        seen_s = [at_s for at_s, _ in self._seen if now_s - at_s <= FORGOTTEN_S]
        if len(seen_s) < 2 or seen_s[-1] <= seen_s[0]:
            return 0.0
        return (len(seen_s) - 1) / (seen_s[-1] - seen_s[0])

    def p50_ms(self, now_s: float) -> float | None:
        """None where none came lately."""
        times_ms = [took_ms for at_s, took_ms in self._seen if now_s - at_s <= FORGOTTEN_S]
        return median(times_ms) if times_ms else None


def longest_ms(given_ms: float | None, *, workers: int, frames_per_s: float, old_p50_ms: float | None) -> float | None:
    """What a frame may take as a median: the twin's limit, else what lets `workers` keep up with the cameras, and never
    less than the model in use takes. None: nothing is known to hold it to."""
    if given_ms is not None:
        return given_ms
    if frames_per_s <= 0:
        return None
    return max(1000 * workers / frames_per_s, OLD_IS_ENOUGH * (old_p50_ms or 0.0))


class Watch:
    """A model that has taken over, until it has shown itself."""

    def __init__(self, *, until_s: float, longest_ms: float | None) -> None:
        self._until_s = until_s
        self.longest_ms = longest_ms
        self._times_ms: deque[float] = deque(maxlen=FRAMES_JUDGED)

    def took(self, took_ms: float) -> None:
        """A frame was analysed."""
        self._times_ms.append(took_ms)

    @property
    def p50_ms(self) -> float:
        """Of the last frames."""
        return median(self._times_ms) if self._times_ms else 0.0

    def verdict(self, now_s: float) -> Verdict:
        """`now_s`: monotonic."""
        over = now_s >= self._until_s
        enough = FRAMES_JUDGED if not over else LEAST_FRAMES
        if self.longest_ms is not None and len(self._times_ms) >= enough and self.p50_ms > self.longest_ms:
            return "slow"
        return "kept" if over else "going-on"
