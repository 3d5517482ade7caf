"""The outbox's file: rows and transactions. Nothing is decided here; the only file that imports sqlite3.

WAL. A transaction that gives a sequence is written with synchronous=FULL: it is on the disk before anybody hears of
it, or a power cut could bring back an older count and give the same sequence to another event. One that only notes
what the hub has taken is written with NORMAL: a power cut may forget it, and the event is sent a second time.
The file is locked for as long as it is open (no shared memory then, which a full disk could take away under us).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetygear.errors import SafetyGearError
from safetygear.synced_files import sync_folder
from safetygear_inference.outbox.order import COPY_EVICTION_RANK, RESEND_EVICTION_RANK, RESEND_RANK, SEND_RANKS

BUSY_S = 2.0
"""For the last process's lock, which goes with it."""
MAX_WAL_PAGES = 256
"""1 MB. A longer log would hold room on a volume that has become full, where nothing can be moved out of it."""
_APPLICATION_ID = 0x53474F42  # "SGOB"
_LAYOUT = 1
_SCHEMA = f"""
CREATE TABLE epoch (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, newest INTEGER NOT NULL,
    file_id INTEGER NOT NULL);
CREATE TABLE event (
    row INTEGER PRIMARY KEY, epoch TEXT NOT NULL, sequence INTEGER NOT NULL, send_rank INTEGER,
    eviction_rank INTEGER NOT NULL, label TEXT NOT NULL, size_bytes INTEGER NOT NULL, appended_s REAL NOT NULL,
    sent_s REAL, properties TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (epoch, sequence));
CREATE INDEX by_send_rank ON event (send_rank, row) WHERE send_rank IS NOT NULL;
CREATE INDEX by_eviction_rank ON event (eviction_rank, row);
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE tombstone (row INTEGER PRIMARY KEY, epoch TEXT NOT NULL, sequence INTEGER NOT NULL,
    UNIQUE (epoch, sequence));
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_LAYOUT};
"""
_COLUMNS = "epoch, sequence, label, send_rank, eviction_rank, size_bytes, appended_s, properties, body"


class OutboxError(SafetyGearError):
    """The outbox can't be used just now; what it has acknowledged stays.

    Codes: `data-full`, `data-missing`, `data-unwritable`, `outbox-locked`, `outbox-corrupt`, `outbox-other-layout`.
    """

    default_code = "data-unwritable"


class EventKey(NamedTuple):
    """Names an event for ever: no other one gets the same sequence in the same epoch."""

    epoch: str
    sequence: int


@dataclass(frozen=True)
class StoredEvent:
    """An event as it was appended: a resend has the same bytes."""

    key: EventKey
    label: str
    """`<state>-<severity>`, for counters."""
    send_rank: int | None
    """None: the hub has taken it."""
    eviction_rank: int
    size_bytes: int
    appended_s: float
    properties: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Candidate:
    """The event that is next to be evicted."""

    key: EventKey
    label: str
    waiting: bool
    taken_by_hub: bool
    size_bytes: int


class Totals(NamedTuple):
    """What is in the file."""

    events: int
    waiting: int
    size_bytes: int
    tombstones: int


