"""What holds for every stream of events at the hub, whatever was killed or cut in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from safetygear.messages.event import EventMessage


def episodes(events: Iterable[EventMessage]) -> dict[str, list[EventMessage]]:
    """By id, each message once, in the order of the sequence."""
    found: dict[str, dict[str, EventMessage]] = defaultdict(dict)
    for event in sorted(events, key=lambda one: one.event_sequence):
        found[event.id].setdefault(event.dedup_key, event)
    return {name: list(messages.values()) for name, messages in found.items()}


def missing(events: Iterable[EventMessage]) -> list[tuple[int, int]]:
    """Ranges of sequences below the newest that have not arrived, of one epoch: what a reader asks for again."""
    numbers = sorted({event.event_sequence for event in events})
    return [
        (before + 1, after - 1) for before, after in zip([0, *numbers], numbers, strict=False) if after > before + 1
    ]


def check_stream(events: list[EventMessage]) -> None:
    """One epoch, no gap, and each episode opens once, is updated, and closes once at the most."""
    assert len({event.outbox_epoch for event in events}) == 1
    assert missing(events) == []
    of_sequence: dict[int, str] = {}
    for event in events:
        assert of_sequence.setdefault(event.event_sequence, event.dedup_key) == event.dedup_key, (
            "a sequence given twice"
        )
    for messages in episodes(events).values():
        states = [message.state for message in messages]
        assert states[0] == "open", states
        assert states.count("open") == 1
        assert "closed" not in states[:-1]
