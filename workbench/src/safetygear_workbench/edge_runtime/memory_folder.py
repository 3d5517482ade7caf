"""The folder in memory (tmpfs) that stands for the containers' shared-memory volumes; nothing of it is left behind.

Its owner holds a lock on a file in it. A folder whose lock is free belongs to nobody any more (its owner was killed),
and the next start, or whoever notices, removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TextIO

_LOCK = ".lock"
_YOUNG_S = 60.0
"""A folder this young may be without a lock because its owner is just making it."""


def memory_root() -> Path:
    """/dev/shm where it can be written (Linux), else the folder for temporary files."""
    shared = Path("/dev/shm")  # a well-known place; our folder in it has a random name and mode 0700
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())


def _prefix() -> str:
    return f"safetygear-{os.getuid()}-"


class MemoryFolder:
    """A private folder that lives as long as this object."""

    def __init__(self, root: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_prefix(), dir=root))
        self._lock: TextIO = (self.path / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove(self) -> None:
        """With all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def remove_abandoned(root: Path, now_s: float | None = None) -> list[Path]:
    """Remove this user's folders whose owner is gone; which they were."""
    removed = []
    for folder in root.glob(f"{_prefix()}*"):
        if _is_abandoned(folder, time.time() if now_s is None else now_s):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _is_abandoned(folder: Path, now_s: float) -> bool:
    try:
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        try:
            return now_s - folder.stat().st_mtime > _YOUNG_S
        except OSError:
            return False
    except OSError:
        return False
    return True
