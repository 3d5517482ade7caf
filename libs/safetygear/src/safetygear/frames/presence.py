"""Who reads the frames: while nobody does, capture sends no references (the hub would keep them on disk).

A reader changes the content of `<frames>/readers/<shard>` with each beat. The watcher never compares clocks: it counts
the time, by its own monotonic clock, since it last saw the content change. A dead reader's file is thus no presence.

The file has two lines, each ended: `<instance> <count>`, and `every-frame` with the cameras of which the instance wants
every frame (ReadersMessage says why). Without the second one, as from versions that did not write it, it is unknown.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from pathlib import Path

from safetygear.errors import FrameError

# A reader beats every second; five missed beats in a row are an absence, not jitter.
READER_TIMEOUT_S = 5.0

READERS_FOLDER = "readers"
EVERY_FRAME = "every-frame"
MOST_BYTES = 32_768
"""Of a beat file that are read: the ids of some 500 cameras."""
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


class ReaderWishes:
    """Of which cameras the readers of one shard want every frame. Pure."""

    def __init__(self, timeout_s: float = READER_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._wishes: dict[str, tuple[float, frozenset[str] | None]] = {}

    def heard(self, instance: str, every_frame: Collection[str] | None, monotonic_s: float) -> None:
        """An instance has said it; None: it says nothing of that, and gets all there is."""
        self._wishes = {name: wish for name, wish in self._wishes.items() if monotonic_s - wish[0] < self._timeout_s}
        self._wishes[instance] = (monotonic_s, None if every_frame is None else frozenset(every_frame))

    def wants(self, camera: str, monotonic_s: float) -> bool:
        """Whether any of them does. False where nobody reads."""
        return any(
            monotonic_s - heard_s < self._timeout_s and (every_frame is None or camera in every_frame)
            for heard_s, every_frame in self._wishes.values()
        )


class ReaderBeat:
    """The reader's side. Several instances may read one shard: each beat of any of them counts."""

    def __init__(self, folder: Path, shard: str, instance: str) -> None:
        self._path = _beat_path(folder, shard)
        self._instance = instance
        self._count = 0

    def beat(self, every_frame: Collection[str] = ()) -> None:
        """Show presence once, and the cameras of which every frame is wanted; to be called every second.

        Raises FrameError ring-folder-missing or ring-not-writable.
        """
        self._count += 1
        wishes = " ".join((EVERY_FRAME, *sorted(every_frame)))
        try:
            if not self._path.parent.is_dir():
                self._path.parent.mkdir()
            self._path.write_text(f"{self._instance} {self._count}\n{wishes}\n")
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
        self._wishes = ReaderWishes(timeout_s)
        self._content = self._read()

    def present(self, monotonic_s: float) -> bool:
        """Whether the beat file has changed within the timeout. False until the first change since construction."""
        content = self._read()
        # A beat file that went away is a reader that left, not a beat.
        if content is not None and content != self._content:
            self._presence.seen(monotonic_s)
            self._take_wishes(content, monotonic_s)
        self._content = content
        return self._presence.present(monotonic_s)

    def wants(self, camera: str, monotonic_s: float) -> bool:
        """Whether a reader wants every frame of the camera, by what `present` has read last."""
        return self._wishes.wants(camera, monotonic_s)

    def _take_wishes(self, content: bytes, monotonic_s: float) -> None:
        if not content.endswith(b"\n"):
            return  # half written: the next look finds the rest
        first, *more = content.decode("ascii", errors="replace").splitlines()
        instance = first.partition(" ")[0]
        word, *cameras = more[0].split(" ") if more else [""]
        self._wishes.heard(instance, cameras if word == EVERY_FRAME else None, monotonic_s)

    def _read(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(MOST_BYTES)
        except OSError:
            return None


def _beat_path(folder: Path, shard: str) -> Path:
    if not _SHARD.fullmatch(shard):
        raise ValueError(f"{shard!r} is not a shard name")
    return folder / READERS_FOLDER / shard
