"""Events that have just opened, until a frame shows their people: that frame is worth keeping for a verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from safetygear_inference.compliance.episodes import EpisodeChange
from safetygear_inference.learning.observed import BoxNorm, Observed, union_of

WAITS_S: Final = 3.0
"""For a moment in which nothing else is being made; a later frame may not show what the event is about."""
KEPT: Final = 256


@dataclass(frozen=True)
class Opening:
    """Events that one frame shows."""

    episodes: tuple[str, ...]
    focus_norm: BoxNorm
    """Around their people."""


class Openings:
    """By episode: camera, track, and until when a frame is wanted (monotonic seconds)."""

    def __init__(self) -> None:
        self._wanted: dict[str, tuple[str, str, float]] = {}
        self.missed = 0
        """Events since the start of which no frame could be kept."""

    def note(self, changes: Iterable[EpisodeChange], now_s: float) -> None:
        """What a judged frame has changed."""
        for change in changes:
            if change.state == "open":
                self._wanted[change.id] = change.camera, change.seen_as, now_s + WAITS_S
        # The oldest stand first.
        while self._wanted and (len(self._wanted) > KEPT or now_s > next(iter(self._wanted.values()))[2]):
            del self._wanted[next(iter(self._wanted))]
            self.missed += 1

    def shown_by(self, frame: Observed) -> Opening | None:
        """The events whose people this frame shows; they are not wanted any more then."""
        if not self._wanted:
            return None
        people = {person.track: person.xyxy_norm for person in frame.people}
        shown = {
            episode: people[track]
            for episode, (camera, track, _) in self._wanted.items()
            if camera == frame.camera and track in people
        }
        if not shown:
            return None
        for episode in shown:
            del self._wanted[episode]
        return Opening(tuple(shown), union_of(list(shown.values())))
