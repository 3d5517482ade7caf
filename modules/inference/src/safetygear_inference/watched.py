"""Which parts of the last minute a camera was really watched. Pure: monotonic seconds passed in.

The same rule as in the health message: an analysed picture covers the time until the next one, `COVERS_S` at most, and
a frozen picture covers nothing.
"""

from __future__ import annotations

from collections import deque

from safetygear_inference.coverage import COVERS_S

WINDOW_S = 60


class WatchedTime:
    """Spans of watched time that reach into the last `WINDOW_S`, in order and apart from each other."""

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float]] = deque()

    def analysed(self, now_s: float) -> None:
        """A picture was analysed: it stands for the time to come."""
        if self._spans and self._spans[-1][1] >= now_s:
            self._spans[-1] = (self._spans[-1][0], now_s + COVERS_S)
        else:
            self._spans.append((now_s, now_s + COVERS_S))
        self._forget(now_s)

    def frozen(self, seconds: float, now_s: float) -> None:
        """The pictures of the last `seconds` were all the same one: nobody was watched in that time."""
        start_s = now_s - seconds
        while self._spans and self._spans[-1][1] > start_s:
            from_s, _ = self._spans.pop()
            if from_s < start_s:
                self._spans.append((from_s, start_s))
                break

    def shares(self, now_s: float) -> list[float]:
        """Watched share (0..1) of each of the last `WINDOW_S` seconds, the oldest first."""
        self._forget(now_s)
        shares = [0.0] * WINDOW_S
        begin_s = now_s - WINDOW_S
        for from_s, to_s in self._spans:
            for second in range(max(0, int(from_s - begin_s)), WINDOW_S):
                start_s = begin_s + second
                if start_s >= to_s:
                    break
                shares[second] += max(0.0, min(to_s, start_s + 1) - max(from_s, start_s))
        return [min(1.0, share) for share in shares]

    def _forget(self, now_s: float) -> None:
        while self._spans and self._spans[0][1] <= now_s - WINDOW_S:
            self._spans.popleft()
