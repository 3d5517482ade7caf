"""Pictures on the data volume: within a quota and for some days, whole or not at all.

A picture is on the disk (file and folder synced) when `put` returns: then an event may name it. When room or time is
over, the oldest go first, and are counted.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetygear.errors import SafetyGearError
from safetygear_inference.evidence.picture_id import PictureId, picture_id

RESERVE_BYTES: Final = 32 * 1024 * 1024
"""Left free on the volume: the outbox needs it more than a picture does."""
DAY_S: Final = 86_400.0
QUOTA, RETENTION = "quota", "retention"
_PART = ".part"


class EvidenceError(SafetyGearError):
    """A picture can't be stored or read: `data-full`, `data-missing`, `data-unwritable`."""

    default_code = "data-unwritable"


@dataclass(frozen=True)
class _Kept:
    size_bytes: int
    stored_s: float
    """Wall clock, by the file's own time."""


class EvidenceStore:
    """`<folder>/<picture id>.jpg`. Its calls block for the disk; they may come from any thread, one at a time works."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: dict[PictureId, _Kept] | None = None
        """The oldest first; None: the folder could not be read yet."""
        self._bytes = 0
        self.evicted: Counter[str] = Counter()
        """Pictures removed since the start, by `quota` and `retention`."""

    @property
    def count(self) -> int:
        return len(self._kept or ())

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def begin(self) -> int:
        """Take stock of what is there, and remove what a killed process left half written: how many. Raises
        EvidenceError."""
        with self._lock:
            self._kept = None
            return self._take_stock()

    def put(self, picture: PictureId, jpeg: bytes, *, quota_bytes: int) -> str:
        """Store it; the SHA-256 of the stored bytes as hex. Raises EvidenceError, and then nothing is there."""
        with self._lock, self._errors():
            if self._kept is None:
                self._take_stock()
            assert self._kept is not None
            self._make_room(quota_bytes - len(jpeg))
            status = os.statvfs(self._folder)
            if status.f_bavail * status.f_frsize < RESERVE_BYTES + len(jpeg):
                raise _full(self._folder)
            path = self._folder / picture.file_name
            scratch = path.with_suffix(_PART)
            try:
                write_synced(scratch, jpeg)
                scratch.replace(path)
                sync_folder(self._folder)
            except OSError:
                with contextlib.suppress(OSError):
                    scratch.unlink()
                raise
            self._drop(picture)
            self._kept[picture] = _Kept(len(jpeg), path.stat().st_mtime)
            self._bytes += len(jpeg)
        return hashlib.sha256(jpeg).hexdigest()

    def read(self, picture: PictureId) -> bytes | None:
        """The JPEG; None where there is no such picture any more. Raises EvidenceError."""
        with self._errors():
            try:
                return (self._folder / picture.file_name).read_bytes()
            except FileNotFoundError:
                return None

    def has(self, picture: PictureId) -> bool:
        return picture in (self._kept or ())

    def newest_of(self, episode: str) -> PictureId | None:
        """The last picture that was stored of the episode."""
        with self._lock:
            return max((picture for picture in self._kept or () if picture.episode == episode), default=None)

    def expire(self, *, now_s: float, quota_bytes: int, retention_days: float) -> list[PictureId]:
        """Remove what is too old or too much. `now_s`: wall clock. Raises EvidenceError."""
        with self._lock, self._errors():
            if self._kept is None:
                self._take_stock()
            assert self._kept is not None
            before = set(self._kept)
            old = [one for one, kept in self._kept.items() if kept.stored_s < now_s - retention_days * DAY_S]
            for picture in old:
                self._evict(picture, RETENTION)
            self._make_room(quota_bytes)
            return sorted(before - set(self._kept))

    def _make_room(self, allowed_bytes: int) -> None:
        assert self._kept is not None
        while self._bytes > max(0, allowed_bytes) and self._kept:
            self._evict(next(iter(self._kept)), QUOTA)

    def _evict(self, picture: PictureId, why: str) -> None:
        (self._folder / picture.file_name).unlink(missing_ok=True)
        self._drop(picture)
        self.evicted[why] += 1

    def _drop(self, picture: PictureId) -> None:
        assert self._kept is not None
        gone = self._kept.pop(picture, None)
        self._bytes -= gone.size_bytes if gone is not None else 0

    def _take_stock(self) -> int:
        with self._errors():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            found: dict[PictureId, _Kept] = {}
            swept = 0
            for entry in os.scandir(self._folder):
                picture = picture_id(entry.name) if entry.name.endswith(".jpg") else None
                if entry.name.endswith(_PART):
                    Path(entry.path).unlink(missing_ok=True)
                    swept += 1
                elif picture is not None and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found[picture] = _Kept(status.st_size, status.st_mtime)
        self._kept = dict(sorted(found.items(), key=lambda item: (item[1].stored_s, item[0])))
        self._bytes = sum(kept.size_bytes for kept in self._kept.values())
        return swept

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise as_evidence_error(exc, self._folder) from exc


def write_synced(path: Path, data: bytes) -> None:
    """A file that is on the disk when it returns. Raises OSError."""
    # From its first byte on for nobody else: it shows people.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """The names in it are on the disk when it returns. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _full(folder: Path) -> EvidenceError:
    return EvidenceError(
        f"no space left for a picture in {folder}: free some, enlarge the data volume, or lower evidence.quotaBytes",
        code="data-full",
    )


def as_evidence_error(exc: OSError, folder: Path) -> EvidenceError:
    """`folder`: one of the data folder."""
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(folder)
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return EvidenceError(
            f"the data folder {folder.parent} is missing: mount a volume there, or set SAFETYGEAR_DATA_DIR",
            code="data-missing",
        )
    return EvidenceError(
        f"{folder} can't be used ({exc.strerror}): give the module's user write access to {folder.parent}",
        code="data-unwritable",
    )
