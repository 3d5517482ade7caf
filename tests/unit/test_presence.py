"""Reader presence is judged by change and by the watcher's own clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.errors import FrameError
from safetygear.frames.presence import ReaderBeat, ReaderPresence, ReaderWatch


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
