"""Which file the outbox works on, and whether its count can be trusted.

A new epoch begins with a new file, with a copy in the file's place, and after damage. What waits in a file that is no
longer the right one moves to the one that is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from safetygear.clock import Clock
from safetygear.messages.codec import MessageError, decode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox.order import RESEND_EVICTION_RANK, RESEND_RANK
from safetygear_inference.outbox.row import row_of
from safetygear_inference.outbox.set_aside import damaged_file, file_away, set_aside
from safetygear_inference.outbox.store import OutboxError, Store, StoredEvent

_UNUSABLE = {"outbox-corrupt", "outbox-other-layout"}


def new_epoch(now_s: float) -> str:
    """Sorts by time, as far as the clock is right, and is unique even where it is not."""
    return f"{datetime.fromtimestamp(now_s, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


class OutboxFile:
    """`on_open` is called with each store that was opened, before it is used; it may raise OutboxError."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        on_open: Callable[[Store], None],
        on_problem: Callable[[str, str], None],
        new_epoch: Callable[[float], str],
    ) -> None:
        self.path = path
        self._clock = clock
        self._on_open = on_open
        self._on_problem = on_problem
        self._new_epoch = new_epoch
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._file_id = 0
        self._displaced: list[Store] = []
        """Open files that no longer stand at the path."""
        self._distrusted: OutboxError | None = None
        """Why the file at the path has to be set aside."""
        self._set_aside_for: OutboxError | None = None
        """Why the last one was, until that has been told."""

    @contextlib.contextmanager
    def opened(self) -> Iterator[Store]:
        """The store, for one call at a time. After an OutboxError it is closed; the next call opens it anew."""
        with self._lock:
            if self._store is not None and self._file_id != _file_id(self.path):
                self._displaced.append(self._store)
                self._store = None
            store = self._store or self._open()
            try:
                yield store
            except OutboxError as exc:
                if exc.code == "outbox-corrupt":
                    self._distrusted = exc  # the check at the opening looks less deep than some statements do
                self._shut()
                raise

    def begin_epoch(self, store: Store) -> None:
        """Inside a transaction."""
        store.add_epoch(self._new_epoch(self._clock.now_s()), 0, self._file_id)

    def close(self) -> None:
        """The next call would open the file again."""
        with self._lock:
            self._shut()

    def _open(self) -> Store:
        try:
            if self._distrusted is not None:
                raise self._distrusted
            store = Store(self.path)
        except OutboxError as exc:
            if exc.code not in _UNUSABLE:
                raise
            self._distrusted = exc
            self._renamed(lambda: set_aside(self.path))
            self._distrusted, self._set_aside_for = None, exc
            store = Store(self.path)
        try:
            self._take_over(store)
            self._on_open(store)
        except BaseException:
            store.close()
            raise
        self._store = store
        return store

    def _take_over(self, store: Store) -> None:
        """Begin a new epoch where the count in the file can't be trusted, and move what waits elsewhere."""
        epochs, self._file_id = store.epochs(), _file_id(self.path)
        copied = bool(epochs) and epochs[-1][2] != self._file_id
        damaged = damaged_file(self.path).exists()
        saved = 0
        if not epochs or copied or damaged or self._displaced:
            with store.writing(synced=True):
                for old in self._displaced:
                    saved += _move_waiting(old, store)
                if damaged:
                    saved += self._move_from_damaged(store)
                self.begin_epoch(store)
        if damaged:
            # From the old process, where this one was killed in between.
            reason = self._set_aside_for or OutboxError("the file was damaged", code="outbox-corrupt")
            self._renamed(lambda: file_away(self.path, self._new_epoch(self._clock.now_s())))
            self._on_problem(
                reason.code, f"{reason}: it was set aside, {saved} waiting events were saved, a new epoch begins"
            )
        elif copied or self._displaced:
            self._on_problem(
                "outbox-replaced",
                f"{self.path} was replaced: {saved} waiting events of the old file were saved, a new epoch begins",
            )
        for old in self._displaced:
            old.close()
        self._displaced.clear()
        self._set_aside_for = None

    def _move_from_damaged(self, store: Store) -> int:
        try:
            old = Store(damaged_file(self.path), damaged=True)
        except OutboxError:
            return 0  # not even its first page can be read
        try:
            return _move_waiting(old, store)
        finally:
            old.close()

    def _renamed(self, rename: Callable[[], None]) -> None:
        try:
            rename()
        except OSError as exc:
            raise OutboxError(f"a damaged outbox file beside {self.path} can't be renamed ({exc.strerror})") from exc

    def _shut(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def _move_waiting(old: Store, new: Store) -> int:
    """Copy what waits in `old` and is sound, with its epochs; how many were new to `new`."""
    newest: Counter[str] = Counter()
    with contextlib.suppress(OutboxError):
        newest.update({name: sequence for name, sequence, _ in old.epochs()})
    saved = 0
    for stored in old.readable():
        row = _checked(stored)
        if row is not None:
            newest[row.key.epoch] = max(newest[row.key.epoch], row.key.sequence)
            saved += new.add(row)
    for name in sorted(newest):
        new.add_epoch(name, newest[name], 0)
    with contextlib.suppress(OutboxError):
        for name in old.kept_names():
            value = old.kept_value(name)
            if value is not None and new.kept_value(name) is None:
                new.keep(name, value)
    return saved


def _checked(stored: StoredEvent) -> StoredEvent | None:
    """The row anew from the message in it; None: the message is not the one the row names."""
    try:
        message = decode(stored.body, EventMessage)
    except MessageError:
        return None
    if (message.outbox_epoch, message.event_sequence) != stored.key:
        return None
    row = row_of(message, shard=stored.properties.get("shard", ""), appended_s=stored.appended_s)
    if stored.send_rank == RESEND_RANK:
        return dataclasses.replace(row, send_rank=RESEND_RANK, eviction_rank=RESEND_EVICTION_RANK)
    return row


def _file_id(path: Path) -> int:
    """The inode; 0: there is no file. The device's number is left out: a restart may change it."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0
