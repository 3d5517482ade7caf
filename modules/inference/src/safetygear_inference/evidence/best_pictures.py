"""The best picture of each open episode: when another is worth taking, and what is kept in memory. Pure.

Time is passed in: monotonic seconds. What is kept is bounded in bytes; beyond, the picture that has waited longest
goes, counted, and another is taken of its episode when one can be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from safetygear_inference.compliance.best_view import BETTER_BY

MEMORY_BYTES: Final = 32 * 1024 * 1024
EPISODES_KEPT: Final = 4096
"""Beyond any site's; it bounds what a fault could fill."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""Between two looks at an episode: it doubles with each that brought nothing better."""


@dataclass(frozen=True)
class Candidate:
    """A picture that is not on the disk yet."""

    jpeg: bytes
    blurred: bool
    score: float


@dataclass
class _Looked:
    score: float = 0.0
    """Of the best picture taken."""
    next_s: float = float("-inf")
    pause_s: float = FIRST_PAUSE_S
    under_way: bool = False
    candidate: Candidate | None = None


class BestPictures:
    """By episode id."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._episodes: dict[str, _Looked] = {}
        self._bytes = 0
        self.dropped = 0
        """Pictures let go of for want of room, since the start."""

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def worth_looking(self, episode: str, score: float, now_s: float) -> bool:
        """Whether a frame that would give `score` at best is to be looked at; if so, the look is under way."""
        looked = self._episodes.setdefault(episode, _Looked())
        if looked.under_way or now_s < looked.next_s or score <= looked.score * BETTER_BY:
            return False
        looked.under_way = True
        while len(self._episodes) > EPISODES_KEPT:
            self.forget(next(iter(self._episodes)))
        return True

    def better(self, episode: str, score: float) -> bool:
        """Whether a picture of that score would be the best one."""
        looked = self._episodes.get(episode)
        return looked is not None and score > looked.score

    def has_one(self, episode: str) -> bool:
        """Whether a picture was taken of the episode."""
        looked = self._episodes.get(episode)
        return looked is not None and looked.score > 0

    def taken(self, episode: str, candidate: Candidate | None, now_s: float) -> None:
        """The look is over; None: what was seen is no better."""
        looked = self._episodes.get(episode)
        if looked is None:  # it has ended meanwhile
            return
        looked.under_way = False
        if candidate is None or candidate.score <= looked.score:
            looked.next_s, looked.pause_s = now_s + looked.pause_s, min(LONGEST_PAUSE_S, 2 * looked.pause_s)
            return
        self._drop_candidate(looked)
        looked.score, looked.candidate = candidate.score, candidate
        looked.next_s, looked.pause_s = now_s + FIRST_PAUSE_S, FIRST_PAUSE_S
        self._bytes += len(candidate.jpeg)
        # The last one is in line last, so that the longest waiting goes first.
        self._episodes[episode] = self._episodes.pop(episode)
        self._bound()

    def failed(self, episode: str) -> None:
        """The frame was gone, or something failed: the next frame may be looked at."""
        looked = self._episodes.get(episode)
        if looked is not None:
            looked.under_way = False

    def under_way(self, episode: str) -> bool:
        """Whether a look is under way."""
        looked = self._episodes.get(episode)
        return looked is not None and looked.under_way

    def knows(self, episode: str) -> bool:
        """Whether the episode was ever worth a look."""
        return episode in self._episodes

    def to_store(self, episode: str) -> Candidate | None:
        """The best picture, where it is not on the disk yet."""
        looked = self._episodes.get(episode)
        return looked.candidate if looked is not None else None

    def settled(self, episode: str, candidate: Candidate) -> None:
        """It was stored, or can't be: memory is given back."""
        looked = self._episodes.get(episode)
        if looked is not None and looked.candidate is candidate:
            self._drop_candidate(looked)

    def forget(self, episode: str) -> None:
        """The episode is over."""
        looked = self._episodes.pop(episode, None)
        if looked is not None:
            self._drop_candidate(looked)

    def _bound(self) -> None:
        for looked in self._episodes.values():
            if self._bytes <= self._memory_bytes:
                return
            if looked.candidate is not None:
                self._drop_candidate(looked)
                looked.score = 0.0
                self.dropped += 1

    def _drop_candidate(self, looked: _Looked) -> None:
        if looked.candidate is not None:
            self._bytes -= len(looked.candidate.jpeg)
            looked.candidate = None
