"""How many pictures may be taken, and whose turn it is. Pure: seconds passed in, of a clock that is not set (`Steady`).

In no window of an hour or a day are there more than its limit, wherever the window begins. Half of a limit is shared
out: every camera that is watched, and every reason, is sure of its part, however much the others ask for; who comes
first has the other half. A part that is not a whole picture is rounded down: with more cameras than pictures nobody is
sure of one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from safetygear.learning.example import Reason
from safetygear.messages.codec import Message

HOUR_S, DAY_S = 3600.0, 86_400.0
SHARED_OUT: Final = 0.5
WATCHED_WITHIN_S: Final = HOUR_S
"""A camera from which nothing came for so long is no longer sure of a part."""


class Taken(Message, frozen=True, kw_only=True):
    """A picture that counts, as it is kept over restarts."""

    id: str
    camera: str
    reason: Reason
    taken_s: float
    """UTC epoch seconds."""


class Steady:
    """The wall clock as it was at the beginning, and from then on by the monotonic one. A clock that is set forward by
    a day would empty the windows, and the day's pictures could be taken twice; set back, they would be full for longer.
    """

    def __init__(self, wall_s: float, monotonic_s: float) -> None:
        self._ahead_s = wall_s - monotonic_s

    def at(self, monotonic_s: float) -> float:
        return monotonic_s + self._ahead_s

    def moved_s(self, wall_s: float, monotonic_s: float) -> float:
        """How far the wall clock was set since the beginning; positive: forward."""
        return wall_s - self.at(monotonic_s)


class Window:
    """The pictures of the last `length_s` seconds."""

    def __init__(self, name: str, length_s: float) -> None:
        self.name, self.length_s = name, length_s
        self._taken: deque[Taken] = deque()
        self._by_camera: Counter[str] = Counter()
        self._by_reason: Counter[str] = Counter()

    def move_to(self, now_s: float) -> None:
        """Let go of what is older than the window."""
        while self._taken and self._taken[0].taken_s <= now_s - self.length_s:
            self._count(self._taken.popleft(), -1)

    def refusal(
        self, camera: str, reason: Reason, *, limit: int, cameras: Collection[str], reasons: Collection[str]
    ) -> str | None:
        """Why there is no room for one more; None: there is."""
        left = limit - len(self._taken)
        if left < 1:
            return self.name
        if left - 1 < _kept_for_others(self._by_camera, camera, limit, cameras):
            return f"{self.name}-camera"
        if left - 1 < _kept_for_others(self._by_reason, reason, limit, reasons):
            return f"{self.name}-reason"
        return None

    def add(self, taken: Taken) -> None:
        self._taken.append(taken)
        self._count(taken, 1)

    def remove(self, example: str) -> None:
        """The newest of that id: the same frame may have been taken before. Nothing happens where it is not in it any
        more."""
        for place in range(len(self._taken) - 1, -1, -1):
            if self._taken[place].id == example:
                self._count(self._taken[place], -1)
                del self._taken[place]
                return

    def of_reason(self, reason: Reason) -> int:
        return self._by_reason[reason]

    def __iter__(self) -> Iterator[Taken]:
        return iter(self._taken)

    def _count(self, taken: Taken, by: int) -> None:
        for counts, key in ((self._by_camera, taken.camera), (self._by_reason, taken.reason)):
            counts[key] += by
            if not counts[key]:
                del counts[key]


class Budget:
    """Pictures of all cameras and reasons."""

    def __init__(self) -> None:
        self._hour, self._day = Window("hour", HOUR_S), Window("day", DAY_S)
        self._seen_s: dict[str, float] = {}
        self._newest_s = float("-inf")

    def restore(self, taken: Iterable[Taken], now_s: float) -> None:
        """What earlier processes took, in the place of what is counted. What seems to be of the future - the clock was
        set back - counts as taken now: later than it was, and not for ever."""
        self._hour, self._day = Window("hour", HOUR_S), Window("day", DAY_S)
        self._newest_s = now_s
        for one in sorted(taken, key=lambda one: min(one.taken_s, now_s)):
            self._add(Taken(id=one.id, camera=one.camera, reason=one.reason, taken_s=min(one.taken_s, now_s)))
        self._move_to(now_s)

    def watched(self, camera: str, now_s: float) -> None:
        """A frame of the camera has come."""
        self._seen_s[camera] = now_s

    def refusal(
        self, camera: str, reason: Reason, now_s: float, *, per_hour: int, per_day: int, reasons: Collection[Reason]
    ) -> str | None:
        """Why no picture may be taken now: `hour` or `day`, with `-camera` or `-reason` where the room that is left is
        kept for others. None: one may be."""
        self._move_to(now_s)
        self._seen_s = {name: at_s for name, at_s in self._seen_s.items() if now_s - at_s <= WATCHED_WITHIN_S}
        for window, limit in ((self._hour, per_hour), (self._day, per_day)):
            why = window.refusal(camera, reason, limit=limit, cameras=self._seen_s.keys(), reasons=reasons)
            if why is not None:
                return why
        return None

    def take(self, example: str, camera: str, reason: Reason, now_s: float) -> Taken:
        """Count a picture; before it is made, so that nothing that fails later lets one more through."""
        self._move_to(now_s)
        taken = Taken(id=example, camera=camera, reason=reason, taken_s=now_s)
        self._add(taken)
        return taken

    def give_back(self, taken: Taken) -> None:
        """Nothing came of it."""
        for window in (self._hour, self._day):
            window.remove(taken.id)

    def rarest(self, reasons: Collection[Reason]) -> list[Reason]:
        """The reasons in the order of how little was taken for them in a day."""
        return sorted(reasons, key=lambda reason: (self._day.of_reason(reason), reason))

    def taken(self, moved_s: float = 0.0) -> list[Taken]:
        """Of the last day, the oldest first; to be kept. `moved_s`: of the clock by which they will be read again."""
        return [
            Taken(id=one.id, camera=one.camera, reason=one.reason, taken_s=one.taken_s + moved_s) for one in self._day
        ]

    def _add(self, taken: Taken) -> None:
        self._hour.add(taken)
        self._day.add(taken)

    def _move_to(self, now_s: float) -> None:
        if now_s < self._newest_s:
            self.restore(self.taken(), now_s)
        self._newest_s = now_s
        self._hour.move_to(now_s)
        self._day.move_to(now_s)


def _kept_for_others(taken: Counter[str], own: str, limit: int, all_of_them: Collection[str]) -> int:
    """How many of `limit` are still owed to others than `own`."""
    # A set: a twin may name a reason twice.
    others = set(all_of_them) - {own}
    sure = int(SHARED_OUT * limit / (len(others) + 1))
    return sum(max(0, sure - taken[one]) for one in others)
