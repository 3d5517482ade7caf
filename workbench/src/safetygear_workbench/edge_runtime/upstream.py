"""`$upstream`: where IoT Hub would be. It can be on, off, or answer that the hub's quota is used up."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TextIO

from safetygear.clock import Clock, rfc3339
from safetygear_workbench.edge_runtime.queues import SinkQueue
from safetygear_workbench.edge_runtime.store import Store, StoredMessage

State = Literal["on", "off", "quota-exceeded"]
TAIL_LENGTH = 1000
"""What a live reader that is slow can fall behind before it loses messages; the file has them all."""


class Upstream:
    """Queues in the store; delivers into a JSON-lines file and to live readers, by priority and arrival."""

    def __init__(self, store: Store, path: Path, clock: Clock, changed: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._changed = changed
        self._queue = SinkQueue()
        self._file: TextIO = path.open("a", encoding="utf-8")
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
            self._file.write(line + "\n")
            self.delivered += 1
            self._store.remove(message.sequence)
            self._changed()
            for tail in self._tails:
                tail.append(line)
            self._arrived.set()
        self._file.flush()

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
        self._file.close()

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
            record["body"] = json.loads(body)
        except ValueError:
            record["bodyBase64"] = base64.b64encode(body).decode()
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False)
