"""Events as the rules would make them, and an outbox over a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from safetygear.clock import FakeClock
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage, EventState, Severity
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.outbox import Outbox

T = TypeVar("T")

_MODEL = ModelIdentity(name="m", version="1", sha256="0" * 64)


def event(
    name: str = "a", state: EventState = "update", severity: Severity = "low", *, reason: str = "no helmet"
) -> EventMessage:
    """Without its sequence and epoch: the outbox sets them. `name` becomes the dedup key."""
    return EventMessage(
        id=f"ev-{name}",
        event_sequence=0,
        outbox_epoch="",
        dedup_key=name,
        rule="no-helmet",
        severity=severity,
        state=state,
        camera="gate",
        zone="yard",
        track="7",
        opened_at="2026-11-25T09:14:01.050Z",
        updated_at="2026-11-25T09:14:03.250Z",
        reason=reason,
        confidence=0.9,
        model=_MODEL,
        config_hash="c",
    )


class Scene:
    """An outbox whose file may be closed and opened again; epochs are e1, e2, …"""

    def __init__(self, folder: Path, *, capacity_bytes: int = 1024 * 1024, keep_sent_days: float = 30.0) -> None:
        self.path = folder / "outbox" / "outbox.sqlite"
        self.clock = FakeClock()
        self.config = OutboxConfig(capacity_bytes=capacity_bytes, keep_sent_days=keep_sent_days)
        self.problems: list[str] = []
        self._epochs = 0
        self.outbox = self._open()

    def restart(self) -> None:
        self.outbox.close()
        self.outbox = self._open()

    def append(self, name: str, state: EventState = "update", severity: Severity = "low", *, reason: str = "r") -> int:
        return self.outbox.append(event(name, state, severity, reason=reason), shard="default")

    def unsent(self, limit: int = 1000) -> list[int]:
        """Sequences in the order in which they would be sent."""
        return [stored.key.sequence for stored in self.outbox.next_unsent(limit)]

    def acknowledge(self, *sequences: int) -> None:
        self.outbox.acknowledged([s.key for s in self.outbox.next_unsent(1000) if s.key.sequence in sequences])

    def _open(self) -> Outbox:
        return Outbox(
            self.path,
            self.config,
            self.clock,
            on_problem=lambda code, message: self.problems.append(code),
            new_epoch=self._new_epoch,
        )

    def _new_epoch(self, now_s: float) -> str:
        del now_s
        self._epochs += 1
        return f"e{self._epochs}"


async def inline(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """In place of a thread, whose pace a fake clock does not know."""
    return function(*args, **kwargs)
