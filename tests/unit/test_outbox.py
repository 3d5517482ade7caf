"""Events are kept until the hub has taken them, and every sequence is accounted for."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from safetygear.errors import UserError
from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox import outbox as outbox_module
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.file import new_epoch
from safetygear_inference.outbox.outbox import Outbox
from safetygear_inference.outbox.store import EventKey, OutboxError, Store
from support.outbox import Scene, event


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.outbox.close()


def small(scene: Scene, events: int) -> None:
    """Room for so many events."""
    folder = scene.path.parent.parent / "probe"
    folder.mkdir()
    probe = Scene(folder)
    probe.append("a")
    size_bytes = probe.outbox.health().size_bytes
    probe.outbox.close()
    scene.outbox.config = OutboxConfig(capacity_bytes=events * (size_bytes + 8), keep_sent_days=30.0)


def test_sequences_count_from_one_and_go_on_after_a_restart(scene: Scene) -> None:
    assert [scene.append(name) for name in "abc"] == [1, 2, 3]
    scene.restart()
    assert scene.append("d") == 4
    assert scene.unsent() == [1, 2, 3, 4]


def test_a_stored_event_carries_its_sequence_epoch_and_routing_properties(scene: Scene) -> None:
    scene.append("a", "open", "high")
    (stored,) = scene.outbox.next_unsent(5)
    message = decode(stored.body, EventMessage)
    assert (message.event_sequence, message.outbox_epoch, message.dedup_key) == (1, "e1", "a")
    assert stored.key == EventKey("e1", 1)
    assert stored.properties == {
        "schema": "safetygear.event/1", "camera": "gate", "shard": "default", "rule": "no-helmet",
        "severity": "high", "state": "open",
    }  # fmt: skip


def test_the_sending_order(scene: Scene) -> None:
    for name, state, severity in (
        ("a", "update", "high"), ("b", "open", "low"), ("c", "update", "low"), ("d", "closed", "high"),
        ("e", "open", "high"), ("f", "update", "high"), ("g", "closed", "low"),
    ):  # fmt: skip
        scene.append(name, state, severity)  # type: ignore[arg-type]  # from a table of texts
    assert scene.unsent() == [4, 5, 2, 7, 1, 6, 3]
    assert scene.unsent(2) == [4, 5]
    in_flight = frozenset({EventKey("e1", 4), EventKey("e1", 2)})
    assert [stored.key.sequence for stored in scene.outbox.next_unsent(2, exclude=in_flight)] == [5, 7]


def test_only_an_acknowledgement_takes_an_event_out_of_the_line(scene: Scene) -> None:
    scene.append("a")
    scene.append("b")
    scene.outbox.next_unsent(10)
    assert scene.outbox.health().depth == 2
    scene.acknowledge(1)
    scene.outbox.acknowledged([EventKey("e1", 1), EventKey("e1", 77), EventKey("other", 2)])
    assert scene.unsent() == [2]
    assert scene.outbox.health().depth == 1
    scene.restart()
    assert (scene.unsent(), scene.outbox.health().depth) == ([2], 1)


def test_all_or_none_of_a_batch_is_stored(scene: Scene) -> None:
    too_large = event("b", reason="r" * 300_000)
    with pytest.raises(UserError, match="can't be sent"):
        scene.outbox.append_all([event("a"), too_large], shard="default")
    assert scene.append("c") == 1
    assert scene.outbox.append_all([event("d"), event("e")], shard="default") == [2, 3]


def test_what_gives_a_sequence_is_synced_to_the_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not take back a sequence that the hub has seen. That it is one sync each, only strace shows."""
    scene.append("a")
    synced: list[bool] = []
    writing = Store.writing

    def noted(store: Store, **how: bool) -> AbstractContextManager[None]:
        synced.append(how["synced"])
        return writing(store, **how)

    monkeypatch.setattr(Store, "writing", noted)
    scene.outbox.append_all([event("b"), event("c")], shard="s")
    scene.outbox.seen_elsewhere("e1", 9)
    assert synced == [True, True]
    scene.acknowledge(1)
    assert synced == [True, True, False]


def test_a_resend_has_the_same_bytes_and_goes_after_everything_new(scene: Scene) -> None:
    for name in "abc":
        scene.append(name, "open", "high")
    before = {stored.key: stored.body for stored in scene.outbox.next_unsent(10)}
    scene.acknowledge(1, 2)
    scene.append("d", "update", "low")
    answer = scene.outbox.resend(1, 9)
    assert (answer.epoch, answer.queued, answer.waiting) == ("e1", 2, 2)
    assert (answer.evicted, answer.not_kept, answer.not_given) == ((), (), ((5, 9),))
    scene.restart()
    assert scene.unsent() == [3, 4, 1, 2]
    assert all(before.get(s.key, s.body) == s.body for s in scene.outbox.next_unsent(10))
    scene.acknowledge(1, 2, 3, 4)
    assert scene.outbox.health().depth == 0
    assert scene.outbox.resend(2, 2).queued == 1


