"""What waits to be sent: three lanes, bounded, the more important first. Pure; time passed in."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal

from safetygear.hub.port import OutgoingMessage

Lane = Literal["events", "health", "detections"]
PRIORITY: tuple[Lane, ...] = ("events", "health", "detections")

MAX_MESSAGES: dict[Lane, int] = {"events": 256, "health": 60, "detections": 4096}
MAX_DETECTIONS_BYTES = 8 * 1024 * 1024
"""12 cameras at 5 fps and 2 KB a message: a minute without a hub."""
MAX_AGE_S: dict[Lane, float] = {"events": float("inf"), "health": 86_400.0, "detections": 600.0}
"""The template's time to live of the lane's route: older ones would be thrown away on the way."""


@dataclass(frozen=True)
class Outgoing:
    """A message in line. `size_blocks` is what was taken from the budget for it."""

    lane: Lane
    message: OutgoingMessage
    size_blocks: int
    queued_s: float
    """Monotonic."""


@dataclass(frozen=True)
class Evicted:
    """A message that will not be sent, and why."""

    outgoing: Outgoing
    reason: Literal["queue-full", "expired"]


class SendQueue:
    """Detections and health drop the oldest when full; events refuse the newest, which their outbox keeps."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Outgoing]] = {lane: deque() for lane in PRIORITY}
        self._detections_bytes = 0
        self._evicted: Counter[str] = Counter()

    def put(self, outgoing: Outgoing) -> tuple[bool, list[Evicted]]:
        """Queue a message: whether it was taken, and the older ones that had to go for it."""
        lane = self._lanes[outgoing.lane]
        if outgoing.lane == "events" and len(lane) >= MAX_MESSAGES["events"]:
            return False, []
        lane.append(outgoing)
        evicted = []
        if outgoing.lane == "detections":
            self._detections_bytes += len(outgoing.message.body)
        while len(lane) > MAX_MESSAGES[outgoing.lane] or self._detections_bytes > MAX_DETECTIONS_BYTES:
            evicted.append(self._evict(self._pop(outgoing.lane), "queue-full"))
        return True, evicted

    def take(self, now_s: float, *, lanes: tuple[Lane, ...] = PRIORITY) -> tuple[Outgoing | None, list[Evicted]]:
        """The next message of `lanes`, and the expired ones in front of it."""
        expired: list[Evicted] = []
        for name in lanes:
            while self._lanes[name]:
                outgoing = self._pop(name)
                if now_s - outgoing.queued_s <= MAX_AGE_S[name]:
                    return outgoing, expired
                expired.append(self._evict(outgoing, "expired"))
        return None, expired

    def depth(self, lane: Lane) -> int:
        """Messages waiting in a lane."""
        return len(self._lanes[lane])

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def evicted(self) -> dict[str, int]:
        """Since the start, by `<lane>-<reason>`."""
        return dict(self._evicted)

    def _pop(self, lane: Lane) -> Outgoing:
        outgoing = self._lanes[lane].popleft()
        if lane == "detections":
            self._detections_bytes -= len(outgoing.message.body)
        return outgoing

    def _evict(self, outgoing: Outgoing, reason: Literal["queue-full", "expired"]) -> Evicted:
        self._evicted[f"{outgoing.lane}-{reason}"] += 1
        return Evicted(outgoing, reason)
