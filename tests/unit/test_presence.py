"""Reader presence is judged by change and by the watcher's own clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.errors import FrameError
from safetygear.frames.presence import READERS_FOLDER, ReaderBeat, ReaderPresence, ReaderWatch, ReaderWishes


@pytest.mark.parametrize(
    ("seen_s", "asked_s", "present"), [(None, 0.0, False), (10.0, 10.0, True), (10.0, 14.9, True), (10.0, 15.0, False)]
)
def test_presence_lasts_for_the_timeout(seen_s: float | None, asked_s: float, present: bool) -> None:
    presence = ReaderPresence()
    if seen_s is not None:
        presence.seen(seen_s)
    assert presence.present(asked_s) is present


def test_a_beat_is_seen_by_change_only(tmp_path: Path) -> None:
    beat = ReaderBeat(tmp_path, "default", "a")
    beat.beat()
    watch = ReaderWatch(tmp_path, "default")
    assert not watch.present(0.0), "a file that lay there before may be a dead reader's"
    beat.beat()
    assert watch.present(1.0)
    assert watch.present(5.9)
    assert not watch.present(6.0)
    beat.beat()
    assert watch.present(7.0)


def test_the_file_going_away_is_no_beat(tmp_path: Path) -> None:
    beat = ReaderBeat(tmp_path, "default", "a")
    beat.beat()
    watch = ReaderWatch(tmp_path, "default")
    beat.close()
    assert not (tmp_path / "readers" / "default").exists()
    assert not watch.present(0.0)


def test_any_instance_of_a_shard_counts_and_shards_do_not_mix(tmp_path: Path) -> None:
    watch, other = ReaderWatch(tmp_path, "default"), ReaderWatch(tmp_path, "north")
    first, second = ReaderBeat(tmp_path, "default", "a"), ReaderBeat(tmp_path, "default", "b")
    first.beat()
    assert watch.present(0.0)
    second.beat()
    assert watch.present(6.0)
    first.close()
    assert (tmp_path / "readers" / "default").exists(), "the other instance's beat stays"
    assert not other.present(0.0)


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="SAFETYGEAR_FRAMES_DIR") as missing:
        ReaderBeat(tmp_path / "frames", "default", "a").beat()
    assert missing.value.code == "ring-folder-missing"


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "readers" / "default").mkdir(parents=True)
    with pytest.raises(FrameError) as refused:
        ReaderBeat(tmp_path, "default", "a").beat()
    assert refused.value.code == "ring-not-writable"


@pytest.mark.parametrize("shard", ["", "../x", "a/b", "a" * 65])
def test_shards_are_names(tmp_path: Path, shard: str) -> None:
    with pytest.raises(ValueError, match="not a shard name"):
        ReaderBeat(tmp_path, shard, "a")


def test_a_reader_wants_every_frame_of_the_cameras_it_names(tmp_path: Path) -> None:
    watch, beat = ReaderWatch(tmp_path, "default"), ReaderBeat(tmp_path, "default", "a")
    assert not watch.wants("gate", 0.0), "nobody reads"
    beat.beat(["yard", "gate"])
    watch.present(1.0)
    assert (watch.wants("gate", 1.0), watch.wants("crane", 1.0)) == (True, False)
    beat.beat()
    watch.present(2.0)
    assert not watch.wants("gate", 2.0)
    beat.beat(["gate"])
    watch.present(3.0)
    assert (watch.wants("gate", 7.9), watch.wants("gate", 8.0)) == (True, False), "a dead reader wants nothing"


def test_of_several_readers_each_counts() -> None:
    wishes = ReaderWishes()
    wishes.heard("a", ["gate"], 0.0)
    wishes.heard("b", [], 1.0)
    assert wishes.wants("gate", 1.0)
    wishes.heard("a", [], 2.0)
    assert not wishes.wants("gate", 2.0)


def test_a_reader_that_does_not_say_it_gets_all_there_is(tmp_path: Path) -> None:
    watch = ReaderWatch(tmp_path, "default")
    (tmp_path / READERS_FOLDER).mkdir()
    (tmp_path / READERS_FOLDER / "default").write_text("old 7\n")
    assert watch.present(0.0)
    assert watch.wants("gate", 0.0)


@pytest.mark.parametrize("half", [b"", b"a 2", b"a 2\nevery-fra", b"a 2\nevery-frame yard"])
def test_a_beat_that_is_half_written_changes_no_wish(tmp_path: Path, half: bytes) -> None:
    watch, beat = ReaderWatch(tmp_path, "default"), ReaderBeat(tmp_path, "default", "a")
    beat.beat(["gate"])
    watch.present(0.0)
    (tmp_path / READERS_FOLDER / "default").write_bytes(half)
    watch.present(0.5)
    assert (watch.wants("gate", 0.5), watch.wants("yard", 0.5)) == (True, False)