def test_a_resend_of_an_unknown_epoch_names_the_known_ones(scene: Scene) -> None:
    scene.append("a")
    with pytest.raises(UserError, match=r'epoch: "x" is none of this outbox. It has e1.'):
        scene.outbox.resend(1, 2, epoch="x")


def test_old_copies_are_forgotten_and_a_resend_says_so(scene: Scene) -> None:
    scene.outbox.config = OutboxConfig(keep_sent_days=1.0)
    for name in "abc":
        scene.append(name)
    scene.acknowledge(1)
    scene.clock.jump_wall_clock(3600.0)
    scene.acknowledge(2)
    scene.clock.jump_wall_clock(86_400.0 - 1800.0)
    assert scene.outbox.expire() == 1
    assert scene.outbox.expire() == 0
    answer = scene.outbox.resend(1, 3)
    assert (answer.queued, answer.waiting, answer.not_kept, answer.evicted) == (1, 1, ((1, 1),), ())
    size_bytes = scene.outbox.health().size_bytes
    scene.restart()
    assert scene.outbox.health().size_bytes == size_bytes
    assert scene.append("d") == 4


def test_a_full_outbox_drops_copies_then_low_updates_and_leaves_tombstones(scene: Scene) -> None:
    small(scene, 4)
    for name, state, severity in (
        ("a", "update", "high"), ("b", "update", "low"), ("c", "open", "low"), ("d", "update", "low"),
    ):  # fmt: skip
        scene.append(name, state, severity)  # type: ignore[arg-type]  # from a table of texts
    scene.acknowledge(1)
    scene.append("e", "open", "high")  # the copy of 1 goes
    assert scene.outbox.health().copies_dropped == 1
    assert scene.outbox.health().evicted == {}
    scene.append("f", "closed", "low")  # 2 goes: the oldest low update
    scene.append("g", "closed", "low")  # 4 goes
    assert scene.outbox.health().evicted == {"events-evicted-update-low": 2}
    scene.append("h", "update", "medium")  # it is itself what goes first
    assert scene.outbox.health().evicted == {"events-evicted-update-low": 2, "events-evicted-update-medium": 1}
    scene.append("i", "open", "high")  # only opens and closes are left: the low open
    assert sorted(scene.unsent()) == [5, 6, 7, 9]
    answer = scene.outbox.resend(1, 9)
    assert (answer.evicted, answer.not_kept, answer.waiting) == (((2, 4), (8, 8)), ((1, 1),), 4)
    scene.restart()
    assert scene.outbox.resend(1, 9) == answer
    assert scene.append("j", "open", "high") == 10


def test_an_event_that_was_asked_for_again_is_evicted_without_a_loss(scene: Scene) -> None:
    small(scene, 2)
    scene.append("a", "open", "high")
    scene.acknowledge(1)
    scene.outbox.resend(1, 1)
    scene.append("b")
    scene.append("c")
    health = scene.outbox.health()
    assert (health.evicted, health.copies_dropped, health.depth) == ({}, 1, 2)
    assert scene.outbox.resend(1, 1).not_kept == ((1, 1),)


def test_an_event_evicted_in_flight_that_the_hub_took_is_no_gap(scene: Scene) -> None:
    small(scene, 1)
    scene.append("a")
    (stored,) = scene.outbox.next_unsent(1)
    scene.append("b")
    assert scene.outbox.resend(1, 2).evicted == ((1, 1),)
    scene.outbox.acknowledged([stored.key])
    answer = scene.outbox.resend(1, 2)
    assert (answer.evicted, answer.not_kept) == ((), ((1, 1),))


def test_what_the_hub_refuses_for_ever_leaves_a_tombstone(scene: Scene) -> None:
    scene.append("a")
    scene.append("b")
    scene.outbox.refused([EventKey("e1", 1)])
    assert scene.unsent() == [2]
    assert scene.outbox.resend(1, 2).evicted == ((1, 1),)


def test_tombstones_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_TOMBSTONES", 3)
    small(scene, 1)
    for number in range(8):
        scene.append(str(number))
    answer = scene.outbox.resend(1, 8)
    assert (answer.evicted, answer.not_kept, answer.waiting) == (((5, 7),), ((1, 4),), 1)


