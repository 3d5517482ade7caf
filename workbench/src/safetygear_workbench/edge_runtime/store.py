"""What must survive the hub process: queued messages, twins, sessions and keys, in one sqlite file of mode 0600.

Nothing is acknowledged before `commit`. After the first failure (a full disk) every call fails, so that nothing is
acknowledged that is not kept; the hub then ends, and its restart finds what was committed.
WAL with synchronous=NORMAL loses no commit when the process is killed; a power cut may cost the last ones, which is
more than a stand-in has to promise.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetygear.errors import SafetyGearError, UserError

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS message (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, module TEXT NOT NULL, input TEXT NOT NULL, priority INTEGER NOT NULL,
    expires_s REAL NOT NULL, head TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS document (name TEXT PRIMARY KEY, content TEXT NOT NULL);
"""


class StoreError(SafetyGearError):
    """Nothing can be kept any more: the hub has to end."""

    default_code = "store-failed"


@dataclass(frozen=True)
class StoredMessage:
    """A queued message without its body. `head` is what the sink needs beside the body."""

    sequence: int
    module: str
    input: str
    priority: int
    expires_s: float
    head: str


class Store:
    """Raises UserError where the file can't be used at the start, StoreError where it can't be used any more."""

    def __init__(self, path: Path) -> None:
        self.failure: StoreError | None = None
        """The first failure."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Keys are in it: nobody else may read it from its first byte on.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            self._path = path
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise _unusable(path, exc) from exc
        self._open = False

    def add(self, module: str, input_: str, priority: int, expires_s: float, head: str, body: bytes) -> StoredMessage:
        """Queue a message; durable after the next `commit`."""
        with self._writing():
            cursor = self._db.execute(
                "INSERT INTO message (module, input, priority, expires_s, head, body) VALUES (?, ?, ?, ?, ?, ?)",
                (module, input_, priority, expires_s, head, body),
            )
        assert cursor.lastrowid is not None
        return StoredMessage(cursor.lastrowid, module, input_, priority, expires_s, head)

    def body(self, sequence: int) -> bytes:
        """A queued message's body."""
        with self._guarded():
            row = self._db.execute("SELECT body FROM message WHERE sequence = ?", (sequence,)).fetchone()
        if row is None:
            raise self.fail(f"message {sequence} is not in the hub's store")
        return bytes(row[0])

    def remove(self, sequence: int) -> None:
        with self._writing():
            self._db.execute("DELETE FROM message WHERE sequence = ?", (sequence,))

    def forget_module(self, module: str) -> None:
        """Remove what is queued for a module."""
        with self._writing():
            self._db.execute("DELETE FROM message WHERE module = ?", (module,))

    def messages(self) -> Iterator[StoredMessage]:
        """Everything queued, oldest first."""
        with self._reading():
            rows = self._db.execute(
                "SELECT sequence, module, input, priority, expires_s, head FROM message ORDER BY sequence"
            ).fetchall()
        for row in rows:
            yield StoredMessage(*row)

    def save(self, name: str, content: Any) -> None:
        """Keep a JSON document; durable after the next `commit`."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO document VALUES (?, ?)", (name, json.dumps(content)))

    def delete(self, name: str) -> None:
        with self._writing():
            self._db.execute("DELETE FROM document WHERE name = ?", (name,))

    def load(self, name: str, default: Any = None) -> Any:
        with self._reading():
            row = self._db.execute("SELECT content FROM document WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def documents(self, prefix: str) -> dict[str, Any]:
        """All documents whose name begins with `prefix`, keyed by the rest of the name."""
        with self._reading():
            rows = self._db.execute("SELECT name, content FROM document ORDER BY name").fetchall()
        return {name[len(prefix) :]: json.loads(content) for name, content in rows if name.startswith(prefix)}

    def commit(self) -> None:
        """Make durable what was written since the last one. Raises StoreError; then it is not."""
        with self._guarded():
            if self._open:
                self._db.execute("COMMIT")
                self._open = False

    def fail(self, message: str) -> StoreError:
        """From now on nothing is written; the error to raise."""
        self.failure = self.failure or StoreError(message)
        return self.failure

    def close(self) -> None:
        """Commit, unless something has failed."""
        try:
            if self.failure is None:
                self.commit()
        finally:
            self._db.close()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        if self.failure is not None:
            raise self.failure
        try:
            yield
        except sqlite3.Error as exc:
            raise self.fail(f"the hub's store can't be written any more: {exc}. Free some space.") from exc

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise _unusable(self._path, exc) from exc

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guarded():
            if not self._open:
                self._db.execute("BEGIN")
                self._open = True
            yield


def _unusable(path: Path, exc: Exception) -> UserError:
    return UserError(
        f"the hub's store {path} can't be used: {exc}.",
        hint="Choose another --state folder, or free some space.",
    )
