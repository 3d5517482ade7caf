"""Reading members of a zip that a stranger may have made: nothing is extracted, every size has a limit."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from safetygear.errors import ModelError

MAX_ENTRIES: Final = 2000
MAX_UNPACKED_BYTES: Final = 2**30
MAX_RATIO: Final = 100
"""Unpacked to packed bytes of an entry; networks reach 10, and all zeros 1030."""
RATIO_FROM_BYTES: Final = 2**20
"""A small file may be as repetitive as it likes."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, ValueError)


class ZipFiles:
    """The files in a zip, by name. Raises ModelError (`model-zip`) with the reason, OSError where it can't be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGED as exc:
            raise self._refused(f"it is not a zip, or cut short ({exc})") from exc
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            self._zip.close()
            raise self._refused(f"it has {len(entries)} entries; at most {MAX_ENTRIES} are possible")
        # A file never unpacks to more than the directory says: reading ends there.
        bomb = next((entry for entry in entries if _is_bomb(entry)), None)
        unpacked_bytes = sum(entry.file_size for entry in entries)
        if bomb is not None or unpacked_bytes > MAX_UNPACKED_BYTES:
            self._zip.close()
            what = bomb.filename if bomb is not None else "it"
            size_bytes = bomb.file_size if bomb is not None else unpacked_bytes
            raise ModelError(
                f"{path.name} can't be used: {what} would unpack to {size_bytes // 2**20} MiB; at most "
                f"{MAX_UNPACKED_BYTES // 2**20} MiB in all and {MAX_RATIO} times its packed size are possible",
                code="model-zip-bomb",
            )
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self.names: list[str] = []
        for entry in entries:
            # Nothing is extracted, so such a name could do no harm here; but no exporter writes one.
            if _escapes(entry.filename):
                self._zip.close()
                raise self._refused(f"the entry {entry.filename!r} points out of it")
            # Older .NET writes backslashes.
            name = entry.filename.replace("\\", "/")
            if not (entry.is_dir() or name.endswith("/")):
                self._entries[name] = entry
                self.names.append(name)

    def read(self, name: str, limit_bytes: int) -> bytes:
        """The file `name`. What the directory says of its size is not believed: reading stops at `limit_bytes`."""
        entry = self._entries[name]
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise self._refused(f"{name} is a symbolic link: zip the file itself")
        if entry.flag_bits & 1:
            raise self._refused(f"{name} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Python bounds what these two put out at a time, and exporters use no other.
            raise self._refused(f"{name} is compressed with method {entry.compress_type}; deflate is possible")
        try:
            with self._zip.open(entry) as member:
                data = member.read(limit_bytes + 1)
        except _DAMAGED as exc:
            raise self._refused(f"{name} is damaged ({exc})") from exc
        if len(data) > limit_bytes:
            raise ModelError(
                f"{self._path.name}: {name} is larger than {limit_bytes // 2**10} KiB", code="model-too-large"
            )
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._zip.close()

    def _refused(self, why: str) -> ModelError:
        return ModelError(f"{self._path.name} can't be used: {why}", code="model-zip")


def _is_bomb(entry: zipfile.ZipInfo) -> bool:
    return entry.file_size > RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * entry.compress_size


def _escapes(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]
