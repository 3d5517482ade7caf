"""Which numbers of a series that begins at 1 have come, come twice, or not come. Pure, and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_AHEAD = 10_000
"""Numbers kept beyond a gap; with more of them, the oldest gap is counted as missing for good."""


@dataclass
class Series:
    """One series."""

    highest: int = 0
    duplicates: int = 0
    _complete_to: int = 0
    _ahead: set[int] = field(default_factory=set)
    _given_up: int = 0

    def saw(self, number: int) -> bool:
        """Take in a number; False where it has come before (or its gap was given up)."""
        if number <= self._complete_to or number in self._ahead:
            self.duplicates += 1
            return False
        self.highest = max(self.highest, number)
        self._ahead.add(number)
        self._advance()
        if len(self._ahead) > MOST_AHEAD:
            lowest = min(self._ahead)
            self._given_up += lowest - self._complete_to - 1
            self._complete_to = lowest - 1
            self._advance()
        return True

    @property
    def missing(self) -> int:
        """Numbers below the highest that have not come."""
        return self._given_up + self.highest - self._complete_to - len(self._ahead)

    def _advance(self) -> None:
        while self._complete_to + 1 in self._ahead:
            self._complete_to += 1
            self._ahead.remove(self._complete_to)
