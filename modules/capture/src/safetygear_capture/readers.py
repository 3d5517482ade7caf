"""Is anybody there who reads a shard's frames? By the beat file in the frames folder, or by messages."""

from __future__ import annotations

from pathlib import Path

from safetygear.frames.presence import ReaderPresence, ReaderWatch
from safetygear.messages.frames import ReadersMessage


class FileReaders:
    """Ring transport: the readers' beat files. `present` reads one small file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watches: dict[str, ReaderWatch] = {}

    def present(self, shard: str, now_s: float) -> bool:
        """Whether the shard has a reader at `now_s` (monotonic); False until its first beat is noticed."""
        watch = self._watches.get(shard)
        if watch is None:
            watch = self._watches[shard] = ReaderWatch(self._folder, shard)
        return watch.present(now_s)

    def heard(self, message: ReadersMessage, now_s: float) -> None:
        """Messages are of no account here."""


class MessageReaders:
    """JPEG transport: the readers' messages through the hub."""

    def __init__(self) -> None:
        self._presences: dict[str, ReaderPresence] = {}

    def present(self, shard: str, now_s: float) -> bool:
        """Whether the shard has a reader at `now_s` (monotonic)."""
        presence = self._presences.get(shard)
        return presence is not None and presence.present(now_s)

    def heard(self, message: ReadersMessage, now_s: float) -> None:
        """A reader has shown itself."""
        for shard in message.shards[:64]:
            self._presences.setdefault(shard, ReaderPresence()).seen(now_s)