class Store:
    """An open file. Every method raises OutboxError; after one, close it and open it again."""

    def __init__(self, path: Path, *, damaged: bool = False) -> None:
        """`damaged`: only to see what can still be read of it."""
        self._path = path
        with _mapped(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            new = not path.exists()
            # From its first byte on for nobody else: who broke which rule where is nobody's business.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            if new:
                sync_folder(path.parent)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        try:
            with _mapped(path):
                self._configure()
                if not damaged:
                    self._check()
        except BaseException:
            self._db.close()
            raise

    def _configure(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {MAX_WAL_PAGES}")
        self._db.execute(f"PRAGMA journal_size_limit = {MAX_WAL_PAGES * 4096}")
        self._db.execute("PRAGMA synchronous = FULL")

    def _check(self) -> None:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        (application,), (layout,) = (
            self._db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        if (application, layout) != (_APPLICATION_ID, _LAYOUT):
            raise OutboxError(
                f"{self._path} is no outbox of this version (layout {layout}, not {_LAYOUT})",
                code="outbox-other-layout",
            )
        (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise OutboxError(f"{self._path} is damaged: {verdict}", code="outbox-corrupt")

    def close(self) -> None:
        """Errors are of no interest any more: what was committed is in the file."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def writing(self, *, synced: bool) -> Iterator[None]:
        """All or nothing. `synced`: on the disk when it returns, not only safe from the end of the process."""
        with _mapped(self._path):
            self._db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # sqlite rolls back by itself after some errors
                    self._db.execute("ROLLBACK")
                raise

    # Epochs

    def epochs(self) -> list[tuple[str, int, int]]:
        """`(name, newest sequence, the file's identity)`, oldest first; the last one is in force."""
        return [tuple(row) for row in self._rows("SELECT name, newest, file_id FROM epoch ORDER BY number")]

    def add_epoch(self, name: str, newest: int, file_id: int) -> None:
        """Put a new epoch in force, or raise a known one's count."""
        self._rows(
            "INSERT INTO epoch (name, newest, file_id) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET newest = max(newest, excluded.newest)",
            (name, newest, file_id),
        )

    def next_key(self) -> EventKey:
        """Count one further in the epoch in force."""
        ((name, newest),) = self._rows(
            "UPDATE epoch SET newest = newest + 1 WHERE number = (SELECT max(number) FROM epoch) RETURNING name, newest"
        )
        return EventKey(name, newest)

    # Events

    def add(self, event: StoredEvent) -> bool:
        """False: it is here already."""
        values = (
            *event.key,
            event.label,
            event.send_rank,
            event.eviction_rank,
            event.size_bytes,
            event.appended_s,
            json.dumps(dict(event.properties)),
            event.body,
        )
        statement = f"INSERT OR IGNORE INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row"
        return bool(self._rows(statement, values))

    def waiting(self, limit: int) -> Iterator[StoredEvent]:
        """What the hub is to get, the first first; -1: all."""
        for row in self._rows(
            f"SELECT {_COLUMNS} FROM event WHERE send_rank IS NOT NULL ORDER BY send_rank, row LIMIT ?", (limit,)
        ):
            yield _event(row)

    def readable(self) -> Iterator[StoredEvent]:
        """What waits in a damaged file, until the first row that can't be read. Raises nothing."""
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
            for row in self._db.execute(
                f"SELECT {_COLUMNS} FROM event NOT INDEXED WHERE send_rank IS NOT NULL ORDER BY row"
            ):
                yield _event(row)

    def note_sent(self, key: EventKey, now_s: float) -> bool:
        """False: it was not waiting. An event that was evicted in flight has got there all the same."""
        self._rows("DELETE FROM tombstone WHERE epoch = ? AND sequence = ?", key)
        return bool(
            self._rows(
                "UPDATE event SET send_rank = NULL, eviction_rank = ?, sent_s = ?"
                " WHERE epoch = ? AND sequence = ? AND send_rank IS NOT NULL RETURNING row",
                (COPY_EVICTION_RANK, now_s, *key),
            )
        )

    def note_wanted_again(self, epoch: str, first: int, last: int) -> int:
        """Put sent ones in line again; how many."""
        return len(
            self._rows(
                "UPDATE event SET send_rank = ?, eviction_rank = ?"
                " WHERE epoch = ? AND sequence BETWEEN ? AND ? AND send_rank IS NULL RETURNING row",
                (RESEND_RANK, RESEND_EVICTION_RANK, epoch, first, last),
            )
        )

    def kept(self, epoch: str, first: int, last: int) -> list[int]:
        """Sequences whose event is here, ascending."""
        return self._sequences("event", epoch, first, last)

    def candidate(self, key: EventKey | None = None) -> Candidate | None:
        """The event `key`, or the one to evict next; None: there is none."""
        which = "ORDER BY eviction_rank, row LIMIT 1" if key is None else "WHERE epoch = ? AND sequence = ?"
        for epoch, sequence, label, rank, eviction_rank, size_bytes in self._rows(
            f"SELECT epoch, sequence, label, send_rank, eviction_rank, size_bytes FROM event {which}", key or ()
        ):
            taken = eviction_rank <= RESEND_EVICTION_RANK
            return Candidate(EventKey(epoch, sequence), label, rank is not None, taken, size_bytes)
        return None

    def remove(self, key: EventKey) -> None:
        self._rows("DELETE FROM event WHERE epoch = ? AND sequence = ?", key)

    def remove_sent_before(self, before_s: float, limit: int) -> int:
        """Forget copies of events that were sent before `before_s`, at most `limit`; how many."""
        return len(
            self._rows(
                "DELETE FROM event WHERE row IN (SELECT row FROM event WHERE eviction_rank = ? AND sent_s < ? LIMIT ?)"
                " RETURNING row",
                (COPY_EVICTION_RANK, before_s, limit),
            )
        )

    def newest_of_episode(self, episode_id: str) -> bytes | None:
        """The body of the newest event whose id is this; None: there is none. Looks through every row."""
        wanted = b'"id":' + json.dumps(episode_id).encode()
        for (body,) in self._rows(
            "SELECT body FROM event WHERE instr(body, ?) > 0 ORDER BY row DESC LIMIT 1", (wanted,)
        ):
            return bytes(body)
        return None

    # What is kept beside the events

    def keep(self, name: str, value: bytes) -> None:
        self._rows("INSERT OR REPLACE INTO kept (name, value) VALUES (?, ?)", (name, value))

    def kept_value(self, name: str) -> bytes | None:
        """None: there never was one."""
        for (value,) in self._rows("SELECT value FROM kept WHERE name = ?", (name,)):
            return bytes(value)
        return None

    def kept_names(self) -> list[str]:
        return [name for (name,) in self._rows("SELECT name FROM kept ORDER BY name")]

    # Tombstones

    def add_tombstone(self, key: EventKey) -> None:
        self._rows("INSERT OR IGNORE INTO tombstone (epoch, sequence) VALUES (?, ?)", key)

    def remove_oldest_tombstones(self, count: int) -> None:
        self._rows("DELETE FROM tombstone WHERE row IN (SELECT row FROM tombstone ORDER BY row LIMIT ?)", (count,))

    def evicted(self, epoch: str, first: int, last: int) -> list[int]:
        """Sequences with a tombstone, ascending."""
        return self._sequences("tombstone", epoch, first, last)

    # Figures

    def totals(self) -> Totals:
        """Counts every row: for the opening, not for every call."""
        ((events, waiting, size_bytes),) = self._rows(
            "SELECT count(*), count(send_rank), coalesce(sum(size_bytes), 0) FROM event"
        )
        ((tombstones,),) = self._rows("SELECT count(*) FROM tombstone")
        return Totals(events, waiting, size_bytes, tombstones)

    def oldest_waiting_s(self) -> float | None:
        """Wall clock at which the longest waiting new event was appended; None: none waits."""
        # One look into the index per rank: a scan of a full outbox would take 75 ms.
        oldest = " UNION ALL ".join("SELECT min(row) FROM event WHERE send_rank = ?" for _ in SEND_RANKS)
        ((oldest_s,),) = self._rows(f"SELECT min(appended_s) FROM event WHERE row IN ({oldest})", SEND_RANKS)
        return None if oldest_s is None else float(oldest_s)

    def _sequences(self, table: str, epoch: str, first: int, last: int) -> list[int]:
        rows = self._rows(
            f"SELECT sequence FROM {table} WHERE epoch = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
            (epoch, first, last),
        )
        return [sequence for (sequence,) in rows]

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with _mapped(self._path):
            return self._db.execute(statement, values).fetchall()


def _event(row: tuple[Any, ...]) -> StoredEvent:
    epoch, sequence, label, rank, eviction_rank, size_bytes, appended_s, properties, body = row
    key = EventKey(epoch, sequence)
    return StoredEvent(key, label, rank, eviction_rank, size_bytes, appended_s, json.loads(properties), bytes(body))


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise _sqlite_error(exc, path) from exc
    except OSError as exc:
        raise _os_error(exc, path) from exc


def _sqlite_error(exc: sqlite3.Error, path: Path) -> OutboxError:
    name = str(getattr(exc, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return OutboxError(f"{path} is damaged: {exc}", code="outbox-corrupt")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return OutboxError(
            f"{path} is in use by another process: give each inference module a data folder of its own",
            code="outbox-locked",
        )
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and _no_space(path)):
        return _full(path)
    return OutboxError(f"{path} can't be used ({exc}): the data volume's disk may be failing or read-only")


def _os_error(exc: OSError, path: Path) -> OutboxError:
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(path)
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return OutboxError(
            f"the data folder {path.parent.parent} is missing: mount a volume there, or set SAFETYGEAR_DATA_DIR",
            code="data-missing",
        )
    return OutboxError(
        f"{path} can't be opened ({exc.strerror}): give the module's user write access to {path.parent.parent}"
    )


def _full(path: Path) -> OutboxError:
    return OutboxError(
        f"no space left to write {path}: free some, or enlarge the data volume; events wait in memory", code="data-full"
    )


def _no_space(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < 64 * 1024
    except OSError:
        return False