def test_the_file_does_not_outgrow_the_capacity_much(scene: Scene) -> None:
    scene.outbox.config = OutboxConfig(capacity_bytes=1024 * 1024)
    for number in range(60):
        scene.outbox.append_all([event(f"{number}-{each}", reason="r" * 200) for each in range(100)], shard="s")
    assert scene.outbox.health().size_bytes <= 1024 * 1024
    scene.outbox.close()
    assert scene.path.stat().st_size < 2 * 1024 * 1024


def test_health(scene: Scene) -> None:
    health = scene.outbox.health()
    assert (health.epoch, health.newest_sequence, health.depth, health.oldest_age_s) == ("e1", None, 0, None)
    scene.append("a")
    scene.clock.jump_wall_clock(40.0)
    scene.append("b", "open", "high")
    health = scene.outbox.health()
    assert (health.newest_sequence, health.depth, health.oldest_age_s) == (2, 2, 40.0)
    assert 0 < health.size_bytes < health.capacity_bytes
    scene.clock.jump_wall_clock(-3600.0)
    assert scene.outbox.health().oldest_age_s == 0.0


# What happens to the file


def test_nobody_else_may_read_the_file(scene: Scene) -> None:
    scene.append("a")
    modes = {path.name: path.stat().st_mode & 0o077 for path in scene.path.parent.iterdir()}
    assert set(modes.values()) == {0}
    assert scene.path.parent.stat().st_mode & 0o077 == 0


def test_a_lost_file_begins_a_new_epoch(scene: Scene) -> None:
    scene.append("a")
    scene.outbox.close()
    shutil.rmtree(scene.path.parent)
    scene.restart()
    assert scene.append("b") == 1
    assert [stored.key for stored in scene.outbox.next_unsent(5)] == [EventKey("e2", 1)]


def test_a_file_removed_while_in_use_loses_nothing(scene: Scene) -> None:
    scene.append("a", "open", "high")
    scene.append("b")
    scene.acknowledge(2)
    for file in scene.path.parent.iterdir():
        file.unlink()
    assert scene.append("c") == 1
    assert [stored.key for stored in scene.outbox.next_unsent(5)] == [EventKey("e1", 1), EventKey("e2", 1)]
    assert scene.problems == ["outbox-replaced"]
    scene.restart()
    assert scene.outbox.resend(1, 2, epoch="e1").waiting == 1
    assert scene.append("d") == 2
    assert scene.problems == ["outbox-replaced"]


def test_a_copy_in_the_files_place_begins_a_new_epoch(scene: Scene) -> None:
    """A backup brings an older count back: with it alone sequence 2 would be given a second time."""
    scene.append("a")
    scene.outbox.close()
    backup = scene.path.with_name("backup")
    shutil.copy(scene.path, backup)
    scene.append("b")
    scene.outbox.close()
    backup.replace(scene.path)
    scene.restart()
    scene.append("c")
    assert [stored.key for stored in scene.outbox.next_unsent(5)] == [EventKey("e1", 1), EventKey("e2", 1)]
    assert scene.problems == ["outbox-replaced"]


def test_a_file_exchanged_while_in_use_loses_nothing(scene: Scene) -> None:
    scene.append("a")
    scene.outbox.close()
    backup = scene.path.with_name("backup")
    shutil.copy(scene.path, backup)
    scene.append("b")
    for name in ("outbox.sqlite", "outbox.sqlite-wal"):
        scene.path.with_name(name).unlink()
    backup.replace(scene.path)
    scene.append("c")
    keys = [stored.key for stored in scene.outbox.next_unsent(5)]
    assert keys == [EventKey("e1", 1), EventKey("e1", 2), EventKey("e2", 1)]
    assert scene.problems == ["outbox-replaced"]
    assert scene.outbox.resend(1, 9, epoch="e1").not_given == ((3, 9),)


def test_an_older_state_of_the_same_file_is_recognised_by_what_others_saw(scene: Scene) -> None:
    scene.append("a")
    scene.outbox.seen_elsewhere("e1", 1)
    scene.outbox.seen_elsewhere("e0", 99)
    assert scene.append("b") == 2
    scene.outbox.seen_elsewhere("e1", 5)
    assert scene.append("c") == 1
    assert scene.problems == ["outbox-replaced"]
    assert [stored.key for stored in scene.outbox.next_unsent(5)][-1] == EventKey("e2", 1)


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_database_is_set_aside(scene: Scene, damage: bytes) -> None:
    scene.append("a")
    scene.outbox.close()
    scene.path.write_bytes(damage)
    scene.restart()
    assert scene.append("b") == 1
    assert scene.problems == ["outbox-corrupt"]
    (aside,) = scene.path.parent.glob("outbox-set-aside-*.sqlite")
    assert aside.read_bytes().startswith(damage[:100])
    assert scene.append("c") == 2
    assert scene.problems == ["outbox-corrupt"]


