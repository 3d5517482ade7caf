"""The module's daily message budget, in IoT Hub's 4 KB blocks. Pure; the wall clock is passed in.

IoT Hub bills each message by begun 4 KB blocks, sets its quota per UTC day, and over quota refuses every message -
events too. So this module keeps to a part of its own:

1. Detections may use `dailyBlocks` less the reserve, spread over the day: at any moment they have used no more than
   (share of the UTC day that has passed + `burstPercent`) of it. A quiet night is saved up for the shift; a busy
   morning can not use up the afternoon.
2. Health may use everything but half of the reserve.
3. Events are always sent, and always counted.

What is over is shed: counted and made visible, never queued.

A clock that is set to another day takes along what this process has counted for the one before: that was the hub's same
day, whatever it was called, and the day that it was called has not come yet, or is over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import Message
from safetygear.messages.health import BudgetHealth
from safetygear_inference.config import BudgetConfig

Kind = Literal["detections", "health", "events", "reported"]

BLOCK_BYTES = 4096
"""Paid tiers' meter: https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling"""
ROUTED_BYTES = 160
"""System properties that edgeHub adds on the way: device id, module id, output name, enqueued time, trace ids."""
DAY_S = 86_400
DAYS_KEPT = 8
"""A wall clock that was wrong must not lose the count of a day to which it comes back."""
SHEDDING_SHOWN_S = 60.0
"""At the pace's limit every other message may pass: the state is shown for this long after a shed one."""


class DayUse(Message, frozen=True, kw_only=True):
    """What one UTC day has used so far."""

    detections_blocks: int = 0
    other_blocks: int = 0
    shed_messages: int = 0


class BudgetRecord(Message, frozen=True, kw_only=True):
    """What a restart must not forget: use by UTC day (`2026-11-24`), oldest first."""

    days: dict[str, DayUse]


def blocks(message: OutgoingMessage) -> int:
    """Blocks that IoT Hub bills for the message: body, system properties' values, application properties."""
    size = len(message.body) + ROUTED_BYTES + len(message.content_type) + len(message.content_encoding)
    size += len(message.message_id or "")
    size += sum(len(name.encode()) + len(value.encode()) for name, value in message.properties.items())
    return blocks_of(size)


def blocks_of(size_bytes: int) -> int:
    """Begun blocks in `size_bytes`, at least one."""
    return max(1, math.ceil(size_bytes / BLOCK_BYTES))


@dataclass(frozen=True)
class _Limits:
    detections_day: float
    """Blocks detections may use by the end of the day."""
    detections_now: float
    """Blocks detections may have used by now."""
    health: float
    """Blocks that all together may have used when a health message goes out."""


