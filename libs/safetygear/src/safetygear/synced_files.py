"""Files that survive a power cut: whole as they are, or whole as they were. For one file, one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

SCRATCH: Final = ".part"
"""Suffix of a file that is being written; one that is found at the start is of a write that did not end."""


def replace_synced(path: Path, data: bytes) -> None:
    """`path` holds `data`, on the disk, when it returns.

    Raises OSError; `path` then holds, whole, what it held, or `data` where only its folder could not be synced.
    """
    scratch = path.with_suffix(SCRATCH)
    try:
        write_synced(scratch, data)
        scratch.replace(path)
        sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


def write_synced(path: Path, data: bytes) -> None:
    """A file that is on the disk when it returns; its name may not be yet. Raises OSError."""
    # From its first byte on for nobody else: it may show people.
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


def why_not_written(exc: OSError, path: Path) -> tuple[str, str]:
    """Code (`data-full`, `data-missing`, `data-unwritable`) and one line that says what is wrong with the data folder
    and what to do."""
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "data-full", f"no space left to write {path}: free some, or enlarge the data volume"
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return (
            "data-missing",
            f"the data folder {path.parent} is missing: mount a volume there, or set SAFETYGEAR_DATA_DIR",
        )
    return (
        "data-unwritable",
        f"{path} can't be written ({exc.strerror}): give the module's user write access to {path.parent}",
    )
