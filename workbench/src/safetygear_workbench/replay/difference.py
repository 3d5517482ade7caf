"""Which episodes two configurations make of one recording differ, and how. Pure.

Track ids mean nothing across configurations. Two episodes are about the same thing where camera, zone and rule are the
same and both have boxes of the recording in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safetygear.clock import rfc3339
from safetygear_workbench.replay.judging import ReplayedEpisode

Value = Any
"""Of an episode's document."""


@dataclass(frozen=True)
class Changed:
    """One episode under both configurations. `fields`: by wire name, what the first and the second say."""

    first: ReplayedEpisode
    second: ReplayedEpisode
    fields: dict[str, tuple[Value, Value]]


@dataclass(frozen=True)
class Difference:
    """What is only in the first, only in the second, in both but otherwise, and how many are the same."""

    only_first: tuple[ReplayedEpisode, ...]
    only_second: tuple[ReplayedEpisode, ...]
    changed: tuple[Changed, ...]
    same: int


def difference(first: Sequence[ReplayedEpisode], second: Sequence[ReplayedEpisode]) -> Difference:
    """Compare what two configurations make of the same recording."""
    pairs = _pairs(first, second)
    partner = dict(pairs)
    taken = set(partner.values())
    both = [(one, second[partner[row]]) for row, one in enumerate(first) if row in partner]
    changed = tuple(Changed(one, other, fields) for one, other in both if (fields := _fields(one, other)))
    return Difference(
        only_first=tuple(one for row, one in enumerate(first) if row not in partner),
        only_second=tuple(one for row, one in enumerate(second) if row not in taken),
        changed=changed,
        same=len(both) - len(changed),
    )


def _pairs(first: Sequence[ReplayedEpisode], second: Sequence[ReplayedEpisode]) -> list[tuple[int, int]]:
    """Rows of those that are about the same thing, one to one, the most boxes in common first."""
    by_place: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row, episode in enumerate(second):
        by_place[_place(episode)].append(row)
    candidates = sorted(
        (-len(one.sightings & second[other].sightings), row, other)
        for row, one in enumerate(first)
        for other in by_place[_place(one)]
    )
    pairs: list[tuple[int, int]] = []
    used_first: set[int] = set()
    used_second: set[int] = set()
    for shared, row, other in candidates:
        if shared and row not in used_first and other not in used_second:
            used_first.add(row)
            used_second.add(other)
            pairs.append((row, other))
    return pairs


def _place(episode: ReplayedEpisode) -> tuple[str, str, str]:
    return episode.opened.camera, episode.opened.zone, episode.opened.rule


def _fields(first: ReplayedEpisode, second: ReplayedEpisode) -> dict[str, tuple[Value, Value]]:
    one, other = _compared(first), _compared(second)
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def _compared(episode: ReplayedEpisode) -> dict[str, Value]:
    closed_s = episode.newest.closed_at_s
    return {
        "severity": episode.opened.severity,
        "openedAt": rfc3339(episode.opened.opened_at_s),
        "closedAt": None if closed_s is None else rfc3339(closed_s),
        "reason": episode.opened.reason,
        "closeReason": episode.newest.close_reason,
    }
