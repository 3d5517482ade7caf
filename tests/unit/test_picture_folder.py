"""Pictures with a description beside them: both or neither, whatever a kill or a full disk leaves."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from safetygear import synced_files
from safetygear_inference.picture_folder import PictureFolder, PictureFolderError

QUOTA = 10**6
JPEG = b"\xff\xd8 a picture"


def open_folder(path: Path) -> PictureFolder[str]:
    return PictureFolder(path / "there", name_of=name_of, quota_setting="learning.quotaBytes", described=True)


def name_of(text: str) -> str | None:
    return text if text.isalpha() else None


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder[str]:
    return open_folder(tmp_path)


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "there").iterdir())


def test_both_files_are_there_and_counted_and_survive_a_restart(folder: PictureFolder[str], tmp_path: Path) -> None:
    folder.put("one", JPEG, quota_bytes=QUOTA, description=b"{}")
    assert files(tmp_path) == ["one.jpg", "one.json"]
    again = open_folder(tmp_path)
    assert again.begin() == 0
    assert (again.names(), again.size_bytes, again.size_bytes) == (["one"], folder.size_bytes, len(JPEG) + 2)
    assert (again.read("one"), again.read_description("one"), again.read_description("two")) == (JPEG, b"{}", None)


@pytest.mark.parametrize("left", [["one.jpg"], ["one.json"], ["one.jpg", "one.part"], ["one.part"]])
def test_what_a_kill_leaves_half_done_is_swept(folder: PictureFolder[str], tmp_path: Path, left: list[str]) -> None:
    (tmp_path / "there").mkdir()
    for name in (*left, "two.jpg", "two.json", "3.jpg"):
        (tmp_path / "there" / name).write_bytes(JPEG)
    assert folder.begin() == len(left)
    assert (folder.names(), files(tmp_path)) == (["two"], ["3.jpg", "two.jpg", "two.json"])


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_disk_that_fails_at_any_step_leaves_no_part_of_it(
    folder: PictureFolder[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    folder.begin()
    calls = []

    def failing(real: Any) -> Any:
        def call(*arguments: Any) -> None:
            calls.append(arguments)
            if len(calls) == at:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(*arguments)

        return call

    monkeypatch.setattr(synced_files, "write_synced", failing(synced_files.write_synced))
    monkeypatch.setattr(synced_files, "sync_folder", failing(synced_files.sync_folder))
    with pytest.raises(PictureFolderError, match=r"learning\.quotaBytes") as caught:
        folder.put("one", JPEG, quota_bytes=QUOTA, description=b"{}")
    assert (caught.value.code, files(tmp_path), folder.count, folder.size_bytes) == ("data-full", [], 0, 0)


def test_room_is_made_for_both_files(folder: PictureFolder[str], tmp_path: Path) -> None:
    for name in ("one", "two", "six"):
        folder.put(name, b"x" * 100, quota_bytes=250, description=b"y" * 20)
    assert (folder.names(), folder.size_bytes, folder.evicted) == (["two", "six"], 240, {"quota": 1})
    assert files(tmp_path) == ["six.jpg", "six.json", "two.jpg", "two.json"]
    assert folder.expire(now_s=4e9, quota_bytes=QUOTA, retention_days=1) == ["two", "six"]
    assert files(tmp_path) == []


def test_a_description_is_replaced_and_a_picture_removed(folder: PictureFolder[str], tmp_path: Path) -> None:
    folder.put("one", JPEG, quota_bytes=QUOTA, description=b"{}")
    folder.describe("one", b"[]")
    assert folder.read_description("one") == b"[]"
    folder.remove("one")
    folder.remove("one")
    folder.describe("one", b"{}")
    assert (files(tmp_path), folder.count, folder.size_bytes) == ([], 0, 0)


def test_a_picture_that_never_fits_costs_no_other_one(folder: PictureFolder[str]) -> None:
    folder.put("one", b"x" * 100, quota_bytes=250, description=b"{}")
    with pytest.raises(PictureFolderError, match=r"raise learning\.quotaBytes") as caught:
        folder.put("two", b"x" * 249, quota_bytes=250, description=b"{}")
    assert (caught.value.code, folder.names(), folder.evicted) == ("data-full", ["one"], {})
