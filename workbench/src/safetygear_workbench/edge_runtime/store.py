"""What must survive the hub process: queued messages, twins, sessions and keys, in one sqlite file of mode 0600.

Nothing is acknowledged before `commit`. WAL with synchronous=NORMAL loses no commit when the process is killed; a power
cut may cost the last ones, which is more than a stand-in has to promise.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetygear.errors import UserError

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS message (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, module TEXT NOT NULL, input TEXT NOT NULL, priority INTEGER NOT NULL,
    expires_s REAL NOT NULL, head TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS document (name TEXT PRIMARY KEY, content TEXT NOT NULL);
"""


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
    """Raises UserError where the file can't be used."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Keys are in it: nobody else may read it from its first byte on.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise UserError(
                f"the hub's store {path} can't be used: {exc}.",
                hint="Choose another --state folder, or free some space.",
            ) from exc
        self._open = False

    def add(self, module: str, input_: str, priority: int, expires_s: float, head: str, body: bytes) -> StoredMessage:
        """Queue a message; durable after the next `commit`."""
        self._begin()
        cursor = self._db.execute(
            "INSERT INTO message (module, input, priority, expires_s, head, body) VALUES (?, ?, ?, ?, ?, ?)",
            (module, input_, priority, expires_s, head, body),
        )
        assert cursor.lastrowid is not None
        return StoredMessage(cursor.lastrowid, module, input_, priority, expires_s, head)

    def body(self, sequence: int) -> bytes:
        """A queued message's body."""
        row = self._db.execute("SELECT body FROM message WHERE sequence = ?", (sequence,)).fetchone()
        return bytes(row[0]) if row else b""

    def remove(self, sequence: int) -> None:
        self._begin()
        self._db.execute("DELETE FROM message WHERE sequence = ?", (sequence,))

    def messages(self) -> Iterator[StoredMessage]:
        """Everything queued, oldest first."""
        rows = self._db.execute(
            "SELECT sequence, module, input, priority, expires_s, head FROM message ORDER BY sequence"
        )
        for row in rows.fetchall():
            yield StoredMessage(*row)

    def save(self, name: str, content: Any) -> None:
        """Keep a JSON document; durable after the next `commit`."""
        self._begin()
        self._db.execute("INSERT OR REPLACE INTO document VALUES (?, ?)", (name, json.dumps(content)))

    def load(self, name: str, default: Any = None) -> Any:
        row = self._db.execute("SELECT content FROM document WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def documents(self, prefix: str) -> dict[str, Any]:
        """All documents whose name begins with `prefix`, keyed by the rest of the name."""
        rows = self._db.execute("SELECT name, content FROM document ORDER BY name").fetchall()
        return {name[len(prefix) :]: json.loads(content) for name, content in rows if name.startswith(prefix)}

    def commit(self) -> None:
        if self._open:
            self._db.execute("COMMIT")
            self._open = False

    def close(self) -> None:
        self.commit()
        self._db.close()

    def _begin(self) -> None:
        if not self._open:
            self._db.execute("BEGIN")
            self._open = True