def test_what_waits_in_a_damaged_file_is_saved_as_far_as_it_can_be_read(scene: Scene) -> None:
    for number in range(200):
        scene.append(str(number), "open", "high")
    scene.outbox.close()
    content = bytearray(scene.path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 6000] = os.urandom(6000)
    scene.path.write_bytes(content)
    scene.restart()
    assert scene.append("new", "open", "high") == 1
    assert scene.problems == ["outbox-corrupt"]
    keys = [stored.key for stored in scene.outbox.next_unsent(1000)]
    saved = [key.sequence for key in keys if key.epoch == "e1"]
    assert len(saved) > 20
    assert len(set(saved)) == len(saved)
    assert keys[-1].epoch != "e1"


def test_saving_what_waits_in_a_damaged_file_goes_on_after_a_kill(scene: Scene) -> None:
    """The file was renamed, and the process killed before it had read it."""
    for number in range(3):
        scene.append(str(number), "open", "high")
    scene.acknowledge(2)
    scene.outbox.close()
    scene.path.rename(scene.path.with_name("outbox-damaged.sqlite"))
    scene.restart()
    scene.append("new", "open", "high")
    keys = [stored.key for stored in scene.outbox.next_unsent(10)]
    assert [key.sequence for key in keys] == [1, 3, 1]
    assert keys[0].epoch == keys[1].epoch == "e1"
    assert keys[2].epoch != "e1"
    assert scene.problems == ["outbox-corrupt"]
    assert not scene.path.with_name("outbox-damaged.sqlite").exists()
    assert len(list(scene.path.parent.glob("outbox-set-aside-*.sqlite"))) == 1
    scene.restart()
    assert scene.outbox.health().depth == 3
    assert scene.problems == ["outbox-corrupt"]


def test_a_row_that_names_another_event_than_its_message_is_not_saved(scene: Scene) -> None:
    for number in range(3):
        scene.append(str(number), "open", "high")
    scene.outbox.close()
    with sqlite3.connect(scene.path) as database:
        database.execute("UPDATE event SET sequence = 9 WHERE sequence = 2")
        database.execute("UPDATE event SET size_bytes = 'x', label = 7 WHERE sequence = 3")
    database.close()
    scene.path.rename(scene.path.with_name("outbox-damaged.sqlite"))
    assert scene.unsent() == [1, 3]
    size_bytes = scene.outbox.health().size_bytes
    assert 1500 < size_bytes < 2500


def test_few_files_set_aside_are_kept(scene: Scene) -> None:
    for _ in range(4):
        scene.append("a")
        scene.outbox.close()
        scene.path.write_bytes(b"damaged" * 1000)
    scene.append("a")
    assert len(list(scene.path.parent.glob("outbox-set-aside-*.sqlite"))) == 2


def test_a_file_of_another_layout_is_set_aside(scene: Scene) -> None:
    scene.append("a")
    scene.outbox.close()
    with sqlite3.connect(scene.path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    scene.restart()
    assert scene.append("b") == 1
    assert scene.problems == ["outbox-other-layout"]


def test_a_second_process_is_refused_by_name(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safetygear_inference.outbox.store.BUSY_S", 0.01)
    scene.append("a")
    other = Outbox(scene.path, scene.config, scene.clock)
    with pytest.raises(OutboxError, match="in use by another process") as raised:
        other.append(event("b"), shard="s")
    assert raised.value.code == "outbox-locked"
    assert scene.append("c") == 2


def test_a_missing_data_folder_is_named_and_comes_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    with pytest.raises(OutboxError, match=r"the data folder .* is missing") as raised:
        scene.append("a")
    assert raised.value.code == "data-missing"
    (tmp_path / "data").mkdir()
    assert scene.append("a") == 1
    scene.outbox.close()


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("")
    with pytest.raises(OutboxError, match="can't be opened") as raised:
        Scene(tmp_path).append("a")
    assert raised.value.code == "data-unwritable"


def test_epochs_sort_by_time_and_are_never_the_same() -> None:
    assert new_epoch(1_764_000_000.0).startswith("20251124T160000Z-")
    assert new_epoch(1.0) != new_epoch(1.0)