class MessageBudget:
    """Counts what is sent and says what may be. `now_s` is the wall clock, seconds since 1970 UTC."""

    def __init__(self, record: BudgetRecord | None = None) -> None:
        self._days: dict[str, DayUse] = {} if record is None else dict(record.days)
        self._last_shed_s: float | None = None
        self._own_day = ""
        self._own = DayUse()
        """Of `_own_day`: what was counted since this process began, or the day did."""

    def clock_set(self, now_s: float) -> None:
        """The wall clock was set; to be called before anything is counted by it."""
        day = _day(now_s)
        if self._own_day in ("", day):
            return
        before = self._own_day
        self._days[before] = _sum(self._days.get(before, DayUse()), self._own, -1)
        self._put(day, _sum(self._days.get(day, DayUse()), self._own, 1))
        self._own_day = day

    def admit(self, kind: Kind, size_blocks: int, *, config: BudgetConfig, now_s: float) -> bool:
        """Whether a message of `size_blocks` may go; if so it is counted, else it is counted as shed."""
        use = self._today(now_s)
        allowed = self.would_admit(kind, size_blocks, config=config, now_s=now_s)
        if not allowed:
            self._last_shed_s = now_s
        more = _with_used(DayUse(), kind, size_blocks) if allowed else DayUse(shed_messages=1)
        self._store(now_s, _sum(use, more, 1))
        if self._own_day != _day(now_s):
            self._own_day, self._own = _day(now_s), DayUse()
        self._own = _sum(self._own, more, 1)
        return allowed

    def would_admit(self, kind: Kind, size_blocks: int, *, config: BudgetConfig, now_s: float) -> bool:
        """The same question without counting anything."""
        use, limits = self._today(now_s), _limits(config, now_s)
        used = use.detections_blocks + use.other_blocks
        if kind == "detections":
            within_pace = use.detections_blocks + size_blocks <= limits.detections_now
            return within_pace and used + size_blocks <= limits.detections_day
        if kind == "health":
            return used + size_blocks <= limits.health
        return True

    def refund(self, kind: Kind, size_blocks: int, counted_s: float) -> None:
        """A message that was counted at `counted_s` was dropped before it was sent: that day has it back."""
        self._store(counted_s, _with_used(self._today(counted_s), kind, -size_blocks))
        if self._own_day == _day(counted_s):
            self._own = _with_used(self._own, kind, -size_blocks)

    def assume_share_used(self, *, config: BudgetConfig, now_s: float) -> None:
        """The record was lost: take the share of the day that has passed as used, rather than nothing."""
        part = config.daily_blocks * (1 - config.reserve_percent / 100)
        self._store(now_s, DayUse(detections_blocks=math.ceil(_share_of_day(now_s) * part)))

    def health(self, *, config: BudgetConfig, now_s: float) -> BudgetHealth:
        """Today's state as it is published. `shedding`: a message was shed within the last minute."""
        use = self._today(now_s)
        recently = self._last_shed_s is not None and abs(now_s - self._last_shed_s) < SHEDDING_SHOWN_S
        return BudgetHealth(
            daily_blocks=config.daily_blocks,
            used_blocks=use.detections_blocks + use.other_blocks,
            shedding=recently,
            shed_messages=use.shed_messages,
        )

    def record(self) -> BudgetRecord:
        """What to store so that a restart goes on counting."""
        return BudgetRecord(days=dict(self._days))

    def _today(self, now_s: float) -> DayUse:
        return self._days.get(_day(now_s), DayUse())

    def _store(self, now_s: float, use: DayUse) -> None:
        self._put(_day(now_s), use)

    def _put(self, day: str, use: DayUse) -> None:
        self._days.pop(day, None)  # the day in use moves to the end: what was used longest ago is forgotten first
        self._days[day] = use
        while len(self._days) > DAYS_KEPT:
            del self._days[next(iter(self._days))]


def _sum(use: DayUse, other: DayUse, sign: Literal[1, -1]) -> DayUse:
    return DayUse(
        detections_blocks=max(0, use.detections_blocks + sign * other.detections_blocks),
        other_blocks=max(0, use.other_blocks + sign * other.other_blocks),
        shed_messages=max(0, use.shed_messages + sign * other.shed_messages),
    )


def _with_used(use: DayUse, kind: Kind, size_blocks: int) -> DayUse:
    if kind == "detections":
        return msgspec.structs.replace(use, detections_blocks=max(0, use.detections_blocks + size_blocks))
    return msgspec.structs.replace(use, other_blocks=max(0, use.other_blocks + size_blocks))


def _limits(config: BudgetConfig, now_s: float) -> _Limits:
    reserve = config.daily_blocks * config.reserve_percent / 100
    part = config.daily_blocks - reserve
    return _Limits(
        detections_day=part,
        detections_now=part * min(1.0, _share_of_day(now_s) + config.burst_percent / 100),
        health=config.daily_blocks - reserve / 2,
    )


def _share_of_day(now_s: float) -> float:
    return (now_s % DAY_S) / DAY_S


def _day(now_s: float) -> str:
    return f"{datetime.fromtimestamp(now_s, UTC):%Y-%m-%d}"
