"""Queues, the store and upstream: nothing is acknowledged that is not kept, and what has expired is not delivered."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from safetygear.clock import FakeClock
from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.queues import SinkQueue
from safetygear_workbench.edge_runtime.store import Store, StoredMessage, StoreError
from safetygear_workbench.edge_runtime.upstream import TAIL_LENGTH, Upstream

HEAD = json.dumps({"module": "m", "output": "o", "properties": {"p": "1"}, "systemProperties": {}})


def queued(sequence: int, priority: int = 5, expires_s: float = 100.0) -> StoredMessage:
    return StoredMessage(sequence, "m", "in", priority, expires_s, "head")


def drained(queue: SinkQueue, now_s: float = 0.0) -> tuple[list[int], list[int]]:
    expired: list[int] = []
    taken = []
    while (message := queue.pop(now_s, lambda m: expired.append(m.sequence))) is not None:
        taken.append(message.sequence)
    return taken, expired


def test_a_queue_goes_by_priority_then_arrival_and_a_message_that_came_back_keeps_its_place() -> None:
    queue = SinkQueue()
    for message in (queued(1, 5), queued(2, 0), queued(3, 5), queued(4, 0)):
        queue.push(message)
    first = queue.pop(0.0, lambda m: None)
    assert first is not None and first.sequence == 2
    queue.push(first)
    assert len(queue) == 4
    assert drained(queue) == ([2, 4, 1, 3], [])


def test_a_message_lives_until_its_time_and_not_at_it() -> None:
    queue = SinkQueue()
    for message in (queued(1, expires_s=10.0), queued(2, expires_s=10.1), queued(3, 0, expires_s=5.0)):
        queue.push(message)
    assert drained(queue, 10.0) == ([2], [3, 1])


def test_a_queue_nobody_takes_from_can_be_cleared_of_the_dead() -> None:
    queue, expired = SinkQueue(), []
    for message in (queued(1, expires_s=1.0), queued(2), queued(3, expires_s=2.0), queued(4, 0)):
        queue.push(message)
    queue.drop_expired(2.0, lambda m: expired.append(m.sequence))
    assert (expired, len(queue)) == ([1, 3], 2)
    assert drained(queue) == ([4, 2], [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "hub.sqlite"


def test_what_was_committed_survives_and_what_was_not_does_not(path: Path) -> None:
    store = Store(path)
    kept = store.add("m", "in", 3, 9.5, "head", b"\x00body")
    store.save("module/m", {"key": "k"})
    store.commit()
    store.add("m", "in", 3, 9.5, "head", b"lost")
    store.save("module/n", {})
    # As SIGKILL does: no close, and another process opens the file.
    other = Store(path)
    assert list(other.messages()) == [kept]
    assert other.body(kept.sequence) == b"\x00body"
    assert other.documents("module/") == {"m": {"key": "k"}}
    assert other.load("module/n", "none") == "none"


def test_removing(path: Path) -> None:
    store = Store(path)
    first, second, third = (store.add(module, "in", 1, 1.0, "", b"") for module in ("a", "b", "b"))
    store.save("x", 1)
    store.remove(first.sequence)
    store.delete("x")
    assert [m.sequence for m in store.messages()] == [second.sequence, third.sequence]
    store.forget_module("b")
    store.close()
    reopened = Store(path)
    assert (list(reopened.messages()), reopened.load("x")) == ([], None)
    # A sequence is never used twice: it is the order of arrival.
    assert reopened.add("m", "in", 1, 1.0, "", b"").sequence == third.sequence + 1


def test_its_files_are_private_from_the_start(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    store = Store(path)
    store.save("service-key", "k")
    store.commit()
    files = sorted(path.parent.iterdir())
    assert len(files) > 1
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files)


@pytest.mark.parametrize("content", [b"not a database, but a text of some length" * 50, None])
def test_a_file_that_cannot_be_used_is_one_line(path: Path, content: bytes | None) -> None:
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"store .*hub\.sqlite can't be used"):
        Store(path)


def test_a_file_that_turns_out_damaged_is_one_line(path: Path) -> None:
    store = Store(path)
    store.save("service-key", "k")
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"Z" * (len(content) - 4096))
    with pytest.raises(UserError, match=r"store .*hub\.sqlite can't be used"):  # where depends on sqlite
        damaged = Store(path)
        damaged.load("service-key")


def full_store(path: Path) -> Store:
    """One whose disk is full."""
    store = Store(path)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    return store


def test_on_a_full_disk_nothing_is_committed_any_more(path: Path) -> None:
    store = full_store(path)
    store.add("m", "in", 1, 1.0, "", b"small")
    with pytest.raises(StoreError, match="Free some space"):
        store.add("m", "in", 1, 1.0, "", b"x" * 100_000)
    for call in (store.commit, lambda: store.save("a", 1), lambda: store.remove(1), lambda: store.body(1)):
        with pytest.raises(StoreError):
            call()
    store.close()
    assert list(Store(path).messages()) == []


def test_a_body_that_is_not_there_is_a_failure_and_not_an_empty_message(path: Path) -> None:
    store = Store(path)
    with pytest.raises(StoreError, match="message 7 is not"):
        store.body(7)


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(now_s=1000.0)
        self.store_path = folder / "hub.sqlite"
        self.store = Store(self.store_path)
        self.path = folder / "upstream.jsonl"
        self.upstream = self.open()

    def open(self) -> Upstream:
        return Upstream(self.store, self.path, self.clock, lambda: None)

    def send(self, body: bytes, priority: int = 5, ttl_s: float = 60.0) -> None:
        self.upstream.push(self.store.add("$upstream", "", priority, self.clock.now_s() + ttl_s, HEAD, body))
        self.upstream.pump()

    def received(self) -> list[object]:
        return [json.loads(line)["body"] for line in self.path.read_text().splitlines()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_upstream_writes_what_iot_hub_would_receive(world: World) -> None:
    world.send(b'{"a": "\xc3\xa9"}')
    world.send(b"\xff\xd8 a picture")
    first, second = map(json.loads, world.path.read_text().splitlines())
    assert first == {
        "enqueuedAt": "1970-01-01T00:16:40.000Z", "moduleId": "m", "output": "o", "properties": {"p": "1"},
        "systemProperties": {}, "body": {"a": "é"},
    }  # fmt: skip
    assert second["bodyBase64"] == "/9ggYSBwaWN0dXJl" and "body" not in second
    assert list(world.store.messages()) == []
    assert world.upstream.delivered == 2


@pytest.mark.parametrize(
    # How deep is too deep differs between versions of Python: 5,000 are for 3.11, not for 3.13.
    "body",
    [b'"\\ud800"', b'{"a": NaN}', b"-Infinity", b"[" * 100_000 + b"]" * 100_000, b'{"a": "\xff"}', b"9" * 5000],
)
def test_a_body_that_no_line_can_hold_stops_nothing(world: World, body: bytes) -> None:
    world.send(body)
    world.send(b"2")
    first, second = map(json.loads, world.path.read_text(encoding="utf-8").splitlines())
    assert base64.b64decode(first["bodyBase64"]) == body and "body" not in first
    assert second["body"] == 2
    assert list(world.store.messages()) == [], "nor does it come again after a restart"


def test_a_file_at_its_limit_is_put_aside_and_only_one_is_kept(world: World) -> None:
    world.upstream = Upstream(world.store, world.path, world.clock, lambda: None, largest_bytes=300)
    for number in range(6):
        world.send(b"%d" % number)
    aside = [json.loads(line)["body"] for line in world.path.with_suffix(".old.jsonl").read_text().splitlines()]
    assert (aside, world.received()) == ([3, 4, 5], [])
    assert world.upstream.delivered == 6


async def test_off_and_on_all_within_their_time_arrive_by_priority(world: World) -> None:
    world.upstream.set_state("off")
    for body, priority, ttl_s in ((b"1", 5, 60), (b"2", 0, 60), (b"3", 5, 5), (b"4", 0, 60), (b"5", 5, 60)):
        world.send(body, priority, ttl_s)
    assert (world.upstream.waiting, world.received()) == (5, [])
    await world.clock.advance(5)
    world.upstream.set_state("on")
    assert world.received() == [2, 4, 1, 5]
    assert (world.upstream.delivered, world.upstream.expired, world.upstream.waiting) == (4, 1, 0)


async def test_what_expires_while_off_leaves_the_store(world: World) -> None:
    world.upstream.set_state("off")
    world.send(b"1", ttl_s=5)
    world.send(b"2")
    await world.clock.advance(5)
    world.upstream.drop_expired()
    assert (world.upstream.expired, world.upstream.waiting, len(list(world.store.messages()))) == (1, 1, 1)


def test_a_used_up_quota_refuses_and_nothing_is_lost(world: World) -> None:
    world.upstream.set_state("quota-exceeded")
    world.send(b"1")
    world.send(b"2")
    assert (world.received(), world.upstream.waiting, world.upstream.refused) == ([], 2, 2)
    world.upstream.set_state("on")
    assert world.received() == [1, 2]


def test_after_a_restart_what_waits_is_delivered(world: World) -> None:
    world.upstream.set_state("off")
    world.send(b"1")
    world.store.commit()
    world.upstream.close()
    again = world.open()
    for message in world.store.messages():
        again.push(message)
    again.pump()
    assert world.received() == [1]


@pytest.mark.parametrize("cut", ['{"body": 2, "moduleI', "x"])
@pytest.mark.parametrize("whole", ["", '{"body": 1}\n'])
def test_a_line_that_a_kill_cut_is_removed(world: World, whole: str, cut: str) -> None:
    world.upstream.close()
    world.path.write_text(whole + cut)
    world.upstream = world.open()
    world.send(b"3")
    assert world.received() == ([1, 3] if whole else [3])


def test_where_upstreams_file_is_full_the_message_stays_in_the_store(world: World) -> None:
    world.store.commit()
    world.path = Path("/dev/full")
    world.upstream = world.open()
    message = world.store.add("$upstream", "", 5, 9e9, HEAD, b"1")
    world.store.commit()
    world.upstream.push(message)
    with pytest.raises(StoreError, match="/dev/full can't be written any more: No space left"):
        world.upstream.pump()
    with pytest.raises(StoreError):
        world.store.commit()
    world.store.close()
    assert [m.sequence for m in Store(world.store_path).messages()] == [message.sequence]


def test_live_readers_have_queues_of_their_own_that_lose_the_oldest(world: World) -> None:
    tail, other = world.upstream.open_tail(), world.upstream.open_tail()
    world.send(b"0")
    world.upstream.close_tail(other)
    for number in range(1, TAIL_LENGTH + 1):
        world.send(b"%d" % number)
    assert len(other) == 1
    assert [json.loads(line)["body"] for line in tail] == list(range(1, TAIL_LENGTH + 1))
    assert len(world.received()) == TAIL_LENGTH + 1
