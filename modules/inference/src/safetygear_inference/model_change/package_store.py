"""`<data>/models/<sha256>/`: packages that were fetched, and what is there of one that is on its way.

Every call may block on the disk: not for the event loop.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final

from safetygear.errors import ModelError
from safetygear.synced_files import sync_folder
from safetygear_inference.publishing.budget_file import write_error

PARTIAL: Final = "download.part"
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BLOCK_BYTES: Final = 2**20


class PartialFile:
    """A file that grows, and its digest. Raises ModelError where the data folder can't be used."""

    def __init__(self, path: Path) -> None:
        """What is there already is read once, for its digest."""
        self._path = path
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
            self._file.seek(0)
            while block := self._file.read(_BLOCK_BYTES):
                self._digest.update(block)
                self.size_bytes += len(block)
        except OSError as exc:
            raise _data_error(exc, path) from exc

    def append(self, block: bytes) -> None:
        """Add what came next."""
        try:
            self._file.write(block)
            self._file.flush()
        except OSError as exc:
            raise _data_error(exc, self._path) from exc
        self._digest.update(block)
        self.size_bytes += len(block)

    def start_over(self) -> None:
        """Throw away what is there."""
        try:
            self._file.truncate(0)
            self._file.seek(0)
        except OSError as exc:
            raise _data_error(exc, self._path) from exc
        self._digest, self.size_bytes = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        """Of what is there so far."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """What is there is on the disk afterwards."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise _data_error(exc, self._path) from exc

    def close(self) -> None:
        """What could not be written stays unwritten: its digest will tell."""
        try:
            self._file.close()
        except OSError as exc:
            raise _data_error(exc, self._path) from exc


class PackageStore:
    """The packages in one folder, each in a folder that is called like its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, sha256: str) -> Path | None:
        """The package's file; None where it is not there, or not with these bytes (then it is removed)."""
        try:
            files = [path for path in (self._folder / sha256).iterdir() if path.is_file() and path.name != PARTIAL]
            if len(files) == 1:
                with files[0].open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                        return files[0]
        except OSError:
            return None
        if files:
            self.forget(sha256)
        return None

    def partial(self, sha256: str) -> PartialFile:
        """What is there of a package that is on its way, perhaps nothing yet. Raises ModelError."""
        return PartialFile(self._folder / sha256 / PARTIAL)

    def finish(self, sha256: str, partial: PartialFile, name: str) -> Path:
        """The whole file is there: call it `name`. Raises ModelError; what was there stays."""
        folder = self._folder / sha256
        partial.sync()
        partial.close()
        try:
            (folder / PARTIAL).replace(folder / name)
            for path in (folder, self._folder):
                sync_folder(path)
        except OSError as exc:
            raise _data_error(exc, folder / name) from exc
        return folder / name

    def forget(self, sha256: str) -> None:
        """Remove a package, as far as that is possible."""
        shutil.rmtree(self._folder / sha256, ignore_errors=True)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Remove all packages but these; models that somebody put here by name are not touched."""
        try:
            there = [path.name for path in self._folder.iterdir() if DIGEST.fullmatch(path.name)]
        except OSError:
            return
        for name in there:
            if name not in wanted:
                self.forget(name)

    def free_bytes(self) -> int:
        """Room on the volume. Raises ModelError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self._folder).free
        except OSError as exc:
            raise _data_error(exc, self._folder) from exc


def _data_error(exc: OSError, path: Path) -> ModelError:
    error = write_error(exc, path)
    return ModelError(str(error), code=error.code)
