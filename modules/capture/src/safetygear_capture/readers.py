"""Is anybody there who reads a shard's frames? By the beat file in the frames folder, or by messages."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from safetygear.frames.presence import ReaderPresence, ReaderWatch, ReaderWishes
from safetygear.messages.frames import ReadersMessage

MOST_SHARDS: Final = 64
"""Whoever may send to the input names them; they are kept, so there is an end to it."""


class Readers(Protocol):
    """Either of the two below."""

    def missing(self, shard: str, now_s: float) -> str | None:
        """Why the shard's frames can't be read at `now_s` (monotonic), a code of reasons.py; None: they are."""
        ...

    def wants_every_frame(self, shard: str, camera: str, now_s: float) -> bool:
        """Whether a reader of the shard wants more of the camera than key frames."""
        ...

    def heard(self, message: ReadersMessage, now_s: float) -> None:
        """A reader has shown itself by message."""
        ...


class FileReaders:
    """Ring transport: the readers' beat files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watches: dict[str, ReaderWatch] = {}

    def missing(self, shard: str, now_s: float) -> str | None:
        """Reads one small file of a tmpfs. No reader until its first beat is noticed."""
        if not self._folder.is_dir():
            return "ring-folder-missing"
        watch = self._watches.get(shard)
        if watch is None:
            watch = self._watches[shard] = ReaderWatch(self._folder, shard)
        return None if watch.present(now_s) else "no-reader"

    def wants_every_frame(self, shard: str, camera: str, now_s: float) -> bool:
        """By what `missing` has read last."""
        watch = self._watches.get(shard)
        return watch is not None and watch.wants(camera, now_s)

    def heard(self, message: ReadersMessage, now_s: float) -> None:
        """Messages are of no account here."""


class MessageReaders:
    """JPEG transport: the readers' messages through the hub."""

    def __init__(self) -> None:
        self._presences: dict[str, ReaderPresence] = {}
        self._wishes: dict[str, ReaderWishes] = {}

    def missing(self, shard: str, now_s: float) -> str | None:
        """No reader until one is heard."""
        presence = self._presences.get(shard)
        return None if presence is not None and presence.present(now_s) else "no-reader"

    def wants_every_frame(self, shard: str, camera: str, now_s: float) -> bool:
        """By the readers' last messages."""
        wishes = self._wishes.get(shard)
        return wishes is not None and wishes.wants(camera, now_s)

    def heard(self, message: ReadersMessage, now_s: float) -> None:
        """It reads every shard that it names."""
        for shard in message.shards[:MOST_SHARDS]:
            if shard in self._presences or len(self._presences) < MOST_SHARDS:
                self._presences.setdefault(shard, ReaderPresence()).seen(now_s)
                self._wishes.setdefault(shard, ReaderWishes()).heard(message.instance, message.every_frame, now_s)
