"""The coded pictures since the last key frame: what a decoder needs to go on from there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

P = TypeVar("P")

MOST_BYTES: Final = 16 << 20
"""Half a minute of 4 Mbit/s. A camera that leaves more between its key frames is decoded from the next one on."""
MOST_PACKETS: Final = 3000
"""A minute at 50 fps: their number costs time when they are decoded at once."""


class KeptPackets(Generic[P]):
    """Drop policy: where they get too many, all go, because none of them is worth anything without the ones before."""

    def __init__(self) -> None:
        self._packets: list[P] = []
        self._bytes = 0

    def take(self, packet: P, size_bytes: int, *, keyframe: bool) -> None:
        """The next packet of the stream."""
        if keyframe:
            self.clear()
        elif not self._packets:
            return
        self._packets.append(packet)
        self._bytes += size_bytes
        if self._bytes > MOST_BYTES or len(self._packets) > MOST_PACKETS:
            self.clear()

    def all(self) -> Sequence[P]:
        """From the key frame on; none where there is no key frame, or there were too many."""
        return tuple(self._packets)

    def clear(self) -> None:
        """Until the next key frame."""
        self._packets.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._packets)
