"""Puts an outbox file that can't be used out of the way, for somebody to look at."""

from __future__ import annotations

from pathlib import Path

KEPT = 2
"""Files set aside that are kept: a disk that fails again and again must not fill itself with them."""
_SUFFIXES = ("", "-wal", "-shm")


def set_aside(path: Path, stamp: str) -> Path:
    """Rename `path` and its log to `<name>-set-aside-<stamp>`; the new path. Raises OSError."""
    before = sorted(
        file for file in path.parent.glob(f"{path.stem}-set-aside-*{path.suffix}") if file.suffix == path.suffix
    )
    for old in before[: max(0, len(before) - KEPT + 1)]:
        for suffix in _SUFFIXES:
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    target = path.with_name(f"{path.stem}-set-aside-{stamp}{path.suffix}")
    # The log first: without its file it is nothing, while a new file beside an old log would be taken for its owner.
    for suffix in reversed(_SUFFIXES):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    return target
