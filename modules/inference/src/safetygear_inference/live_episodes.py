"""Which violations the live page lists: those that are open, and the last that closed. Pure."""

from __future__ import annotations

from collections import deque

from safetygear.messages.event import EventMessage

OPEN_KEPT = 256
"""Beyond, the one that began first leaves the list until its next update."""
CLOSED_KEPT = 50


class LiveEpisodes:
    """The newest message of each episode."""

    def __init__(self) -> None:
        self.left_out = 0
        """Open ones that left the list for want of room, since the start."""
        self._open: dict[str, EventMessage] = {}
        self._closed: deque[EventMessage] = deque(maxlen=CLOSED_KEPT)

    def take(self, message: EventMessage) -> None:
        """An episode opens, goes on or closes. One that has closed stays closed; a message may come once more, with a
        picture."""
        for place, closed in enumerate(self._closed):
            if closed.id == message.id:
                if message.dedup_key == closed.dedup_key:
                    self._closed[place] = message
                return
        known = self._open.get(message.id)
        if known is not None and message.updated_at < known.updated_at:
            return
        if message.state == "closed":
            self._open.pop(message.id, None)
            self._closed.append(message)
            return
        self._open[message.id] = message
        if len(self._open) > OPEN_KEPT:
            first = min(self._open.values(), key=since)
            del self._open[first.id]
            self.left_out += 1

    def open(self) -> list[EventMessage]:
        """The one that began last comes first."""
        return sorted(self._open.values(), key=since, reverse=True)

    def closed(self) -> list[EventMessage]:
        """The one that closed last comes first."""
        return list(reversed(self._closed))


def since(message: EventMessage) -> str:
    """When the violation began, RFC 3339."""
    return message.began_at or message.opened_at
