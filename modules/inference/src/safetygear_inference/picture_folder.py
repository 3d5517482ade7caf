"""A folder of pictures on the data volume: within a quota and for some days, whole or not at all.

A picture is on the disk (file and folder synced) when `put` returns: then something else may name it. When room or time
is over, the oldest go first, and are counted.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from safetygear.errors import SafetyGearError
from safetygear.synced_files import SCRATCH, replace_synced

RESERVE_BYTES: Final = 32 * 1024 * 1024
"""Left free on the volume: the outbox needs it more than a picture does."""
DAY_S: Final = 86_400.0
QUOTA, RETENTION = "quota", "retention"
PICTURE, DESCRIPTION = ".jpg", ".json"

N = TypeVar("N", bound=Hashable)
"""A picture's name: `str` of it is the file's name without its ending."""


class PictureFolderError(SafetyGearError):
    """A picture can't be stored or read: `data-full`, `data-missing`, `data-unwritable`."""

    default_code = "data-unwritable"


@dataclass(frozen=True)
class _Kept:
    size_bytes: int
    stored_s: float
    """Wall clock, by the file's own time."""


class PictureFolder(Generic[N]):
    """`<folder>/<name>.jpg`, and where pictures are `described` `<name>.json` beside it, which is written last and
    removed first: what has one is whole.

    Its calls block for the disk; they may come from any thread, one at a time works.
    """

    def __init__(
        self, folder: Path, *, name_of: Callable[[str], N | None], quota_setting: str, described: bool = False
    ) -> None:
        """`name_of`: the inverse of `str`, None for what is no name. `quota_setting`: what to lower on a full disk."""
        self._folder = folder
        self.name_of = name_of
        self.quota_setting = quota_setting
        self._described = described
        self._lock = threading.Lock()
        self._kept: dict[N, _Kept] | None = None
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

    def names(self) -> list[N]:
        """Of the pictures that are there, the oldest first."""
        with self._lock:
            return list(self._kept or ())

    def begin(self) -> int:
        """Take stock of what is there, and remove what a killed process left half written: how many. Raises
        PictureFolderError."""
        with self._lock:
            self._kept = None
            return self._take_stock()

    def put(self, picture: N, jpeg: bytes, *, quota_bytes: int, description: bytes | None = None) -> str:
        """Store it; the SHA-256 of the stored bytes as hex. Raises PictureFolderError, and then nothing is there.

        `description`: given where pictures are described.
        """
        files = [(PICTURE, jpeg)] + ([(DESCRIPTION, description)] if description is not None else [])
        size_bytes = sum(len(data) for _, data in files)
        if size_bytes > quota_bytes:
            # Else all others would go for it, and then it too.
            raise PictureFolderError(
                f"a picture of {size_bytes} bytes is larger than the room for all of them ({quota_bytes} bytes): "
                f"raise {self.quota_setting}",
                code="data-full",
            )
        with self._lock, self._errors():
            if self._kept is None:
                self._take_stock()
            assert self._kept is not None
            self._make_room(quota_bytes - size_bytes)
            status = os.statvfs(self._folder)
            if status.f_bavail * status.f_frsize < RESERVE_BYTES + size_bytes:
                raise _full(self._folder, self.quota_setting)
            try:
                for suffix, data in files:
                    self._write(picture, suffix, data)
            except OSError:
                if self._described:
                    with contextlib.suppress(OSError):
                        self._unlink(picture)
                    self._drop(picture)
                raise
            self._drop(picture)
            self._kept[picture] = _Kept(size_bytes, self._path(picture, PICTURE).stat().st_mtime)
            self._bytes += size_bytes
        return hashlib.sha256(jpeg).hexdigest()

    def describe(self, picture: N, description: bytes) -> None:
        """Put another description in the place of a picture's; nothing happens where it is gone. Raises
        PictureFolderError; then the old one stands."""
        with self._lock, self._errors():
            if self.has(picture):
                self._write(picture, DESCRIPTION, description)

    def read(self, picture: N) -> bytes | None:
        """The JPEG; None where there is no such picture any more. Raises PictureFolderError."""
        return self._read(picture, PICTURE)

    def read_description(self, picture: N) -> bytes | None:
        """What `put` or `describe` was given last; None likewise. Raises PictureFolderError."""
        return self._read(picture, DESCRIPTION)

    def has(self, picture: N) -> bool:
        return picture in (self._kept or ())

    def lacks(self, picture: N) -> bool:
        """Whether it is known that there is no such picture; not before the folder could be read."""
        kept = self._kept
        return kept is not None and picture not in kept

    def stored_s(self, picture: N) -> float | None:
        """When it was stored, UTC epoch seconds; None where there is no such picture."""
        kept = (self._kept or {}).get(picture)
        return kept.stored_s if kept is not None else None

    def remove(self, picture: N) -> None:
        """It is wanted no more; nothing happens where it is gone already. Raises PictureFolderError."""
        with self._lock, self._errors():
            self._unlink(picture)
            if self._kept is not None:
                self._drop(picture)

    def expire(self, *, now_s: float, quota_bytes: int, retention_days: float) -> list[N]:
        """Remove what is too old or too much. `now_s`: wall clock. Raises PictureFolderError."""
        with self._lock, self._errors():
            if self._kept is None:
                self._take_stock()
            assert self._kept is not None
            before = list(self._kept)
            old = [one for one, kept in self._kept.items() if kept.stored_s < now_s - retention_days * DAY_S]
            for picture in old:
                self._evict(picture, RETENTION)
            self._make_room(quota_bytes)
            return [picture for picture in before if picture not in self._kept]

    def _make_room(self, allowed_bytes: int) -> None:
        assert self._kept is not None
        while self._bytes > max(0, allowed_bytes) and self._kept:
            self._evict(next(iter(self._kept)), QUOTA)

    def _evict(self, picture: N, why: str) -> None:
        self._unlink(picture)
        self._drop(picture)
        self.evicted[why] += 1

    def _unlink(self, picture: N) -> None:
        if self._described:
            self._path(picture, DESCRIPTION).unlink(missing_ok=True)
        self._path(picture, PICTURE).unlink(missing_ok=True)

    def _drop(self, picture: N) -> None:
        assert self._kept is not None
        gone = self._kept.pop(picture, None)
        self._bytes -= gone.size_bytes if gone is not None else 0

    def _path(self, picture: N, suffix: str) -> Path:
        return self._folder / f"{picture}{suffix}"

    def _write(self, picture: N, suffix: str, data: bytes) -> None:
        replace_synced(self._path(picture, suffix), data)

    def _read(self, picture: N, suffix: str) -> bytes | None:
        with self._errors():
            try:
                return self._path(picture, suffix).read_bytes()
            except FileNotFoundError:
                return None

    def _take_stock(self) -> int:
        with self._errors():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            found: dict[N, _Kept] = {}
            swept = 0
            sizes = {
                entry.name: entry.stat(follow_symlinks=False)
                for entry in os.scandir(self._folder)
                if entry.is_file(follow_symlinks=False)
            }
            for name, status in sizes.items():
                stem, suffix = Path(name).stem, Path(name).suffix
                picture = self.name_of(stem) if suffix in {PICTURE, DESCRIPTION} else None
                whole = not self._described or {f"{stem}{PICTURE}", f"{stem}{DESCRIPTION}"} <= sizes.keys()
                if suffix == SCRATCH or (picture is not None and not whole):
                    (self._folder / name).unlink(missing_ok=True)
                    swept += 1
                elif picture is not None and suffix == PICTURE:
                    beside = sizes.get(f"{stem}{DESCRIPTION}") if self._described else None
                    size_bytes = status.st_size + (beside.st_size if beside is not None else 0)
                    found[picture] = _Kept(size_bytes, status.st_mtime)
        self._kept = dict(sorted(found.items(), key=lambda item: (item[1].stored_s, str(item[0]))))
        self._bytes = sum(kept.size_bytes for kept in self._kept.values())
        return swept

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise as_folder_error(exc, self._folder, self.quota_setting) from exc


def _full(folder: Path, quota_setting: str) -> PictureFolderError:
    return PictureFolderError(
        f"no space left for a picture in {folder}: free some, enlarge the data volume, or lower {quota_setting}",
        code="data-full",
    )


def as_folder_error(exc: OSError, folder: Path, quota_setting: str) -> PictureFolderError:
    """`folder`: one of the data folder."""
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(folder, quota_setting)
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return PictureFolderError(
            f"the data folder {folder.parent} is missing: mount a volume there, or set SAFETYGEAR_DATA_DIR",
            code="data-missing",
        )
    return PictureFolderError(
        f"{folder} can't be used ({exc.strerror}): give the module's user write access to {folder.parent}",
        code="data-unwritable",
    )
