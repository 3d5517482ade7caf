"""Person-seconds compliant, violating and indeterminate, per zone and hour, and how often an event was right. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from safetygear.messages.codec import Message
from safetygear.messages.detections import Status

HOUR_S: Final = 3600
HOURS_KEPT: Final = 49
"""Two days and the hour that runs."""
EVENTS_KEPT: Final = 10_000
"""Verdicts: of the newest events."""
Verdict = Literal["true", "false", "unsure"]


class KpiHour(Message, frozen=True, kw_only=True):
    """One zone in one UTC hour."""

    camera: str
    zone: str
    hour_s: int
    """The hour's begin, UTC epoch seconds."""
    compliant_s: float = 0.0
    """Person-seconds; so are the next two."""
    violating_s: float = 0.0
    indeterminate_s: float = 0.0

    @property
    def compliance(self) -> float | None:
        """Compliant person-seconds of those that could be judged, 0..1; None where none could."""
        judged_s = self.compliant_s + self.violating_s
        return self.compliant_s / judged_s if judged_s > 0 else None


class KpiVerdict(Message, frozen=True, kw_only=True):
    """What a person said of one event."""

    id: str
    camera: str
    zone: str
    verdict: Verdict
    note: str = ""


class KpiState(Message, frozen=True, kw_only=True):
    """All of it in a file."""

    hours: tuple[KpiHour, ...] = ()
    verdicts: tuple[KpiVerdict, ...] = ()


class ComplianceKpi:
    """Kept for HOURS_KEPT hours per zone; the oldest hour goes first, by the clock it was counted under."""

    def __init__(self, state: KpiState | None = None) -> None:
        self._hours: dict[tuple[str, str, int], KpiHour] = {}
        self._verdicts: dict[str, KpiVerdict] = {}
        if state is not None:
            self.take_over(state)

    def add(self, camera: str, zone: str, status: Status, seconds: float, wall_s: float) -> None:
        """One person was seen in the zone with this status for `seconds` until `wall_s`."""
        key = (camera, zone, int(wall_s // HOUR_S) * HOUR_S)
        row = self._hours.get(key)
        if row is None:
            row = KpiHour(camera=camera, zone=zone, hour_s=key[2])
            self._drop_oldest(camera, zone)
        match status:
            case "compliant":
                row = msgspec.structs.replace(row, compliant_s=row.compliant_s + seconds)
            case "violation":
                row = msgspec.structs.replace(row, violating_s=row.violating_s + seconds)
            case _:
                row = msgspec.structs.replace(row, indeterminate_s=row.indeterminate_s + seconds)
        self._hours[key] = row

    def judge(self, episode_id: str, camera: str, zone: str, verdict: Verdict, note: str = "") -> None:
        """A person has looked at the event; a later verdict replaces an earlier one."""
        self._verdicts.pop(episode_id, None)
        self._verdicts[episode_id] = KpiVerdict(id=episode_id, camera=camera, zone=zone, verdict=verdict, note=note)
        if len(self._verdicts) > EVENTS_KEPT:
            del self._verdicts[next(iter(self._verdicts))]

    def verdict(self, episode_id: str) -> Verdict | None:
        """What a person last said of the event; None: nothing, or it is long ago."""
        said = self._verdicts.get(episode_id)
        return said.verdict if said is not None else None

    def hours(self) -> tuple[KpiHour, ...]:
        """Every zone and hour, by camera, zone and time."""
        return tuple(self._hours[key] for key in sorted(self._hours))

    def hour(self, wall_s: float) -> tuple[KpiHour, ...]:
        """Every zone in the hour of `wall_s`, as far as somebody was seen there, by camera and zone."""
        hour_s = int(wall_s // HOUR_S) * HOUR_S
        return tuple(self._hours[key] for key in sorted(key for key in self._hours if key[2] == hour_s))

    def precision(self, camera: str | None = None, zone: str | None = None) -> float | None:
        """Events said to be true of those said to be true or false; None where nobody said anything."""
        said = [
            row.verdict
            for row in self._verdicts.values()
            if (camera is None or row.camera == camera) and (zone is None or row.zone == zone)
        ]
        right, wrong = said.count("true"), said.count("false")
        return right / (right + wrong) if right + wrong else None

    def take_over(self, state: KpiState) -> None:
        """Add what an earlier process has counted; what was counted since then stays."""
        for row in state.hours:
            key = (row.camera, row.zone, row.hour_s)
            now = self._hours.get(key)
            self._hours[key] = row if now is None else _added(row, now)
        verdicts = {said.id: said for said in state.verdicts}
        self._verdicts = verdicts | self._verdicts

    def snapshot(self) -> KpiState:
        """For a file."""
        return KpiState(hours=self.hours(), verdicts=tuple(self._verdicts.values()))

    def _drop_oldest(self, camera: str, zone: str) -> None:
        known = sorted(key for key in self._hours if key[:2] == (camera, zone))
        for key in known[: max(0, len(known) - HOURS_KEPT + 1)]:
            del self._hours[key]


def _added(one: KpiHour, other: KpiHour) -> KpiHour:
    return msgspec.structs.replace(
        one,
        compliant_s=one.compliant_s + other.compliant_s,
        violating_s=one.violating_s + other.violating_s,
        indeterminate_s=one.indeterminate_s + other.indeterminate_s,
    )
