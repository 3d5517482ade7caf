"""The account of what IoT Hub has received. Pure: records and times are passed in.

A record is one message as the stand-in writes it: {enqueuedAt, moduleId, output, properties, systemProperties, body}.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safetygear.clock import epoch_s
from safetygear.messages.codec import MessageError, decode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.event import EventMessage
from safetygear.messages.health import HealthMessage
from safetygear_workbench.simulation.sequences import Series

Record = Mapping[str, Any]
Known = DetectionsMessage | EventMessage | HealthMessage
_KINDS: dict[str, type[Known]] = {
    "safetygear.detections/1": DetectionsMessage,
    "safetygear.event/1": EventMessage,
    "safetygear.health/1": HealthMessage,
}
LATENCIES_KEPT = 200_000
"""The newest; eleven hours of one camera at 5 fps."""
IDS_KEPT = 10_000
RUNS_KEPT = 1_000
"""Series of inference's starts and cameras; the oldest are closed."""


@dataclass(frozen=True)
class Message:
    """One message, read. `known` is None for a message that is not of ours, or that its type refuses."""

    record: Record
    kind: str
    """detections, event, health, invalid, or the output's name of what is not ours."""
    known: Known | None
    again: bool
    """It has come before."""
    problem: str = ""
    """Why it is invalid."""


@dataclass
class Received:
    """Counts of everything that came since the start."""

    by_kind: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    unreadable: int = 0
    first_detection_s: float | None = None
    """Monotonic, seconds."""
    opened: Counter[str] = field(default_factory=Counter)
    """Episodes that opened, by rule; a message that came again counts once. So do the closed ones, by reason."""
    closed: Counter[str] = field(default_factory=Counter)
    still_open: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Ids of episodes that have opened and not closed."""
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    _series: OrderedDict[str, Series] = field(default_factory=OrderedDict)
    _ids: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _events: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Dedup keys."""
    _closed_missing: int = 0
    _closed_analysed: int = 0

    def take(self, record: Record, now_s: float) -> Message:
        """Count a message; how it is to be shown."""
        schema = str(record.get("properties", {}).get("schema", ""))
        expected = _KINDS.get(schema)
        if expected is None:
            kind, known, problem = str(record.get("output") or "message"), None, ""
        else:
            kind, known, problem = _read(record, schema, expected)
        again = self._seen_before(record, known)
        self.by_kind[kind] += 1
        self.duplicates += again
        if isinstance(known, DetectionsMessage):
            if self.first_detection_s is None:
                self.first_detection_s = now_s
            if not again:
                self.latencies_ms.append(known.latency_ms.total)
        elif isinstance(known, EventMessage):
            self._event(known)
        return Message(record, kind, known, again, problem)

    def _event(self, event: EventMessage) -> None:
        """By the episode, not by the message: after a restart one may come again under another sequence."""
        if event.dedup_key in self._events:
            return
        self._events[event.dedup_key] = None
        if len(self._events) > IDS_KEPT:
            self._events.popitem(last=False)
        if event.state == "open":
            self.opened[event.rule] += 1
            self.still_open[event.id] = None
        elif event.state == "closed":
            self.closed[str(event.close_reason)] += 1
            self.still_open.pop(event.id, None)

    @property
    def missing(self) -> int:
        """Detections messages that did not come though a later one of their camera did. Policy `all`: none should."""
        return self._closed_missing + sum(series.missing for series in self._series.values())

    @property
    def analysed(self) -> int:
        """Frames analysed, as far as the messages' sequence numbers tell."""
        return self._closed_analysed + sum(series.highest for series in self._series.values())

    def latency_ms(self, percent: int) -> float | None:
        """Capture to message, by nearest rank; None where nothing came."""
        if not self.latencies_ms:
            return None
        ordered = sorted(self.latencies_ms)
        return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 1)

    def _seen_before(self, record: Record, known: Known | None) -> bool:
        message_id = str(record.get("systemProperties", {}).get("messageId", ""))
        if not message_id:
            return False
        if isinstance(known, DetectionsMessage):
            run = message_id.removesuffix(f"-{known.sequence}")
            series = self._series.get(run)
            if series is None:
                series = self._series[run] = Series()
                if len(self._series) > RUNS_KEPT:
                    _, oldest = self._series.popitem(last=False)
                    self._closed_missing += oldest.missing
                    self._closed_analysed += oldest.highest
            return not series.saw(known.sequence)
        if message_id in self._ids:
            return True
        self._ids[message_id] = None
        if len(self._ids) > IDS_KEPT:
            self._ids.popitem(last=False)
        return False


def _read(record: Record, schema: str, expected: type[Known]) -> tuple[str, Known | None, str]:
    kind = schema.removeprefix("safetygear.").partition("/")[0]
    try:
        # The type is the schema: what it can't hold is not to count as received.
        return kind, decode(json.dumps(record.get("body")).encode(), expected), ""
    except MessageError as exc:
        return "invalid", None, str(exc)


def captured_s(message: DetectionsMessage) -> float:
    """When the frame was taken, seconds since 1970 UTC; 0 where that can't be read."""
    try:
        return epoch_s(message.captured_at)
    except ValueError:
        return 0.0
