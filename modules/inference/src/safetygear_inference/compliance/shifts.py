"""Whether a shift is on at a time, on the clock of the place: over midnight, and on days with 23 or 25 hours. Pure.

A shift lasts from the first moment at which the place's clock shows its begin (or jumps over it) to the last moment at
which it shows its end: a night on which the clock is put back is an hour longer, one on which it is put forward an hour
shorter, and neither has a hole.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from safetygear_inference.compliance.shift_config import (
    CalendarConfig,
    exception_dates,
    shifts_on,
    span_minutes,
    zone_info,
)

# A place can skip a whole date (Samoa, 2011), and a shift runs into the next day: look one day further than that.
_DAYS_AROUND: Final = range(-3, 4)
_FAR_S: Final = 24 * 3600.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Calendar:
    """One calendar of the twin. Remembers the stretch of time it judged last, so asking per frame costs nothing."""

    def __init__(self, config: CalendarConfig) -> None:
        self._week = config.week
        self._exceptions = exception_dates(config)
        self._zone = zone_info(config.time_zone)
        self._known: tuple[float, float, bool] = (0.0, 0.0, False)

    def active(self, wall_s: float) -> bool:
        """Whether a shift is on at `wall_s` (UTC epoch seconds)."""
        since_s, until_s, on = self._known
        if not since_s <= wall_s < until_s:
            self._known = since_s, until_s, on = self._stretch(wall_s)
        return on

    def until_s(self, wall_s: float) -> float:
        """When `active` changes next, or a time before that: at most a day ahead."""
        self.active(wall_s)
        return self._known[1]

    def spans_s(self, day: date) -> list[tuple[float, float]]:
        """Begin and end (UTC epoch seconds) of the shifts that begin on `day`."""
        midnight = datetime.combine(day, time())
        spans = []
        for shift in shifts_on(day, self._week, self._exceptions):
            begin, end = (midnight + timedelta(minutes=minutes) for minutes in span_minutes(shift))
            span = _first_s(begin, self._zone), _last_s(end, self._zone)
            if span[1] > span[0]:
                spans.append(span)
        return spans

    def _stretch(self, wall_s: float) -> tuple[float, float, bool]:
        """Around `wall_s`: from when, until when, and whether a shift is on."""
        try:
            today = datetime.fromtimestamp(wall_s, self._zone).date()
            days = [today + timedelta(days=offset) for offset in _DAYS_AROUND]
            spans = [span for day in days for span in self.spans_s(day)]
        except (OverflowError, ValueError, OSError):
            # A clock that shows no year of the calendar: watching too much is the lesser mistake.
            return wall_s, wall_s, True
        on = any(begin <= wall_s < end for begin, end in spans)
        edges = [edge for span in spans for edge in span]
        since_s = max((edge for edge in edges if edge <= wall_s), default=wall_s - _FAR_S)
        until_s = min((edge for edge in edges if edge > wall_s), default=wall_s + _FAR_S)
        return max(since_s, wall_s - _FAR_S), min(until_s, wall_s + _FAR_S), on


def active(config: CalendarConfig | None, wall_s: float) -> bool:
    """Whether a shift of `config` is on at `wall_s`; without a calendar it always is."""
    return config is None or Calendar(config).active(wall_s)


def _first_s(local: datetime, zone: ZoneInfo) -> float:
    """The first moment at which the clock shows `local`, or the moment at which it jumps over it."""
    early, late = _folds_s(local, zone)
    return _jump_s(late, early, zone) if late < early else early


def _last_s(local: datetime, zone: ZoneInfo) -> float:
    """The last moment at which the clock shows `local`, or the moment at which it jumps over it."""
    early, late = _folds_s(local, zone)
    return _jump_s(late, early, zone) if late < early else late


def _folds_s(local: datetime, zone: ZoneInfo) -> tuple[float, float]:
    """`local` read with the offset before and after a change; the second is less where the clock skips it."""
    first, second = (_epoch_s(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    return first, second


def _epoch_s(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()


def _jump_s(low_s: float, high_s: float, zone: ZoneInfo) -> float:
    """The moment between the two at which the clock is put forward, to the second."""
    low, high = int(low_s), int(high_s)
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return float(high)
