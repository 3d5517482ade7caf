"""A file that is replaced is on the disk, by its name too, when the call returns; or what stood there still does."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from safetygear import synced_files
from safetygear.synced_files import replace_synced


def test_the_bytes_are_synced_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    replace_synced(tmp_path / "memory.json", b"new")
    assert steps == ["file", "rename", "folder"]
    assert (tmp_path / "memory.json").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "memory.json").stat().st_mode) == 0o600


def test_what_stood_there_stays_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory.json"
    replace_synced(path, b"old")

    def half(scratch: Path, data: bytes) -> None:
        scratch.write_bytes(data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synced_files, "write_synced", half)
    with pytest.raises(OSError, match="No space"):
        replace_synced(path, b"new")
    assert [found.name for found in tmp_path.iterdir()] == ["memory.json"]
    assert path.read_bytes() == b"old"
