"""Which of a stream's video tracks is analysed. Pure: monotonic seconds passed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SILENT_AFTER_S: Final = 2.0
"""A track of which nothing came for so long after PLAY, while another one sends, sends nothing."""


class Tracks:
    """The first of which the size of the pictures is known, or that can be decoded at all; and where nothing of it
    comes, the first other one that sends.

    One that has sent something is kept: where it falls silent, it is the next connection that looks anew.
    """

    def __init__(
        self,
        size_known: Sequence[bool],
        has_decoder: Sequence[bool],
        now_s: float,
        *,
        silent_after_s: float = SILENT_AFTER_S,
    ) -> None:
        """By track, of which there is one at least; those of known size have a decoder. `now_s`: they begin to play."""
        self.chosen = [*_where(size_known), *_where(has_decoder), 0][0]
        self._has_decoder = has_decoder
        self._began_s = now_s
        self._silent_after_s = silent_after_s
        self._came = False

    def takes(self, track: int, now_s: float) -> bool:
        """Whether a packet of `track` is one of the chosen track; by it, it may have become that."""
        if track != self.chosen:
            if self._came or not self._has_decoder[track] or now_s - self._began_s < self._silent_after_s:
                return False
            self.chosen = track
        self._came = True
        return True


def _where(so: Sequence[bool]) -> list[int]:
    return [number for number, is_so in enumerate(so) if is_so]
