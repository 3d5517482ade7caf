"""`$upstream`: where IoT Hub would be. It can be on, off, or answer that the hub's quota is used up."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TextIO

from safetygear.clock import Clock, rfc3339
from safetygear_workbench.edge_runtime.queues import SinkQueue
from safetygear_workbench.edge_runtime.store import Store, StoredMessage, StoreError

State = Literal["on", "off", "quota-exceeded"]
log = logging.getLogger(__name__)
_LONGEST_LINE_BYTES = 2 * 1024 * 1024
LARGEST_FILE_BYTES = 256 * 1024 * 1024
"""Then the file is put aside, in place of the one put aside before: a run of days must not fill the disk."""
TAIL_LENGTH = 1000
"""What a live reader that is slow can fall behind before it loses messages; the file has them all."""


class Upstream:
    """Queues in the store; delivers into a JSON-lines file and to live readers, by priority and arrival."""

    def __init__(
        self,
        store: Store,
        path: Path,
        clock: Clock,
        changed: Callable[[], None],
        *,
        largest_bytes: int = LARGEST_FILE_BYTES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._changed = changed
        self._queue = SinkQueue()
        self._path = path
        self._largest_bytes = largest_bytes
        self._file = _open_lines(path)
        self._tails: list[deque[str]] = []
        self._arrived = asyncio.Event()
        self.state: State = "on"
        self.delivered = 0
        self.expired = 0
        self.refused = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def push(self, message: StoredMessage) -> None:
        self._queue.push(message)

    def set_state(self, state: State) -> None:
        self.state = state
        self.pump()

    def pump(self) -> None:
        """Deliver what can be delivered."""
        if self.state == "quota-exceeded" and len(self._queue):
            self.refused += 1
        while self.state == "on" and (message := self._queue.pop(self._clock.now_s(), self._drop_expired)):
            line = self._line(message)
            self._write(line + "\n")
            self.delivered += 1
            self._store.remove(message.sequence)
            self._changed()
            for tail in self._tails:
                tail.append(line)
            self._arrived.set()
        # Before the store commits that the messages are gone.
        self._write("", flush=True)
        if self._file.tell() >= self._largest_bytes:
            self._put_aside()

    def drop_expired(self) -> None:
        """What has outlived its time while upstream was not there."""
        self._queue.drop_expired(self._clock.now_s(), self._drop_expired)

    def open_tail(self) -> deque[str]:
        """A live reader's own bounded queue of JSON lines; the oldest go first."""
        tail: deque[str] = deque(maxlen=TAIL_LENGTH)
        self._tails.append(tail)
        return tail

    def close_tail(self, tail: deque[str]) -> None:
        self._tails = [other for other in self._tails if other is not tail]

    async def wait(self, timeout_s: float) -> None:
        """Until something was delivered, or the time is over."""
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except TimeoutError:
            return

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as exc:
            self._fail(exc)

    def _write(self, text: str, *, flush: bool = False) -> None:
        try:
            self._file.write(text)
            if flush:
                self._file.flush()
        except OSError as exc:
            raise self._fail(exc) from exc

    def _put_aside(self) -> None:
        aside = self._path.with_suffix(f".old{self._path.suffix}")
        self._file.close()
        try:
            self._path.replace(aside)
            self._file = _open_lines(self._path)
        except OSError as exc:
            raise self._fail(exc) from exc
        log.info("%s has grown to its limit; it goes on empty, what it held is in %s", self._path.name, aside.name)

    def _fail(self, exc: OSError) -> StoreError:
        return self._store.fail(f"{self._path} can't be written any more: {exc.strerror}. Free some space.")

    def _drop_expired(self, message: StoredMessage) -> None:
        self.expired += 1
        self._store.remove(message.sequence)
        self._changed()

    def _line(self, message: StoredMessage) -> str:
        body = self._store.body(message.sequence)
        head = json.loads(message.head)
        record: dict[str, Any] = {
            "enqueuedAt": rfc3339(self._clock.now_s()),
            "moduleId": head["module"],
            "output": head["output"],
            "properties": head["properties"],
            "systemProperties": head["systemProperties"],
        }
        try:
            return _json_line({**record, "body": json.loads(body)})
        except (ValueError, RecursionError):
            # No JSON, or some that a line of UTF-8 can't hold: NaN, half a surrogate pair, a thousand brackets.
            return _json_line({**record, "bodyBase64": base64.b64encode(body).decode()})


def _json_line(record: dict[str, Any]) -> str:
    """Raises ValueError or RecursionError where the record can't be written and read again."""
    line = json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    line.encode()
    return line


def _open_lines(path: Path) -> TextIO:
    """To append. A last line without its end is what a kill left; its message is still in the store, so it goes."""
    if path.is_file():
        with path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _LONGEST_LINE_BYTES)
            file.seek(start)
            whole = file.read().rfind(b"\n") + 1
            if start + whole < size and (whole or not start):
                file.truncate(start + whole)
    return path.open("a", encoding="utf-8")
