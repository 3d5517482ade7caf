"""What the module twin keeps of the outbox's count, so that a start finds out that its file is an older state. Pure.

A snapshot of the whole disk that is brought back has the same inode and an older count: without this, sequences would
be given twice, and a reader would take new events for ones it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from safetygear.hub.port import Json
from safetygear_inference.outbox.outbox import OutboxHealth

REPORTED: Final = "outbox"
"""The reported property."""
TOLD_EVERY_S: Final = 600.0
"""Each change of a reported property is a message of the hub's quota. A file that is older by less than this is not
noticed here; a reader sees it by sequences that come twice with other dedup keys."""


@dataclass(frozen=True)
class SeenSequence:
    """Somebody has seen event `sequence` of `epoch`."""

    epoch: str
    sequence: int


def seen_in(reported: Mapping[str, Json]) -> SeenSequence | None:
    """What the module twin's reported half says; None: nothing that can be used."""
    told = reported.get(REPORTED)
    if not isinstance(told, Mapping):
        return None
    epoch, sequence = told.get("epoch"), told.get("newestSequence")
    if not isinstance(epoch, str) or isinstance(sequence, bool) or not isinstance(sequence, int) or sequence < 1:
        return None
    return SeenSequence(epoch, sequence)


class NewestReport:
    """The reported property, which changes at once with the epoch and else seldom. `now_s` never goes back."""

    def __init__(self) -> None:
        self._told: SeenSequence | None = None
        self._told_s = 0.0

    def update(self, health: OutboxHealth | None, now_s: float) -> None:
        """The outbox as it is now; None: it could not be asked yet."""
        if health is None or health.newest_sequence is None:
            return
        newest = SeenSequence(health.epoch, health.newest_sequence)
        if self._told is None or self._told.epoch != newest.epoch or now_s - self._told_s >= TOLD_EVERY_S:
            self._told, self._told_s = newest, now_s

    def as_document(self) -> dict[str, Json] | None:
        """None: nothing is known yet."""
        return None if self._told is None else {"epoch": self._told.epoch, "newestSequence": self._told.sequence}
