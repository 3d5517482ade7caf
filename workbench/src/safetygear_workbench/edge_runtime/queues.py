"""One sink's queue: by priority, then by arrival, with a time to live. Pure; the bodies stay in the store."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from safetygear_workbench.edge_runtime.store import StoredMessage


class SinkQueue:
    """Messages waiting for one module input, or for upstream."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, StoredMessage]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, message: StoredMessage) -> None:
        """A message that came back keeps its place, because its sequence does."""
        heapq.heappush(self._heap, (message.priority, message.sequence, message))

    def pop(self, now_s: float, on_expired: Callable[[StoredMessage], None]) -> StoredMessage | None:
        """The next message that is still alive at `now_s` (wall clock); the dead ones on the way go to `on_expired`."""
        while self._heap:
            message = heapq.heappop(self._heap)[2]
            if message.expires_s > now_s:
                return message
            on_expired(message)
        return None

    def drop_expired(self, now_s: float, on_expired: Callable[[StoredMessage], None]) -> None:
        """Remove the dead ones of a queue that nobody takes from."""
        dead = [entry for entry in self._heap if entry[2].expires_s <= now_s]
        if dead:
            self._heap = [entry for entry in self._heap if entry[2].expires_s > now_s]
            heapq.heapify(self._heap)
            for entry in sorted(dead):
                on_expired(entry[2])
