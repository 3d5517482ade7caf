"""Keeps each event from the moment it is appended until some days after the hub has taken it.

A sequence is given in the transaction that stores its event. It counts within an *epoch*: a new one begins where the
count can no longer be trusted - the file was lost, damaged or replaced by a copy - and (epoch, sequence) is never given
twice. A copy is recognised by its inode, and an older state of the same file by what others have seen of the count
(`seen_elsewhere`).
"""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from safetygear.clock import Clock
from safetygear.errors import UserError
from safetygear.hub.port import MAX_BODY_BYTES
from safetygear.messages.codec import MessageError, decode, encode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.file import OutboxFile, new_epoch
from safetygear_inference.outbox.order import Range, as_ranges, without
from safetygear_inference.outbox.row import row_of
from safetygear_inference.outbox.store import EventKey, Store, StoredEvent

MAX_TOMBSTONES = 100_000
"""About 5 MB; the oldest go, and their sequences then count as no longer kept."""
EXPIRED_AT_A_TIME = 500
DAY_S = 86_400.0


@dataclass(frozen=True)
class Resend:
    """What became of a request to send `from..to` of an epoch again."""

    epoch: str
    queued: int
    """Events that were sent before and are in line again."""
    waiting: int
    """Events that were in line anyway."""
    evicted: tuple[Range, ...]
    """Dropped for room before the hub took them: these are lost."""
    not_kept: tuple[Range, ...]
    """The hub has taken them once, and the copies are gone."""
    not_given: tuple[Range, ...]
    """No event has such a sequence yet."""


@dataclass(frozen=True)
class OutboxHealth:
    """Figures for the health message. `evicted` and `copies_dropped` count since the start."""

    epoch: str
    newest_sequence: int | None
    depth: int
    """Events that wait for the hub."""
    size_bytes: int
    capacity_bytes: int
    oldest_age_s: float | None
    """How long the longest waiting new event (no resend) has waited; None: none waits."""
    evicted: dict[str, int]
    """Events lost for want of room, by `events-evicted-<state>-<severity>`."""
    copies_dropped: int
    """Copies of sent events that went before their time, for want of room."""


@dataclass
class _Tally:
    """What a transaction changes beside the file; it counts only when the transaction has been written."""

    waiting: int = 0
    size_bytes: int = 0
    tombstones: int = 0
    copies_dropped: int = 0
    evicted: Counter[str] = field(default_factory=Counter)


