"""A folder of examples, read: on the device's data volume, or a copy of it."""

from __future__ import annotations

import os
from pathlib import Path

from safetygear.errors import UserError
from safetygear.learning.example import DESCRIPTION_SUFFIX, PICTURE_SUFFIX, Example, is_example_id
from safetygear.messages.codec import MessageError, decode


def complete_examples(folder: Path) -> list[str]:
    """Ids of the examples that have both files, the oldest first. Raises UserError where there is no such folder."""
    try:
        names = {entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)}
    except OSError as exc:
        raise UserError(
            f"{folder} can't be read ({exc.strerror}):", hint="give the folder that holds the examples' .jpg and .json"
        ) from exc
    ids = (name.removesuffix(DESCRIPTION_SUFFIX) for name in names if name.endswith(DESCRIPTION_SUFFIX))
    return sorted(one for one in ids if is_example_id(one) and f"{one}{PICTURE_SUFFIX}" in names)


def read_example(folder: Path, example: str) -> Example:
    """The description of that id. Raises MessageError (not of this form, or of another example) and OSError."""
    found = decode((folder / f"{example}{DESCRIPTION_SUFFIX}").read_bytes(), Example)
    if found.id != example:
        raise MessageError(f"{example}{DESCRIPTION_SUFFIX} says that it describes {found.id}")
    return found


def picture_path(folder: Path, example: str) -> Path:
    """Where the example's JPEG is."""
    return folder / f"{example}{PICTURE_SUFFIX}"
