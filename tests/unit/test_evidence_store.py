"""Pictures on the disk: whole or not at all, within quota and time, the oldest first; ids that are never a path."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear import synced_files
from safetygear_inference import picture_folder as store_module
from safetygear_inference.evidence.config import MEBIBYTE
from safetygear_inference.evidence.picture_id import PictureId, picture_id, picture_of_uri
from safetygear_inference.evidence.store import EvidenceStore
from safetygear_inference.picture_folder import DAY_S, PictureFolderError

QUOTA = 100 * MEBIBYTE
JPEG = b"\xff\xd8 a picture"


def name(number: int, part: int = 1, *, blurred: bool = True) -> PictureId:
    return PictureId(f"ep-{number:024x}", part, blurred)


def put(store: EvidenceStore, picture: PictureId, *, stored_s: float, jpeg: bytes = JPEG) -> str:
    digest = store.put(picture, jpeg, quota_bytes=QUOTA)
    os.utime(store._folder / picture.file_name, (stored_s, stored_s))
    return digest


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


@pytest.mark.parametrize("blurred", [True, False])
def test_a_name_says_all_that_is_known_of_a_picture(blurred: bool) -> None:
    picture = name(7, 3, blurred=blurred)
    assert picture_id(str(picture)) == picture == picture_id(picture.file_name)
    assert picture_of_uri(picture.page_path) == picture
    assert picture_of_uri(f"https://a.blob.core.windows.net/c/device/{picture.file_name}") == picture


@given(st.text())
def test_any_other_text_names_no_picture(text: str) -> None:
    found = picture_id(text)
    assert found is None or str(found) == text.removesuffix(".jpg")


@pytest.mark.parametrize("text", ["", "../etc/passwd", "ep-1-1", f"ep-{0:024x}", f"ep-{0:024x}-0", f"ep-{0:024X}x-1"])
def test_a_path_is_no_name(text: str) -> None:
    assert picture_id(text) is None


def test_what_was_put_is_there_after_a_restart(store: EvidenceStore, tmp_path: Path) -> None:
    digest = store.put(name(1), JPEG, quota_bytes=QUOTA)
    assert digest == hashlib.sha256(JPEG).hexdigest()
    again = EvidenceStore(tmp_path / "evidence")
    assert again.begin() == 0
    assert (again.read(name(1)), again.count, again.size_bytes) == (JPEG, 1, len(JPEG))
    assert again.read(name(2)) is None
    assert (tmp_path / "evidence" / name(1).file_name).stat().st_mode & 0o777 == 0o600


def test_a_half_written_picture_is_swept_and_strange_files_stay(store: EvidenceStore, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / f"{name(1)}.part").write_bytes(b"half")
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / name(2).file_name).symlink_to(folder / "notes.txt")
    assert store.begin() == 1
    assert sorted(path.name for path in folder.iterdir()) == [name(2).file_name, "notes.txt"]
    assert store.count == 0


def test_the_newest_of_an_episode(store: EvidenceStore) -> None:
    for picture in (name(1, 1), name(1, 2), name(2, 1)):
        store.put(picture, JPEG, quota_bytes=QUOTA)
    assert [store.newest_of(name(number).episode) for number in (1, 2, 3)] == [name(1, 2), name(2, 1), None]


def test_over_the_quota_the_oldest_go(store: EvidenceStore) -> None:
    for number in range(4):
        store.put(name(number), b"x" * 100, quota_bytes=250)
    assert [store.has(name(number)) for number in range(4)] == [False, False, True, True]
    assert (store.size_bytes, store.evicted) == (200, {"quota": 2})
    assert store.expire(now_s=0, quota_bytes=150, retention_days=1) == [name(2)]


def test_what_is_too_old_goes(store: EvidenceStore) -> None:
    for number, days in ((1, 3), (2, 1)):
        put(store, name(number), stored_s=10 * DAY_S - days * DAY_S)
    store.begin()
    assert store.expire(now_s=10 * DAY_S, quota_bytes=QUOTA, retention_days=2) == [name(1)]
    assert (store.evicted, store.read(name(1)), store.read(name(2))) == ({"retention": 1}, None, JPEG)


def test_the_order_survives_a_restart(store: EvidenceStore, tmp_path: Path) -> None:
    for number, stored_s in ((1, 300.0), (2, 100.0), (3, 200.0)):
        put(store, name(number), stored_s=stored_s)
    again = EvidenceStore(tmp_path / "evidence")
    again.begin()
    again.expire(now_s=400, quota_bytes=2 * len(JPEG), retention_days=1)
    assert [again.has(name(number)) for number in (1, 2, 3)] == [True, False, True]
    again.expire(now_s=400, quota_bytes=len(JPEG), retention_days=1)
    assert [again.has(name(number)) for number in (1, 2, 3)] == [True, False, False]


@pytest.mark.parametrize("step", ["write_synced", "sync_folder"])
def test_a_full_disk_leaves_nothing_behind(
    store: EvidenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store.begin()
    real = getattr(synced_files, step)

    def fail(path: Path, *rest: Any) -> None:
        if step == "write_synced":
            path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synced_files, step, fail)
    with pytest.raises(PictureFolderError) as caught:
        store.put(name(1), JPEG, quota_bytes=QUOTA)
    assert (caught.value.code, store.count) == ("data-full", 0)
    assert not list((tmp_path / "evidence").glob("*.part"))
    monkeypatch.setattr(synced_files, step, real)
    store.put(name(1), JPEG, quota_bytes=QUOTA)
    assert store.read(name(1)) == JPEG


def test_the_last_bytes_of_the_volume_are_the_outbox_s(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "RESERVE_BYTES", 2**62)
    with pytest.raises(PictureFolderError) as caught:
        store.put(name(1), JPEG, quota_bytes=QUOTA)
    assert caught.value.code == "data-full"


def test_a_missing_volume_is_said_and_may_come_back(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "data" / "evidence")
    for call in (store.begin, lambda: store.put(name(1), JPEG, quota_bytes=QUOTA)):
        with pytest.raises(PictureFolderError) as caught:
            call()
        assert caught.value.code == "data-missing"
    (tmp_path / "data").mkdir()
    store.put(name(1), JPEG, quota_bytes=QUOTA)
    assert store.read(name(1)) == JPEG