class Outbox:
    """Every method blocks for the disk, may be called from any thread, and raises OutboxError.

    After an error nothing of that call is stored, and the next one opens the file anew: it works again as soon as the
    disk does. `on_problem(code, message)`: the file was set aside or replaced (codes `outbox-corrupt`,
    `outbox-other-layout`, `outbox-replaced`), and the outbox goes on with a new epoch. It must not call the outbox.
    """

    def __init__(
        self,
        path: Path,
        config: OutboxConfig,
        clock: Clock,
        *,
        on_problem: Callable[[str, str], None] = lambda code, message: None,
        new_epoch: Callable[[float], str] = new_epoch,
    ) -> None:
        self.config = config
        """May be replaced; holds from the next call on."""
        self._clock = clock
        self._on_problem = on_problem
        self._file = OutboxFile(path, clock, on_open=self._count, on_problem=on_problem, new_epoch=new_epoch)
        self._tally = _Tally()

    def append(self, event: EventMessage, *, shard: str) -> int:
        """Store `event` and return its sequence; then it is on the disk."""
        return self.append_all([event], shard=shard)[0]

    def append_all(
        self, events: Sequence[EventMessage], *, shard: str, keep: Mapping[str, bytes] | None = None
    ) -> list[int]:
        """Store all of `events` or none, with one write to the disk. Their sequence and epoch are set here.

        `keep` is stored by name in the same transaction, for `kept`. Raises UserError for an event that no hub would
        take.
        """
        for event in events:
            _check_size(event)
        with self._file.opened() as store, self._changing(store, synced=True) as tally:
            keys = [self._add(store, tally, event, shard) for event in events]
            self._make_room(store, tally)
            for name, value in (keep or {}).items():
                store.keep(name, value)
        return [key.sequence for key in keys]

    def keep(self, values: Mapping[str, bytes], *, synced: bool = False) -> None:
        """Store some bytes by name beside the events; `synced`: a power cut does not forget them either."""
        with self._file.opened() as store, store.writing(synced=synced):
            for name, value in values.items():
                store.keep(name, value)

    def kept(self, name: str) -> bytes | None:
        """What was kept under `name` last; None: nothing."""
        with self._file.opened() as store:
            return store.kept_value(name)

    def newest_of_episode(self, episode_id: str) -> EventMessage | None:
        """The newest event of this id that is still here, sent or not."""
        with self._file.opened() as store:
            body = store.newest_of_episode(episode_id)
        try:
            return None if body is None else decode(body, EventMessage)
        except MessageError:
            return None

    def next_unsent(self, limit: int, *, exclude: AbstractSet[EventKey] = frozenset()) -> list[StoredEvent]:
        """The next events for the hub, the first first, without those of `exclude` (in flight)."""
        with self._file.opened() as store:
            rows = store.waiting(limit + len(exclude))
            return list(islice((event for event in rows if event.key not in exclude), limit))

    def acknowledged(self, keys: Sequence[EventKey]) -> None:
        """The hub has taken them: they are kept as sent. Keys that are unknown or known as sent change nothing."""
        with self._file.opened() as store, self._changing(store, synced=False) as tally:
            for key in keys:
                tally.waiting -= store.note_sent(key, self._clock.now_s())

    def refused(self, keys: Sequence[EventKey]) -> None:
        """The hub will never take them: they go, and leave a tombstone."""
        with self._file.opened() as store, self._changing(store, synced=False) as tally:
            for key in keys:
                self._evict(store, tally, key)

    def resend(self, first: int, last: int, *, epoch: str | None = None) -> Resend:
        """Put what was sent of `first..last` in line again, after everything new. Raises UserError: unknown epoch."""
        with self._file.opened() as store:
            newest = {name: newest for name, newest, _ in store.epochs()}
            epoch = epoch or list(newest)[-1]
            if epoch not in newest:
                raise UserError(f'epoch: "{epoch}" is none of this outbox.', hint=f"It has {', '.join(newest)}.")
            first, end = max(1, first), min(last, newest[epoch])
            kept, evicted = store.kept(epoch, first, end), as_ranges(store.evicted(epoch, first, end))
            with self._changing(store, synced=True) as tally:
                queued = store.note_wanted_again(epoch, first, end)
                tally.waiting += queued
        known = sorted((*as_ranges(kept), *evicted))
        return Resend(
            epoch=epoch,
            queued=queued,
            waiting=len(kept) - queued,
            evicted=evicted,
            not_kept=without(first, end, known),
            not_given=without(max(first, end + 1), last, ()),
        )

    def expire(self) -> int:
        """Forget some of the copies that are older than `keepSentDays`; 0: no more of them."""
        before_s = self._clock.now_s() - self.config.keep_sent_days * DAY_S
        with self._file.opened() as store:
            with store.writing(synced=False):
                removed = store.remove_sent_before(before_s, EXPIRED_AT_A_TIME)
            if removed:
                self._count(store)
        return removed

    def seen_elsewhere(self, epoch: str, sequence: int) -> None:
        """Somebody knows `sequence` of `epoch` (the module twin does): if that is news, the file is an older state."""
        with self._file.opened() as store:
            name, newest, _ = store.epochs()[-1]
            if name == epoch and newest < sequence:
                with store.writing(synced=True):
                    self._file.begin_epoch(store)
                self._on_problem(
                    "outbox-replaced",
                    f"{self._file.path} is older than what was sent from it (sequence {newest}, seen {sequence}): "
                    "a new epoch begins",
                )

    def health(self) -> OutboxHealth:
        """Figures as they stand."""
        with self._file.opened() as store:
            name, newest, _ = store.epochs()[-1]
            oldest_s = store.oldest_waiting_s()
        return OutboxHealth(
            epoch=name,
            newest_sequence=newest or None,
            depth=self._tally.waiting,
            size_bytes=self._tally.size_bytes,
            capacity_bytes=self.config.capacity_bytes,
            oldest_age_s=None if oldest_s is None else max(0.0, self._clock.now_s() - oldest_s),
            evicted=dict(self._tally.evicted),
            copies_dropped=self._tally.copies_dropped,
        )

    def close(self) -> None:
        """The next call would open the file again."""
        self._file.close()

    def _add(self, store: Store, tally: _Tally, event: EventMessage, shard: str) -> EventKey:
        key = store.next_key()
        numbered = msgspec.structs.replace(event, event_sequence=key.sequence, outbox_epoch=key.epoch)
        row = row_of(numbered, shard=shard, appended_s=self._clock.now_s())
        store.add(row)
        tally.waiting += 1
        tally.size_bytes += row.size_bytes
        return key

    def _make_room(self, store: Store, tally: _Tally) -> None:
        while tally.size_bytes > self.config.capacity_bytes and self._evict(store, tally):
            pass
        over = tally.tombstones - MAX_TOMBSTONES
        if over > 0:
            store.remove_oldest_tombstones(over)
            tally.tombstones -= over

    def _evict(self, store: Store, tally: _Tally, key: EventKey | None = None) -> bool:
        """Remove `key`, or what goes first; False: nothing to remove."""
        candidate = store.candidate(key)
        if candidate is None:
            return False
        store.remove(candidate.key)
        tally.size_bytes -= candidate.size_bytes
        tally.waiting -= candidate.waiting
        if candidate.taken_by_hub:
            tally.copies_dropped += 1
            return True
        store.add_tombstone(candidate.key)
        tally.tombstones += 1
        if key is None:  # the sender counts what the hub refuses
            tally.evicted[f"events-evicted-{candidate.label}"] += 1
        return True

    @contextlib.contextmanager
    def _changing(self, store: Store, *, synced: bool) -> Iterator[_Tally]:
        tally = copy.deepcopy(self._tally)
        with store.writing(synced=synced):
            yield tally
        self._tally = tally

    def _count(self, store: Store) -> None:
        totals = store.totals()
        self._tally.waiting = totals.waiting
        self._tally.size_bytes = totals.size_bytes
        self._tally.tombstones = totals.tombstones


def _check_size(event: EventMessage) -> None:
    size_bytes = len(encode(event)) + 64  # with the epoch and the longest sequence
    if size_bytes > MAX_BODY_BYTES:
        raise UserError(
            f"an event of {size_bytes} bytes can't be sent.",
            hint=f"The limit is {MAX_BODY_BYTES}.",
            code="event-too-large",
        )
