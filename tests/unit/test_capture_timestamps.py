"""Time of a frame: sound media time, the camera's clock or ours, and how far behind we are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_capture.timestamps import (
    CAMERA_AHEAD_S,
    CAMERA_BACK_S,
    CAMERA_BEHIND_S,
    JUMP_S,
    LAG_BEGINS_S,
    SHOWN_S,
    SLOW,
    STILL_S,
    TRUST_AGAIN_S,
    CaptureClock,
    CapturedAt,
    LagMeter,
    PtsValidator,
)

NOW_S = 1_764_000_000.0


def looks(validator: PtsValidator, *pairs: tuple[float | None, float]) -> list[bool]:
    return [validator.look(pts_s, at_s) for pts_s, at_s in pairs]


@pytest.mark.parametrize(
    ("pairs", "jumps"),
    [
        ([(0.0, 0.0), (0.04, 0.04), (0.08, 0.08)], 0),
        ([(0.0, 0.0), (0.04, 5.0), (0.08, 5.001)], 0),  # a burst after a network hang
        ([(0.0, 0.0), (4.0, 9.0), (8.0, 9.001), (12.0, 12.0)], 0),  # the same, of key frames alone
        ([(0.0, 0.0), (4.0, 9.0), (8.0, 9.001), (15.0, 12.0)], 1),
        ([(0.08 * n, 0.04 * n) for n in range(200)], 0),  # a clock that runs twice as fast
        ([(0.0, 0.0), (JUMP_S, 0.04)], 0),
        ([(0.0, 0.0), (JUMP_S + 0.05, 0.04)], 1),
        ([(0.0, 0.0), (10.0, 10.0)], 0),  # the camera paused, and its time went on
        ([(10.0, 0.0), (9.96, 0.04)], 1),
        ([(10.0, 0.0), (3610.0, 0.04), (3610.04, 0.08), (10.1, 0.12)], 2),
        ([(None, 0.0), (5.0, 0.04), (None, 0.08), (5.08, 0.12)], 0),
    ],
)
def test_media_time_that_jumps(pairs: list[tuple[float | None, float]], jumps: int) -> None:
    validator = PtsValidator()
    assert sum(looks(validator, *pairs)) == jumps
    assert validator.jumps == jumps
    assert validator.reason(pairs[-1][1]) == ("timestamps-jump" if jumps else None)


def test_a_jump_is_shown_for_a_while() -> None:
    validator = PtsValidator()
    looks(validator, (0.0, 0.0), (100.0, 1.0), (100.04, 1.04))
    assert [validator.reason(1.0 + s) for s in (0.0, SHOWN_S - 0.1, SHOWN_S)] == ["timestamps-jump"] * 2 + [None]


def test_media_time_that_stands_still() -> None:
    validator = PtsValidator()
    looks(validator, (7.0, 0.0), (7.0, STILL_S - 0.1))
    assert validator.reason(STILL_S) is None, "two fields of a picture share a time"
    looks(validator, (7.0, STILL_S))
    assert validator.reason(STILL_S) == "timestamps-stand-still"
    looks(validator, (7.04, STILL_S + 0.04))
    assert validator.reason(STILL_S + 0.04) is None


def test_two_pictures_with_one_time_stand_still_at_no_frame_rate() -> None:
    validator = PtsValidator()
    looks(validator, (0.0, 0.0), (0.0, 1.0))
    assert validator.reason(1.0) is None, "a camera that sends one picture a second, from RTP timestamp 0 on"
    looks(validator, (1.0, 2.0), (1.0, 3.0), (1.0, 4.0))
    assert validator.reason(4.0) == "timestamps-stand-still"


def test_a_jump_is_found_after_hours_with_a_camera_that_counts_too_few_pictures() -> None:
    validator = PtsValidator()
    assert not any(looks(validator, *((n * 0.98, n * 1.0) for n in range(10_000))))
    assert validator.late_s < 0.1
    assert validator.look(10_000 * 0.98 + JUMP_S + 1, 10_000.0)


def test_how_late_a_frame_is() -> None:
    validator, late_s = PtsValidator(), []
    for pts_s, at_s in ((0.0, 0.2), (0.04, 0.24), (0.08, 9.28), (9.0, 9.3), (100.0, 9.4), (100.1, 9.6)):
        validator.look(pts_s, at_s)
        late_s.append(round(validator.late_s, 2))
    assert late_s == pytest.approx([0.0, 0.0, 9.0 * (1 - SLOW), 0.0, 0.0, 0.1], abs=0.011)


def test_a_frame_that_is_late_says_nothing_against_the_cameras_clock() -> None:
    clock = CaptureClock()
    taken_s = NOW_S - 9.1
    assert clock.judge(taken_s, NOW_S, 10.0, sound=True, late_s=9.0) == CapturedAt(taken_s, "rtcp")
    assert clock.judge(NOW_S - 0.1, NOW_S, 10.0, sound=True, late_s=9.0).clock == "rtcp", "media time that runs slow"
    assert clock.judge(taken_s, NOW_S, 10.0, sound=True, late_s=1.0).reason == "camera-clock-off"


def test_no_frames_at_all_is_not_standing_still() -> None:
    validator = PtsValidator()
    looks(validator, (7.0, 0.0))
    assert validator.reason(100.0) is None


@pytest.mark.parametrize(
    ("age_s", "clock", "reason"),
    [
        (0.05, "rtcp", None),
        (CAMERA_BEHIND_S, "rtcp", None),
        (CAMERA_BEHIND_S + 0.1, "arrival", "camera-clock-off"),
        (-CAMERA_AHEAD_S, "rtcp", None),
        (-CAMERA_AHEAD_S - 0.1, "arrival", "camera-clock-off"),
        (3600.0, "arrival", "camera-clock-off"),
    ],
)
def test_the_cameras_clock_is_used_while_it_can_be_right(age_s: float, clock: str, reason: str | None) -> None:
    captured = CaptureClock().judge(NOW_S - age_s, NOW_S, 0.0, sound=True)
    assert (captured.clock, captured.reason) == (clock, reason)
    assert captured.time_s == (NOW_S - age_s if clock == "rtcp" else NOW_S)


def test_a_camera_without_rtcp_gets_arrival_time() -> None:
    captured = CaptureClock().judge(None, NOW_S, 0.0, sound=True)
    assert (captured.time_s, captured.clock, captured.reason) == (NOW_S, "arrival", None)


def test_where_media_time_is_unsound_so_is_what_follows_from_it() -> None:
    captured = CaptureClock().judge(NOW_S - 0.1, NOW_S, 0.0, sound=False)
    assert (captured.clock, captured.reason) == ("arrival", "timestamps")


def test_a_clock_that_was_wrong_is_trusted_again_after_a_while() -> None:
    clock = CaptureClock()
    assert clock.judge(NOW_S - 3600, NOW_S, 0.0, sound=True).clock == "arrival"
    found = [clock.judge(NOW_S + s - 0.1, NOW_S + s, s, sound=True) for s in (1.0, TRUST_AGAIN_S - 0.1, TRUST_AGAIN_S)]
    assert [(one.clock, one.reason) for one in found] == [("arrival", "camera-clock-off")] * 2 + [("rtcp", None)]


@pytest.mark.parametrize(
    ("back_s", "reason"), [(CAMERA_BACK_S - 0.1, None), (CAMERA_BACK_S + 0.1, "camera-clock-backwards")]
)
def test_a_step_back_of_the_cameras_clock(back_s: float, reason: str | None) -> None:
    clock = CaptureClock()
    first = clock.judge(NOW_S - 0.1, NOW_S, 0.0, sound=True)
    second = clock.judge(NOW_S - 0.1 - back_s, NOW_S + 0.04, 0.04, sound=True)
    assert second.reason == reason
    assert second.time_s > first.time_s


@given(
    st.lists(
        st.tuples(st.floats(0.001, 20), st.floats(-7, 7), st.booleans(), st.booleans(), st.booleans()), max_size=60
    )
)
def test_frames_never_change_places(steps: list[tuple[float, float, bool, bool, bool]]) -> None:
    clock, at_s, last_s = CaptureClock(), 0.0, -1.0
    for pause_s, age_s, sound, sends, anew in steps:
        at_s += pause_s
        if anew:
            clock.connected()
        camera_s = NOW_S + at_s - age_s if sends else None
        captured = clock.judge(camera_s, NOW_S + at_s, at_s, sound=sound)
        assert captured.time_s > last_s
        assert captured.time_s <= NOW_S + at_s + CAMERA_AHEAD_S + 0.01
        last_s = captured.time_s


def times_of(clock: CaptureClock, *frames: tuple[float, float | None]) -> list[tuple[float, str]]:
    """Frames at monotonic seconds, and how many the camera's clock is behind; None: it has said nothing yet."""
    found: list[tuple[float, str]] = []
    for at_s, behind_s in frames:
        camera_s = None if behind_s is None else NOW_S + at_s - behind_s
        captured = clock.judge(camera_s, NOW_S + at_s, at_s, sound=True)
        assert captured.reason is None
        found.append((round(captured.time_s - NOW_S, 3), captured.clock))
    return found


