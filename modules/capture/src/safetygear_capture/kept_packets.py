"""The coded pictures since the last key frame: what a decoder needs to go on from there. Pure."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, Generic, TypeVar

P = TypeVar("P")

MOST_BYTES: Final = 4 << 20
"""For each camera: 8 s of 4 Mbit/s, a minute of 0.5 Mbit/s. A camera that leaves more between its key frames is decoded
from the next one on."""
MOST_PACKETS: Final = 750
"""30 s at 25 fps: their number costs time when all of them are wanted, about 4 ms each at 1080p."""

DECODED: Final = "decoded"
WAITED: Final = "waited"
TOO_MANY: Final = "too-many"


class KeptPackets(Generic[P]):
    """Drop policy: where they get too many, all go, because none of them is worth anything without the ones before.

    `outcomes`: how often they were all wanted, `decoded` from here or `waited` for the next key frame as there were
    none; `too-many`: how often they were let go for their number.
    """

    def __init__(self) -> None:
        self._packets: deque[tuple[P, int]] = deque()
        self._bytes = 0
        self._came = False
        self.outcomes: Counter[str] = Counter()

    def take(self, packet: P, size_bytes: int, *, keyframe: bool) -> None:
        """The next packet of the stream."""
        if keyframe:
            self.clear()
            self._came = True
        elif not self._packets:
            return
        self._packets.append((packet, size_bytes))
        self._bytes += size_bytes
        if self._bytes > MOST_BYTES or len(self._packets) > MOST_PACKETS:
            self.outcomes[TOO_MANY] += 1
            self.clear()

    def wanted(self) -> None:
        """From now on everything is to be decoded; `next` gives what there is. Before a stream's first key frame there
        is nothing to be counted."""
        if self._came:
            self.outcomes[DECODED if self._packets else WAITED] += 1

    def next(self) -> P | None:
        """Takes them out one by one, from the key frame on; None: none is left. What comes meanwhile is behind them."""
        if not self._packets:
            return None
        packet, size_bytes = self._packets.popleft()
        self._bytes -= size_bytes
        return packet

    def clear(self) -> None:
        """Until the next key frame."""
        self._packets.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._packets)
