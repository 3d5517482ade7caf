"""Working hours as the twin writes them: a weekly table, exception dates and a time zone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta

DAY_MINUTES: Final = 24 * 60
_FORM: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
# The operating system's own choice and a placeholder: they say different things on different machines.
_NO_PLACE: Final = frozenset({"localtime", "Factory", "posixrules"})

Shift = Annotated[str, Meta(pattern=_FORM, examples=["06:00-14:00"])]
Shifts = Annotated[tuple[Shift, ...], Meta(max_length=12, examples=[["06:00-14:00", "22:00-06:00"]])]


class WeekConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The shifts that begin on each day, `HH:MM-HH:MM`; one that ends before it begins runs into the next day."""

    monday: Annotated[Shifts, Meta(description="Shifts that begin on a Monday.")] = ()
    tuesday: Annotated[Shifts, Meta(description="Shifts that begin on a Tuesday.")] = ()
    wednesday: Annotated[Shifts, Meta(description="Shifts that begin on a Wednesday.")] = ()
    thursday: Annotated[Shifts, Meta(description="Shifts that begin on a Thursday.")] = ()
    friday: Annotated[Shifts, Meta(description="Shifts that begin on a Friday.")] = ()
    saturday: Annotated[Shifts, Meta(description="Shifts that begin on a Saturday.")] = ()
    sunday: Annotated[Shifts, Meta(description="Shifts that begin on a Sunday.")] = ()

    @property
    def days(self) -> tuple[Shifts, ...]:
        """Monday first, as `date.weekday()` counts."""
        return (self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday)


class CalendarConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """When a zone's rules are in force."""

    time_zone: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            examples=["Europe/Berlin"],
            description="IANA name of the place whose clock the table means, e.g. `Europe/Berlin`.",
        ),
    ] = "UTC"
    week: WeekConfig = WeekConfig()
    exceptions: Annotated[
        dict[str, Shifts | None],
        Meta(
            max_length=200,
            examples=[{"2026-12-25": []}],
            description="Dates with other shifts, by `YYYY-MM-DD`; an empty list is a day off. A shift belongs to the "
            "day on which it begins.",
        ),
    ] = msgspec.field(default_factory=dict)

    def check(self) -> Iterator[tuple[str, str, str]]:
        """What no single field's type can say."""
        if not is_time_zone(self.time_zone):
            near = difflib.get_close_matches(self.time_zone, _time_zones(), n=1)
            hint = f"did you mean {near[0]}?" if near else "an IANA name such as Europe/Berlin is right"
            yield "timeZone", "unknown-time-zone", f"unknown; {hint}"
        empty = [path for path, shift in self._shifts() if shift[:5] == shift[6:]]
        for path in empty:
            yield path, "empty-shift", "a shift ends at another time than it begins; a whole day is 00:00-24:00"
        dates: dict[date, Shifts] = {}
        for text, shifts in self.exceptions.items():
            day = _as_date(text)
            if day is None:
                yield f"exceptions.{text[:20]}", "bad-format", "must be a date, YYYY-MM-DD"
            elif shifts is not None:
                dates[day] = shifts
        if not empty:
            yield from _overlaps_of_week(self.week)
            yield from _overlaps_of_dates(self.week, dates)

    def _shifts(self) -> Iterator[tuple[str, str]]:
        for info, shifts in zip(msgspec.structs.fields(WeekConfig), self.week.days, strict=True):
            yield from ((f"week.{info.encode_name}", shift) for shift in shifts)
        for text, other in self.exceptions.items():
            yield from ((f"exceptions.{text[:20]}", shift) for shift in other or ())


def span_minutes(shift: Shift) -> tuple[int, int]:
    """Begin and end in minutes from the day's local midnight; the end of an overnight shift is above 1440."""
    begin, end = ((int(text[:2]) * 60 + int(text[3:])) for text in shift.split("-"))
    return begin, end if end > begin else end + DAY_MINUTES


def is_time_zone(name: str) -> bool:
    """Whether the time zone data has a place of that name."""
    return name in _time_zones()


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACE


def zone_info(name: str) -> ZoneInfo:
    """The time zone of a name that `is_time_zone` takes."""
    return ZoneInfo(name)


def shifts_on(day: date, week: WeekConfig, exceptions: Mapping[date, Shifts]) -> Shifts:
    """The shifts that begin on `day`."""
    return exceptions.get(day, week.days[day.weekday()])


def exception_dates(config: CalendarConfig) -> dict[date, Shifts]:
    """The exceptions by date."""
    dated = ((_as_date(text), shifts) for text, shifts in config.exceptions.items())
    return {day: shifts for day, shifts in dated if day is not None and shifts is not None}


def _as_date(text: str) -> date | None:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # Room for the day before and the day after.
    return day if date.min < day < date.max else None


def _overlaps_of_week(week: WeekConfig) -> Iterator[tuple[str, str, str]]:
    names = [info.encode_name for info in msgspec.structs.fields(WeekConfig)]
    spans = sorted(
        (index * DAY_MINUTES + begin, index * DAY_MINUTES + end, index, shift)
        for index, shifts in enumerate(week.days)
        for shift in shifts
        for begin, end in [span_minutes(shift)]
    )
    if not spans:
        return
    first = spans[0]
    # Sunday's night shift may run into Monday's first one.
    again = (first[0] + 7 * DAY_MINUTES, first[1] + 7 * DAY_MINUTES, *first[2:])
    latest = spans[0]
    for span in [*spans[1:], again]:
        if span[0] < latest[1]:
            other = f"{latest[3]} of {names[latest[2]]}"
            yield f"week.{names[span[2]]}", "overlapping-shifts", f"{span[3]} overlaps {other}"
        if span[1] > latest[1]:
            latest = span


def _overlaps_of_dates(week: WeekConfig, dates: Mapping[date, Shifts]) -> Iterator[tuple[str, str, str]]:
    for day in dates:
        around = [day + timedelta(days=offset) for offset in (-1, 0, 1)]
        spans = sorted(
            (offset * DAY_MINUTES + begin, offset * DAY_MINUTES + end, other, shift)
            for offset, other in zip((-1, 0, 1), around, strict=True)
            for shift in shifts_on(other, week, dates)
            for begin, end in [span_minutes(shift)]
        )
        for (_, end, before, earlier), (begin, _, after, later) in pairwise(spans):
            if begin < end and day in (before, after):
                path = f"exceptions.{day.isoformat()}"
                yield path, "overlapping-shifts", f"{later} of {after} overlaps {earlier} of {before}"
