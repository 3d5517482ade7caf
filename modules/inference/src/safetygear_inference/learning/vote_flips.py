"""People whose gear is voted worn and then not, or the other way round: either it happened, or the model is unsure of
them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from safetygear_inference.judging.observation import Gear
from safetygear_inference.learning.observed import Observed, Wish

TRACKS_KEPT: Final = 2048
"""Of all cameras; the one that was seen longest ago is forgotten first."""


@dataclass
class _Track:
    worn: dict[Gear, bool] = field(default_factory=dict)
    flips: int = 0


class VoteFlips:
    """Keeps the last known state of every track's gear."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}

    def look(self, frame: Observed) -> list[Wish]:
        """The people whose votes have flipped with this frame; the more often, the higher the score."""
        wishes = []
        for person in frame.people:
            key = frame.camera, person.track
            track = self._tracks.pop(key, None) or _Track()
            self._tracks[key] = track
            flips = track.flips
            for gear, state in person.gear.items():
                # Unknown is no opinion, and a helmet in the hand is none on the head.
                if state != "unknown":
                    track.flips += track.worn.get(gear, state == "worn") != (state == "worn")
                    track.worn[gear] = state == "worn"
            if track.flips > flips:
                wishes.append(Wish("vote-flip", 1 - 0.5**track.flips, person.xyxy_norm))
        while len(self._tracks) > TRACKS_KEPT:
            del self._tracks[next(iter(self._tracks))]
        return wishes
