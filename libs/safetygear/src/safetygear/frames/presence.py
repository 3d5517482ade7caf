"""Who reads the frames: while nobody does, capture sends no references (the hub would keep them on disk).

A reader changes the content of `<frames>/readers/<shard>` with each beat. The watcher never compares clocks: it counts
the time, by its own monotonic clock, since it last saw the content change. A dead reader's file is thus no presence.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from safetygear.errors import FrameError

# A reader beats every second; five missed beats in a row are an absence, not jitter.
READER_TIMEOUT_S = 5.0

READERS_FOLDER = "readers"
_SHARD = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ReaderPresence:
    """Whether a reader was seen within `timeout_s`. Pure."""

    def __init__(self, timeout_s: float = READER_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._seen_s: float | None = None

    def seen(self, monotonic_s: float) -> None:
        """A beat was noticed at `monotonic_s`."""
        self._seen_s = monotonic_s

    def present(self, monotonic_s: float) -> bool:
        """True until `timeout_s` after the last beat; False before the first."""
        return self._seen_s is not None and monotonic_s - self._seen_s < self._timeout_s


class ReaderBeat:
    """The reader's side. Several instances may read one shard: each beat of any of them counts."""

    def __init__(self, folder: Path, shard: str, instance: str) -> None:
        self._path = _beat_path(folder, shard)
        self._instance = instance
        self._count = 0

    def beat(self) -> None:
        """Show presence once; to be called every second. Raises FrameError ring-folder-missing or ring-not-writable."""
        self._count += 1
        try:
            if not self._path.parent.is_dir():
                self._path.parent.mkdir()
            self._path.write_text(f"{self._instance} {self._count}\n")
        except FileNotFoundError as exc:
            folder = self._path.parent.parent
            raise FrameError(
                f"{folder} is not there: mount the shared frames folder, or set SAFETYGEAR_FRAMES_DIR",
                code="ring-folder-missing",
            ) from exc
        except OSError as exc:
            raise FrameError(
                f"{self._path} can't be written ({exc.strerror}): the folder must belong to this process's user",
                code="ring-not-writable",
            ) from exc

    def close(self) -> None:
        """Take the beat file away where it is this instance's."""
        with contextlib.suppress(OSError):
            if self._path.read_text().startswith(f"{self._instance} "):
                self._path.unlink()


class ReaderWatch:
    """The writer's side: reads one small file per question."""

    def __init__(self, folder: Path, shard: str, *, timeout_s: float = READER_TIMEOUT_S) -> None:
        self._path = _beat_path(folder, shard)
        self._presence = ReaderPresence(timeout_s)
        self._content = self._read()

    def present(self, monotonic_s: float) -> bool:
        """Whether the beat file has changed within the timeout. False until the first change since construction."""
        content = self._read()
        # A beat file that went away is a reader that left, not a beat.
        if content is not None and content != self._content:
            self._presence.seen(monotonic_s)
        self._content = content
        return self._presence.present(monotonic_s)

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()[:256]
        except OSError:
            return None


def _beat_path(folder: Path, shard: str) -> Path:
    if not _SHARD.fullmatch(shard):
        raise ValueError(f"{shard!r} is not a shard name")
    return folder / READERS_FOLDER / shard