@pytest.mark.parametrize(
    ("before", "frames", "times"),
    [
        # The first report comes late, of a camera that is 3.2 s behind: half as fast until it is reached.
        ((0.0, None), [(s, 3.2) for s in (1.0, 3.0, 5.0, 6.0, 7.0)],
         [(0.5, "arrival"), (1.0, "arrival"), (1.8, "rtcp"), (2.8, "rtcp"), (3.8, "rtcp")]),
        ((0.0, None), [(s, 3.0) for s in (0.2, 0.4, 0.6)], [(0.1, "arrival"), (0.2, "arrival"), (0.3, "arrival")]),
        # As far behind as it is believed.
        ((0.0, None), [(0.3 * n, CAMERA_BEHIND_S) for n in range(1, 35)],
         [*((0.15 * n, "arrival" if n < 27 else "rtcp") for n in range(1, 33)), (4.9, "rtcp"), (5.2, "rtcp")]),
        # A usual one: its picture was taken 50 ms before it came.
        ((0.0, None), [(0.04, 0.05), (0.08, 0.05), (0.12, 0.05)], [(0.02, "rtcp"), (0.03, "rtcp"), (0.07, "rtcp")]),
        # The other way round nothing has to be held.
        ((0.0, 3.0), [(0.2, None), (0.4, None)], [(0.2, "arrival"), (0.4, "arrival")]),
        # It was ahead, and stops to tell.
        ((0.0, -0.4), [(s, None) for s in (0.2, 0.4, 0.7, 1.0)],
         [(0.5, "arrival"), (0.6, "arrival"), (0.7, "arrival"), (1.0, "arrival")]),
        # Two frames of one moment.
        ((0.0, None), [(0.0, None), (0.0, None)], [(0.001, "arrival"), (0.002, "arrival")]),
    ],
)  # fmt: skip
def test_from_one_clock_to_the_other_times_go_on(
    before: tuple[float, float | None], frames: list[tuple[float, float | None]], times: list[tuple[float, str]]
) -> None:
    clock = CaptureClock()
    times_of(clock, before)
    found = times_of(clock, *frames)
    assert [time_s for time_s, _ in found] == pytest.approx([time_s for time_s, _ in times], abs=0.0011)
    assert [name for _, name in found] == [name for _, name in times]


