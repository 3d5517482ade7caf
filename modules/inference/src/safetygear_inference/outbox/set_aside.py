"""Puts an outbox file that can't be used out of the way: first beside the new one, to be read, then away.

The two steps have names of their own, so that a process that is killed between them goes on where it was.
"""

from __future__ import annotations

from pathlib import Path

KEPT = 2
"""Files set aside that are kept: a disk that fails again and again must not fill itself with them."""
_SUFFIXES = ("", "-wal", "-shm")


def damaged_file(path: Path) -> Path:
    """Where a file waits until what can be read of it is saved."""
    return path.with_name(f"{path.stem}-damaged{path.suffix}")


def set_aside(path: Path) -> None:
    """Rename `path` and its log to the damaged file. Raises OSError."""
    _rename(path, damaged_file(path))


def file_away(path: Path, stamp: str) -> None:
    """Keep the damaged file as `<name>-set-aside-<stamp>`, and only the newest of those. Raises OSError."""
    pattern = f"{path.stem}-set-aside-*{path.suffix}"
    before = sorted(path.parent.glob(pattern), key=lambda file: file.stat().st_mtime_ns)
    for old in before[: max(0, len(before) - KEPT + 1)]:
        for suffix in _SUFFIXES:
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    _rename(damaged_file(path), path.with_name(f"{path.stem}-set-aside-{stamp}{path.suffix}"))


def _rename(path: Path, target: Path) -> None:
    # The log first: without its file it is nothing, while a new file beside an old log would be taken for its owner.
    for suffix in reversed(_SUFFIXES):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
