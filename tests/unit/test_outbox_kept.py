"""What is kept beside the events: in one transaction with them, over restarts and with a file that was replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.errors import UserError
from support.outbox import Scene, event


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_it_outlives_a_restart_and_is_replaced_as_a_whole(scene: Scene) -> None:
    assert scene.outbox.kept("episodes") is None
    scene.outbox.keep({"episodes": b"one", "kpi": b"k"})
    scene.outbox.keep({"episodes": b"two"}, synced=True)
    scene.restart()
    assert (scene.outbox.kept("episodes"), scene.outbox.kept("kpi")) == (b"two", b"k")


def test_it_is_stored_with_the_events_or_not_at_all(scene: Scene) -> None:
    scene.outbox.append_all([event("a")], shard="s", keep={"episodes": b"one"})
    with pytest.raises(UserError, match="can't be sent"):
        scene.outbox.append_all([event("b"), event("c", reason="r" * 300_000)], shard="s", keep={"episodes": b"two"})
    assert scene.outbox.kept("episodes") == b"one"
    assert scene.unsent() == [1]


def test_it_moves_from_a_file_that_was_lost_while_in_use(scene: Scene) -> None:
    scene.outbox.append_all([event("a")], shard="s", keep={"episodes": b"one"})
    for file in scene.path.parent.iterdir():
        file.unlink()
    assert scene.outbox.kept("episodes") == b"one"


def test_an_episode_s_newest_event_is_found_sent_or_not(scene: Scene) -> None:
    scene.append("a", "open", "high")
    scene.append("b", "open", "high")
    scene.acknowledge(1)
    found = scene.outbox.newest_of_episode("ev-a")
    assert found is not None
    assert (found.dedup_key, found.camera, found.event_sequence) == ("a", "gate", 1)
    assert scene.outbox.newest_of_episode("ev-") is None
    assert scene.outbox.newest_of_episode('ev-a"') is None