def test_a_connection_begins_where_the_one_before_has_ended() -> None:
    clock = CaptureClock()
    assert clock.judge(NOW_S - 3600, NOW_S, 0.0, sound=True).reason == "camera-clock-off"
    clock.connected()
    captured = clock.judge(NOW_S + 1.0 - 3.0, NOW_S + 1.0, 1.0, sound=True)
    assert captured == CapturedAt(NOW_S + 0.5, "arrival"), "nothing is wrong with it now, and it is 3 s behind"
    clock.connected()
    assert clock.judge(NOW_S - 7.0, NOW_S + 1.2, 1.2, sound=True, late_s=8.0).reason is None, "it is no step back"


def test_a_wall_clock_that_is_set_back_is_obeyed() -> None:
    clock = CaptureClock()
    clock.judge(None, NOW_S, 0.0, sound=True)
    assert clock.judge(None, NOW_S - 3600, 0.04, sound=True).time_s == NOW_S - 3600


def test_cameras_that_are_set_back_with_this_machine_between_two_connections_are_obeyed() -> None:
    clock = CaptureClock()
    clock.judge(NOW_S - 0.1, NOW_S, 0.0, sound=True)
    clock.connected()
    assert clock.judge(NOW_S - 3600.1, NOW_S - 3600, 1.0, sound=True) == CapturedAt(NOW_S - 3600.1, "rtcp")


def lag(*looks: tuple[float, float, bool]) -> list[bool]:
    meter, found = LagMeter(), []
    for pts_s, at_s, waited in looks:
        meter.look(pts_s, at_s, waited=waited)
        found.append(meter.lagging)
    return found


def test_lag_begins_two_seconds_behind_and_ends_with_a_packet_that_was_waited_for() -> None:
    assert lag((0, 0, True), (1, 1.5, False), (2, 2 + LAG_BEGINS_S, False), (3, 4, False), (4, 4.5, True)) == [
        False, False, True, True, False,
    ]  # fmt: skip


def test_a_jump_of_media_time_is_no_lag() -> None:
    meter = LagMeter()
    meter.look(100.0, 0.0, waited=True)
    meter.restart()
    meter.look(0.0, 0.04, waited=False)
    meter.look(None, 0.08, waited=False)
    assert not meter.lagging
