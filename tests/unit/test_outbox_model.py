"""Any interleaving of appends, acknowledgements, resends, restarts and lost files does what a simple model says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from safetygear.messages.codec import decode, encode
from safetygear.messages.event import EventMessage, EventState, Severity
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.order import Range
from safetygear_inference.outbox.row import ROW_BYTES
from safetygear_inference.outbox.store import EventKey
from support.campaigns import share
from support.outbox import Scene, event

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
KINDS = st.tuples(st.sampled_from(("open", "update", "closed")), st.sampled_from(SEVERITIES))
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""No sync takes time there, and this is no test of the disk."""
Fate = Literal["waiting", "sent", "again", "evicted", "gone"]


@dataclass
class Entry:
    """What must have become of one event."""

    key: EventKey
    name: str
    state: EventState
    severity: Severity
    size_bytes: int
    fate: Fate = "waiting"
    sent_s: float = 0.0

    @property
    def stored(self) -> bool:
        return self.fate in {"waiting", "sent", "again"}

    @property
    def in_line(self) -> bool:
        return self.fate in {"waiting", "again"}


class OutboxMachine(RuleBasedStateMachine):
    @initialize(room_events=st.integers(1, 8), kinds=st.lists(KINDS, min_size=3, max_size=9))
    def start(self, room_events: int, kinds: list[tuple[EventState, Severity]]) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.scene = Scene(Path(self.folder.name))
        self.scene.outbox.config = self.scene.config = OutboxConfig(
            capacity_bytes=room_events * 900, keep_sent_days=1.0
        )
        self.entries: list[Entry] = []
        self.newest: dict[str, int] = {"e1": 0}
        self.epochs = 1
        self.append(kinds)

    def teardown(self) -> None:
        if hasattr(self, "scene"):
            for epoch in sorted(self.newest):
                self._ask_again(epoch, 1, self.newest[epoch] + 1)
            self.scene.outbox.close()
            self.folder.cleanup()

    @rule(kinds=st.lists(KINDS, min_size=1, max_size=3))
    def append(self, kinds: list[tuple[EventState, Severity]]) -> None:
        self.scene.clock.jump_wall_clock(1.0)
        events = [event(f"k{len(self.entries) + i}", state, severity) for i, (state, severity) in enumerate(kinds)]
        sequences = self.scene.outbox.append_all(events, shard="s")
        first = self.newest[self.epoch] + 1
        assert sequences == list(range(first, first + len(kinds)))
        for one, sequence in zip(events, sequences, strict=True):
            key = EventKey(self.epoch, sequence)
            self.newest[self.epoch] = sequence
            self.entries.append(Entry(key, one.dedup_key, one.state, one.severity, _size_bytes(one, key)))
        while sum(entry.size_bytes for entry in self.entries if entry.stored) > self.scene.config.capacity_bytes:
            victim = min((entry for entry in self.entries if entry.stored), key=self._eviction_order)
            victim.fate = "evicted" if victim.fate == "waiting" else "gone"

    @rule(count=st.integers(1, 3))
    def send(self, count: int) -> None:
        for stored in self.scene.outbox.next_unsent(count):
            self._acknowledge(self._entry(stored.key))

    @rule(number=st.integers(0, 200))
    def late_acknowledgement(self, number: int) -> None:
        """Of one that was in flight when it was evicted, or for the second time."""
        self._acknowledge(self.entries[number % len(self.entries)])

    @rule(number=st.integers(0, 200))
    def refuse(self, number: int) -> None:
        entry = self.entries[number % len(self.entries)]
        self.scene.outbox.refused([entry.key])
        if entry.stored:
            entry.fate = "evicted" if entry.fate == "waiting" else "gone"

    @rule(data=st.data(), first=st.integers(1, 20), span=st.integers(0, 20))
    def resend(self, data: st.DataObject, first: int, span: int) -> None:
        self._ask_again(data.draw(st.sampled_from(sorted(self.newest))), first, first + span)

    @rule(hours=st.floats(0.1, 30.0))
    def time_passes(self, hours: float) -> None:
        self.scene.clock.jump_wall_clock(hours * 3600.0)
        while self.scene.outbox.expire():
            pass
        for entry in self.entries:
            if entry.fate == "sent" and entry.sent_s < self.scene.clock.now_s() - 86_400.0:
                entry.fate = "gone"

    @rule(file_lost=st.booleans())
    def restart(self, file_lost: bool) -> None:
        """Or, without a restart, somebody deletes the file in use."""
        self.scene.outbox.health()
        if not file_lost:
            self.scene.restart()
            return
        for file in self.scene.path.parent.iterdir():
            file.unlink()
        self._new_epoch()
        for entry in self.entries:
            if not entry.in_line:
                entry.fate = "gone"

    @rule(ahead=st.integers(-2, 3))
    def somebody_has_seen(self, ahead: int) -> None:
        self.scene.outbox.seen_elsewhere(self.epoch, self.newest[self.epoch] + ahead)
        if ahead > 0:
            self._new_epoch()

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        if not hasattr(self, "scene"):
            return
        line = self.scene.outbox.next_unsent(1000)
        expected = sorted((entry for entry in self.entries if entry.in_line), key=self._sending_order)
        assert [stored.key for stored in line] == [entry.key for entry in expected]
        messages = [decode(stored.body, EventMessage) for stored in line]
        assert [message.dedup_key for message in messages] == [entry.name for entry in expected]
        assert [(m.outbox_epoch, m.event_sequence) for m in messages] == [entry.key for entry in expected]
        health = self.scene.outbox.health()
        assert (health.epoch, health.newest_sequence or 0) == (self.epoch, self.newest[self.epoch])
        assert health.depth == len(expected)
        assert health.size_bytes == sum(entry.size_bytes for entry in self.entries if entry.stored)
        assert health.size_bytes <= health.capacity_bytes

    @property
    def epoch(self) -> str:
        return f"e{self.epochs}"

    def _entry(self, key: EventKey) -> Entry:
        return next(entry for entry in self.entries if entry.key == key)

    def _acknowledge(self, entry: Entry) -> None:
        self.scene.outbox.acknowledged([entry.key, EventKey("other", 1)])
        if entry.in_line:
            entry.fate, entry.sent_s = "sent", self.scene.clock.now_s()
        elif entry.fate == "evicted":
            entry.fate = "gone"

    def _ask_again(self, epoch: str, first: int, last: int) -> None:
        answer = self.scene.outbox.resend(first, last, epoch=epoch)
        wanted = [e for e in self.entries if e.key.epoch == epoch and first <= e.key.sequence <= last]
        assert answer.waiting == sum(entry.in_line for entry in wanted)
        assert answer.queued == sum(entry.fate == "sent" for entry in wanted)
        assert _each(answer.evicted) == [e.key.sequence for e in wanted if e.fate == "evicted"]
        assert _each(answer.not_kept) == [e.key.sequence for e in wanted if e.fate == "gone"]
        assert _each(answer.not_given) == list(range(max(first, self.newest[epoch] + 1), last + 1))
        for entry in wanted:
            if entry.fate == "sent":
                entry.fate = "again"

    def _new_epoch(self) -> None:
        self.epochs += 1
        self.newest[self.epoch] = 0

    def _eviction_order(self, entry: Entry) -> tuple[int, int, bool, int]:
        severity = SEVERITIES.index(entry.severity)
        age = self.entries.index(entry)
        if entry.fate != "waiting":
            return (0 if entry.fate == "sent" else 1, 0, False, age)
        return (2 if entry.state == "update" else 3, severity, entry.state == "closed", age)

    def _sending_order(self, entry: Entry) -> tuple[bool, bool, int, int]:
        age = self.entries.index(entry)
        if entry.fate == "again":
            return (True, False, 0, age)
        return (False, entry.state == "update", -SEVERITIES.index(entry.severity), age)


def _size_bytes(one: EventMessage, key: EventKey) -> int:
    body = encode(msgspec.structs.replace(one, event_sequence=key.sequence, outbox_epoch=key.epoch))
    properties = {
        "schema": one.schema, "camera": one.camera, "shard": "s", "rule": one.rule, "severity": one.severity,
        "state": one.state,
    }  # fmt: skip
    return ROW_BYTES + len(body) + sum(len(name) + len(value) for name, value in properties.items())


def _each(ranges: Iterable[Range]) -> list[int]:
    return [sequence for first, last in ranges for sequence in range(first, last + 1)]


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=share(500), stateful_step_count=25)
