"""A folder of examples, with every picture looked at before any of them goes anywhere."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetygear.errors import UserError
from safetygear.learning.example import DESCRIPTION_SUFFIX, Example, is_example_id
from safetygear.learning.folder import picture_path, read_example
from safetygear.messages.codec import MessageError

PICTURE_BYTES: Final = 64 * 2**20
"""No device writes one as large; a mistaken file must not fill the memory."""
_JPEG: Final = b"\xff\xd8\xff"


@dataclass(frozen=True)
class StoredExample:
    """An example whose picture is there, whole and the one that was described."""

    example: Example
    picture: Path
    size_bytes: int

    @property
    def id(self) -> str:
        return self.example.id

    @property
    def sha256(self) -> str:
        return self.example.picture.sha256

    def read_description(self) -> bytes:
        """The JSON file. Raises UserError likewise."""
        path = self.picture.with_suffix(DESCRIPTION_SUFFIX)
        try:
            return path.read_bytes()
        except OSError as exc:
            raise UserError(f"{path} can't be read any more ({exc.strerror}).", hint="Push a copy.") from exc

    def read(self) -> bytes:
        """The JPEG. Raises UserError where it is gone or another one by now: on a device the oldest make room."""
        try:
            data = _read(self.picture)
        except OSError as exc:
            raise UserError(f"{self.picture} can't be read any more ({exc.strerror}).", hint="Push a copy.") from exc
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise UserError(f"{self.picture} was changed while it was being used.")
        return data


@dataclass(frozen=True)
class StoredExamples:
    """`repeated`: ids whose picture another example has too; it is taken once. `broken`: by name, why."""

    whole: tuple[StoredExample, ...]
    repeated: tuple[str, ...]
    broken: dict[str, str]

    @property
    def uncovered(self) -> list[str]:
        """Ids of the pictures in which faces may be recognised."""
        return [one.id for one in self.whole if not one.example.picture.faces_blurred]


def read_examples(folder: Path, progress: Callable[[int, int], None]) -> StoredExamples:
    """Everything in `folder` and the folders in it, the oldest first. `progress`: how many of how many were looked at.

    A copy of a container has a folder for each device. Raises UserError where there is no such folder, or no example.
    """
    descriptions = _descriptions(folder)
    by_picture: dict[str, StoredExample] = {}
    ids: set[str] = set()
    repeated: list[str] = []
    broken: dict[str, str] = {}
    for number, path in enumerate(descriptions, 1):
        try:
            found = _stored(path.parent, path.stem)
            if found.sha256 not in by_picture and found.id in ids:
                raise UserError("another example has that id")
        except (MessageError, OSError, UserError) as exc:
            broken[str(path.relative_to(folder))] = _why(exc)
        else:
            ids.add(found.id)
            if found.sha256 in by_picture:
                repeated.append(found.id)
            else:
                by_picture[found.sha256] = found
        progress(number, len(descriptions))
    return StoredExamples(tuple(by_picture.values()), tuple(repeated), broken)


def _why(exc: Exception) -> str:
    return exc.strerror or type(exc).__name__ if isinstance(exc, OSError) else str(exc)


def _descriptions(folder: Path) -> list[Path]:
    """Paths of the JSON files, sorted by their names, which begin with the time."""
    try:
        folders = [folder, *(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())]
        found = [
            Path(entry.path)
            for one in folders
            for entry in os.scandir(one)
            if entry.name.endswith(DESCRIPTION_SUFFIX) and entry.is_file()
        ]
    except OSError as exc:
        raise UserError(f"{folder} can't be read ({exc.strerror}).", hint=_HINT) from exc
    if not found:
        raise UserError(f"{folder} holds no examples.", hint=_HINT)
    return sorted(found, key=lambda path: path.name)


_HINT: Final = "Give the folder with the examples' .jpg and .json, a copy of the device's learning/examples."


def _stored(folder: Path, name: str) -> StoredExample:
    if not is_example_id(name):
        raise UserError("it is not named as an example is")
    example = read_example(folder, name)
    path = picture_path(folder, name)
    try:
        data = _read(path)
    except FileNotFoundError as exc:
        raise UserError(f"{path.name} is missing") from exc
    if hashlib.sha256(data).hexdigest() != example.picture.sha256:
        raise UserError(f"{path.name} is damaged: its SHA-256 is not the one in its description")
    if not data.startswith(_JPEG):
        raise UserError(f"{path.name} is no JPEG")
    return StoredExample(example, path, len(data))


def _read(path: Path) -> bytes:
    # A FIFO would be waited for, a device read for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{path.name} is no regular file")
    with path.open("rb") as file:
        data = file.read(PICTURE_BYTES + 1)
    if len(data) > PICTURE_BYTES:
        raise UserError(f"{path.name} is larger than {PICTURE_BYTES // 2**20} MiB")
    return data
