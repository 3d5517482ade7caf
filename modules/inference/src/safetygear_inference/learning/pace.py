"""When a camera may be looked at again. Pure: monotonic seconds passed in."""

from __future__ import annotations

from typing import Final

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 120.0
"""After a look that brought nothing new: it doubles with each, so that a scene that does not change costs little."""
AFTER_FAILURE_S: Final = 1.0


class Pace:
    """By camera."""

    def __init__(self) -> None:
        self._next_s: dict[str, float] = {}
        self._pause_s: dict[str, float] = {}

    def may_look(self, camera: str, now_s: float) -> bool:
        return now_s >= self._next_s.get(camera, float("-inf"))

    def taken(self, camera: str, now_s: float, *, pause_s: float) -> None:
        """A picture was taken."""
        self._pause_s.pop(camera, None)
        self._next_s[camera] = now_s + pause_s

    def nothing_new(self, camera: str, now_s: float) -> None:
        """What was seen is known already."""
        pause_s = self._pause_s.get(camera, FIRST_PAUSE_S)
        self._pause_s[camera] = min(LONGEST_PAUSE_S, 2 * pause_s)
        self._next_s[camera] = now_s + pause_s

    def failed(self, camera: str, now_s: float) -> None:
        self._next_s[camera] = now_s + AFTER_FAILURE_S

    def forget(self, camera: str) -> None:
        """Nothing has come from it for long."""
        self._next_s.pop(camera, None)
        self._pause_s.pop(camera, None)
