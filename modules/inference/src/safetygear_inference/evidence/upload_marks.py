"""Which pictures are still to be uploaded, and where to: a small file for each, so that a restart forgets none."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

from safetygear.synced_files import replace_synced
from safetygear_inference.picture_folder import as_folder_error

_SUFFIX = ".url"

N = TypeVar("N", bound=Hashable)
"""A picture's name: `str` of it is the file's name without its ending."""


class UploadMarks(Generic[N]):
    """`<folder>/<picture id>.url` holds the blob's address. Its calls block for the disk.

    They raise PictureFolderError."""

    def __init__(self, folder: Path, *, name_of: Callable[[str], N | None], quota_setting: str) -> None:
        """`name_of`: the inverse of `str`, None for what is no name. `quota_setting`: what to lower on a full disk."""
        self._folder = folder
        self._name_of = name_of
        self._quota_setting = quota_setting

    def load(self) -> dict[N, str]:
        """All of them, the oldest first."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            paths = [Path(entry.path) for entry in os.scandir(self._folder) if entry.name.endswith(_SUFFIX)]
            paths.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
            found = {}
            for path in paths:
                picture = self._name_of(path.name.removesuffix(_SUFFIX))
                if picture is not None:
                    found[picture] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as exc:
            raise as_folder_error(exc, self._folder, self._quota_setting) from exc
        return found

    def add(self, picture: N, url: str) -> None:
        """On the disk when it returns."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            replace_synced(self._path(picture), url.encode())
        except OSError as exc:
            raise as_folder_error(exc, self._folder, self._quota_setting) from exc

    def remove(self, picture: N) -> None:
        """It has arrived, or never will. Not synced: after a power cut it is tried once more, and found there."""
        try:
            self._path(picture).unlink(missing_ok=True)
        except OSError as exc:
            raise as_folder_error(exc, self._folder, self._quota_setting) from exc

    def _path(self, picture: N) -> Path:
        return self._folder / f"{picture}{_SUFFIX}"
