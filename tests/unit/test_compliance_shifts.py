"""Shift calendars: weekly table, over midnight, days with 23 and 25 hours, exceptions, and what is wrong with one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.twin.reading import read_desired
from safetygear_inference.compliance.shift_config import CalendarConfig, WeekConfig
from safetygear_inference.compliance.shifts import Calendar, active

BERLIN = "Europe/Berlin"


class Twin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    calendars: dict[str, CalendarConfig] = {}


def calendar(zone: str = "UTC", exceptions: dict[str, list[str]] | None = None, **week: list[str]) -> Calendar:
    desired = {"timeZone": zone, "week": week, "exceptions": exceptions or {}}
    reading = read_desired(Twin, {"calendars": {"site": desired}}, last_good=None)
    assert reading.errors == ()
    return Calendar(reading.config.calendars["site"])


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def hours(judge: Calendar, day: date) -> float:
    return sum(end - begin for begin, end in judge.spans_s(day)) / 3600


EARLY = {"monday": ["06:00-14:00"]}
NIGHT = {"sunday": ["22:00-06:00"]}


@pytest.mark.parametrize(
    ("judge", "utc", "on"),
    [
        (calendar(**EARLY), "2026-11-23T05:59:59.999", False),
        (calendar(**EARLY), "2026-11-23T06:00", True),
        (calendar(**EARLY), "2026-11-23T13:59:59", True),
        (calendar(**EARLY), "2026-11-23T14:00", False),
        (calendar(**EARLY), "2026-11-24T07:00", False),
        (calendar(BERLIN, **EARLY), "2026-11-23T05:00", True),
        (calendar(BERLIN, **EARLY), "2026-07-20T04:00", True),
        (calendar(BERLIN, **EARLY), "2026-07-20T03:59", False),
        # Sunday's night shift is Monday morning's too.
        (calendar(**NIGHT), "2026-11-22T21:59", False),
        (calendar(**NIGHT), "2026-11-22T23:00", True),
        (calendar(**NIGHT), "2026-11-23T05:59", True),
        (calendar(**NIGHT), "2026-11-23T06:00", False),
        (calendar(**NIGHT), "2026-11-22T03:00", False),
        (calendar(monday=["00:00-24:00"]), "2026-11-23T00:00", True),
        (calendar(monday=["00:00-24:00"]), "2026-11-24T00:00", False),
        (calendar(monday=["22:00-00:00"]), "2026-11-23T23:59", True),
        (calendar(monday=["22:00-00:00"]), "2026-11-24T00:00", False),
        (calendar(monday=["06:00-14:00", "14:00-22:00"]), "2026-11-23T14:00", True),
        (calendar(), "2026-11-23T14:00", False),
        # Ahead of UTC by a date, and behind it.
        (calendar("Pacific/Kiritimati", **EARLY), "2026-11-22T16:00", True),
        (calendar("Pacific/Pago_Pago", **EARLY), "2026-11-24T00:59", True),
    ],
)
def test_whether_a_shift_is_on(judge: Calendar, utc: str, on: bool) -> None:
    assert judge.active(at(utc)) is on


@pytest.mark.parametrize(
    ("judge", "utc", "on"),
    [
        (calendar(exceptions={"2026-12-25": []}, friday=["06:00-14:00"]), "2026-12-25T08:00", False),
        (calendar(exceptions={"2026-12-25": []}, friday=["06:00-14:00"]), "2026-12-18T08:00", True),
        (calendar(exceptions={"2026-12-25": ["09:00-11:00"]}, friday=["06:00-14:00"]), "2026-12-25T08:00", False),
        (calendar(exceptions={"2026-12-25": ["09:00-11:00"]}, friday=["06:00-14:00"]), "2026-12-25T10:00", True),
        # A night shift belongs to the day on which it begins.
        (calendar(exceptions={"2026-12-25": []}, thursday=["22:00-06:00"]), "2026-12-25T05:00", True),
        (calendar(exceptions={"2026-12-24": []}, thursday=["22:00-06:00"]), "2026-12-25T05:00", False),
        (calendar(exceptions={"2026-12-26": ["20:00-04:00"]}), "2026-12-27T03:00", True),
    ],
)
def test_exception_dates(judge: Calendar, utc: str, on: bool) -> None:
    assert judge.active(at(utc)) is on


@pytest.mark.parametrize(
    ("zone", "day", "shift", "expected_hours"),
    [
        # 29 March 2026: Berlin's clock jumps from 02:00 to 03:00. 25 October 2026: 02:00 to 03:00 comes twice.
        (BERLIN, "2026-03-29", "00:00-24:00", 23),
        (BERLIN, "2026-10-25", "00:00-24:00", 25),
        (BERLIN, "2026-03-28", "22:00-06:00", 7),
        (BERLIN, "2026-10-24", "22:00-06:00", 9),
        (BERLIN, "2026-10-24", "22:00-02:30", 5.5),
        (BERLIN, "2026-10-25", "02:30-06:00", 4.5),
        (BERLIN, "2026-10-25", "02:15-02:45", 1.5),
        (BERLIN, "2026-03-29", "02:15-02:45", 0),
        (BERLIN, "2026-03-29", "01:30-02:30", 0.5),
        (BERLIN, "2026-03-29", "02:30-04:00", 1),
        (BERLIN, "2026-06-01", "06:00-14:00", 8),
        ("Australia/Lord_Howe", "2026-04-05", "00:00-24:00", 24.5),
        # Cairo jumps at midnight, so the day begins at 01:00.
        ("Africa/Cairo", "2026-04-24", "00:00-24:00", 23),
        # Samoa had no 30 December 2011 at all.
        ("Pacific/Apia", "2011-12-30", "06:00-14:00", 0),
        ("Pacific/Apia", "2011-12-29", "22:00-06:00", 2),
    ],
)
def test_days_on_which_the_clock_is_changed(zone: str, day: str, shift: str, expected_hours: float) -> None:
    judge = calendar(zone, exceptions={day: [shift]})
    assert hours(judge, date.fromisoformat(day)) == expected_hours


def test_a_night_on_which_the_clock_is_put_back_has_no_hole() -> None:
    judge = calendar(BERLIN, saturday=["22:00-02:30"])
    begin = at("2026-10-24T20:00")
    on = [judge.active(begin + 60 * minute) for minute in range(600)]
    assert on.index(False) == 330 and not any(on[330:]), "02:30 shows first at 00:30 UTC, last at 01:30 UTC"


def test_a_shift_that_begins_in_the_hour_that_is_left_out_begins_at_the_jump() -> None:
    judge = calendar(BERLIN, sunday=["02:30-06:00"])
    assert not judge.active(at("2026-03-29T00:59:59"))
    assert judge.active(at("2026-03-29T01:00"))


@pytest.mark.parametrize(
    ("desired", "errors"),
    [
        ({"timeZone": "Europe/Berln"}, [("timeZone", "unknown-time-zone")]),
        ({"timeZone": "Europe"}, [("timeZone", "unknown-time-zone")]),
        ({"timeZone": "../../etc/passwd"}, [("timeZone", "unknown-time-zone")]),
        ({"timeZone": "localtime"}, [("timeZone", "unknown-time-zone")]),
        ({"timeZone": 1}, [("timeZone", "wrong-type")]),
        ({"week": {"monday": ["6:00-14:00"]}}, [("week.monday", "bad-format")]),
        ({"week": {"monday": ["06:00-25:00"]}}, [("week.monday", "bad-format")]),
        ({"week": {"monday": ["24:00-06:00"]}}, [("week.monday", "bad-format")]),
        ({"week": {"monday": "06:00-14:00"}}, [("week.monday", "wrong-type")]),
        ({"week": {"monday": ["06:00-06:00"]}}, [("week.monday", "empty-shift")]),
        ({"week": {"mondy": ["06:00-14:00"]}}, [("week.mondy", "unknown-field")]),
        ({"week": {"monday": ["06:00-14:00", "13:59-20:00"]}}, [("week.monday", "overlapping-shifts")]),
        ({"week": {"monday": ["06:00-14:00", "06:00-14:00"]}}, [("week.monday", "overlapping-shifts")]),
        ({"week": {"monday": ["22:00-06:00"], "tuesday": ["05:00-09:00"]}}, [("week.tuesday", "overlapping-shifts")]),
        ({"week": {"monday": ["05:00-09:00"], "sunday": ["22:00-06:00"]}}, [("week.monday", "overlapping-shifts")]),
        ({"week": {"monday": ["06:00-05:00", "07:00-08:00"]}}, [("week.monday", "overlapping-shifts")]),
        ({"week": {"monday": ["22:00-06:00"], "tuesday": ["06:00-09:00"]}}, []),
        ({"week": {"sunday": ["06:00-05:59"]}}, []),
        ({"exceptions": {"2026-02-30": []}}, [("exceptions.2026-02-30", "bad-format")]),
        ({"exceptions": {"20260203": []}}, [("exceptions.20260203", "bad-format")]),
        ({"exceptions": {"0001-01-01": []}}, [("exceptions.0001-01-01", "bad-format")]),
        ({"exceptions": {"2026-12-25": ["09:00-09:00"]}}, [("exceptions.2026-12-25", "empty-shift")]),
        ({"exceptions": {"2026-12-25": ["09:00-12:00", "11:00-13:00"]}}, [
            ("exceptions.2026-12-25", "overlapping-shifts")]),
        ({"exceptions": {"2026-12-25": ["09:00-12:00"]}, "week": {"thursday": ["22:00-10:00"]}}, [
            ("exceptions.2026-12-25", "overlapping-shifts")]),
        ({"exceptions": {"2026-12-25": [], "2026-12-26": None}}, []),
        ({"exceptions": {"2026-12-25": {}}}, [("exceptions", "wrong-type")]),
    ],
)  # fmt: skip
def test_each_mistake_is_named(desired: dict[str, Any], errors: list[tuple[str, str]]) -> None:
    reading = read_desired(Twin, {"calendars": {"site": desired}}, last_good=None)
    assert [(error.path, error.code) for error in reading.errors] == [
        (f"calendars.site.{path}", code) for path, code in errors
    ]


def test_a_time_zone_nearly_right_is_told() -> None:
    reading = read_desired(Twin, {"calendars": {"site": {"timeZone": "Europe/Berln"}}}, last_good=None)
    assert reading.errors[0].message == "unknown; did you mean Europe/Berlin?"


def test_without_a_calendar_it_is_always_on() -> None:
    assert active(None, 0.0)
    assert not active(CalendarConfig(), 0.0)


@pytest.mark.parametrize("wall_s", [1e300, -1e300, float("inf"), float("nan")])
def test_a_clock_out_of_all_calendars_watches(wall_s: float) -> None:
    assert calendar(**EARLY).active(wall_s)
    judge = calendar(**EARLY)
    judge.active(wall_s)
    assert not judge.active(at("2026-11-24T07:00")), "and is forgotten"


@given(
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.lists(st.integers(-200, 200), max_size=40),
    st.integers(0, 700),
)
def test_what_is_remembered_changes_no_answer(zone: str, steps: list[int], day: int) -> None:
    """Jumping about in time gives what a fresh calendar says."""
    config = CalendarConfig(
        time_zone=zone,
        week=WeekConfig(saturday=("22:00-02:30",), sunday=("02:30-04:00", "12:00-13:00")),
    )
    judge = Calendar(config)
    wall_s = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).timestamp()
    for step in steps:
        wall_s += step * 421.0
        assert judge.active(wall_s) is active(config, wall_s)
        assert judge.until_s(wall_s) > wall_s


@given(st.integers(0, 365 * 24 * 12))
def test_as_the_place_s_own_clock_says_on_ordinary_days(five_minutes: int) -> None:
    """The reference: what the local clock shows, where it is not changed within a day."""
    wall_s = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + 300 * five_minutes
    moment = datetime.fromtimestamp(wall_s, ZoneInfo(BERLIN))
    if len({(moment + timedelta(days=offset)).utcoffset() for offset in (-1, 0, 1)}) > 1:
        return
    clock, weekday = (moment.hour, moment.minute), moment.weekday()
    expected = (weekday in (0, 2) and clock >= (22, 0)) or (weekday in (1, 3) and clock < (6, 0))
    assert calendar(BERLIN, monday=["22:00-06:00"], wednesday=["22:00-06:00"]).active(wall_s) is expected
