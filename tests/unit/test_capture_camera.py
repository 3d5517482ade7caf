"""A camera's states: which happening leads where, and how long the pauses are."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safetygear.camera_reasons import EXPLANATIONS
from safetygear.messages.frames import CameraState
from safetygear_capture.camera import (
    FEW_PACKETS,
    KEY_FRAME_SOON_S,
    KEY_FRAME_WITHIN_S,
    LONGEST_PAUSE_S,
    LONGEST_REFUSED_PAUSE_S,
    STEADY_S,
    Camera,
)
from safetygear_capture.reasons import OK, REFUSALS, STALLS, state_after

BUDGET_S = 4.0
Happening = Callable[[Camera, float], object]


def connecting(camera: Camera, now_s: float) -> None:
    camera.connecting(now_s)


def opened(camera: Camera, now_s: float) -> None:
    camera.opened(now_s)


def packets(count: int) -> Happening:
    return lambda camera, now_s: [camera.packet(now_s) for _ in range(count)]


def damaged(camera: Camera, now_s: float) -> None:
    camera.packet(now_s)
    camera.damaged()


def decoded(camera: Camera, now_s: float) -> None:
    camera.packet(now_s)
    camera.decoded(now_s)


def stalled(camera: Camera, now_s: float) -> None:
    camera.stalled(now_s)


def failed(reason: str) -> Happening:
    return lambda camera, now_s: camera.failed(reason, now_s)


def flawed(reason: str | None) -> Happening:
    return lambda camera, now_s: camera.flawed(reason, now_s)


def blocked(reason: str | None) -> Happening:
    return lambda camera, now_s: camera.blocked(reason, now_s)


PLAYS: tuple[Happening, ...] = (connecting, opened, decoded)


@pytest.mark.parametrize(
    ("happenings", "state", "reason"),
    [
        ((), "connecting", "starting"),
        ((connecting, opened), "connecting", "starting"),
        (PLAYS, "streaming", OK),
        ((*PLAYS, failed("connection-lost")), "backing-off", "connection-lost"),
        ((*PLAYS, failed("connection-lost"), connecting), "connecting", "connection-lost"),
        ((*PLAYS, failed("connection-lost"), *PLAYS), "streaming", OK),
        ((connecting, failed("auth-failed")), "refused", "auth-failed"),
        ((connecting, failed("timeout")), "backing-off", "timeout"),
        ((*PLAYS, stalled), "stalled", "stall"),
        ((*PLAYS, packets(FEW_PACKETS), stalled), "stalled", "stall"),
        ((*PLAYS, packets(FEW_PACKETS + 1), stalled), "stalled", "corrupt"),
        ((*PLAYS, stalled, decoded), "streaming", OK),
        ((*PLAYS, stalled, failed("stall"), connecting), "connecting", "stall"),
        ((connecting, opened, stalled), "backing-off", "no-data"),
        ((connecting, opened, packets(1), stalled), "refused", "wrong-codec"),
        ((connecting, opened, damaged, stalled), "stalled", "corrupt"),
        ((*PLAYS, packets(9), connecting, opened, stalled), "backing-off", "no-data"),
        ((connecting, failed("timeout"), stalled), "backing-off", "timeout"),
        ((*PLAYS, flawed("frozen")), "streaming", "frozen"),
        ((*PLAYS, flawed("frozen"), flawed(None)), "streaming", OK),
        ((*PLAYS, flawed("frozen"), failed("stall"), *PLAYS), "streaming", OK),
        ((*PLAYS, blocked("no-reader")), "paused", "no-reader"),
        ((blocked("no-reader"), connecting), "connecting", "starting"),
        ((blocked("no-reader"), *PLAYS), "paused", "no-reader"),
        ((*PLAYS, blocked("no-reader"), flawed("frozen"), blocked(None)), "streaming", "frozen"),
        ((*PLAYS, blocked("no-reader"), failed("stall")), "stalled", "stall"),
    ],
)
def test_where_happenings_lead(happenings: Sequence[Happening], state: str, reason: str) -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    for step, happening in enumerate(happenings):
        happening(camera, 0.1 * step)
    shown = camera.snapshot(10.0)
    assert (shown.state, shown.reason) == (state, reason)


def test_disabled_is_idle() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.idle("disabled", 1.0)
    assert (camera.snapshot(2.0).state, camera.snapshot(2.0).since_s) == ("idle", 1.0)


def test_the_stall_budget_runs_from_the_opening_and_from_each_sound_picture() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    assert not camera.overdue(1000.0), "opening has a time limit of its own"
    camera.opened(10.0)
    assert [camera.overdue(10.0 + s) for s in (3.9, 4.0)] == [False, True]
    camera.decoded(12.0)
    camera.packet(12.5)
    camera.damaged()
    assert [camera.overdue(12.0 + s) for s in (3.9, 4.0)] == [False, True]
    camera.failed("stall", 16.0)
    assert not camera.overdue(1000.0)


def between(camera: Camera, from_s: float, to_s: float) -> None:
    """A picture each half second, of a stream whose first key frame is still to come."""
    for half in range(int(2 * from_s), int(2 * to_s) + 1):
        camera.packet(half / 2, awaits_key_frame=True)
        assert not camera.overdue(half / 2)


def test_a_stream_that_begins_between_key_frames_is_waited_for() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    camera.opened(0.0)
    between(camera, 0.0, KEY_FRAME_SOON_S - 0.5)
    assert camera.snapshot(1.5).reason == "starting"
    between(camera, KEY_FRAME_SOON_S, KEY_FRAME_WITHIN_S - 0.5)
    shown = camera.snapshot(KEY_FRAME_WITHIN_S)
    assert (shown.state, shown.reason, shown.since_s) == ("connecting", "waiting-for-key-frame", 0.0)
    camera.packet(KEY_FRAME_WITHIN_S, awaits_key_frame=True)
    assert camera.overdue(KEY_FRAME_WITHIN_S)
    camera.stalled(KEY_FRAME_WITHIN_S)
    shown = camera.snapshot(KEY_FRAME_WITHIN_S)
    assert (shown.state, shown.reason, camera.given_up()) == ("stalled", "no-key-frame", "no-key-frame")


def test_silence_before_the_first_key_frame_is_a_stall() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    camera.opened(0.0)
    between(camera, 0.0, 20.0)
    assert [camera.overdue(20.0 + s) for s in (3.9, 4.0)] == [False, True]
    assert camera.verdict(24.0) == "stall"


@pytest.mark.parametrize(("broken", "verdict"), [(False, "wrong-codec"), (True, "corrupt")])
def test_what_comes_of_the_key_frame_is_judged_a_stall_budget_later(broken: bool, verdict: str) -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    camera.opened(0.0)
    between(camera, 0.0, 20.0)
    camera.packet(20.5)
    if broken:
        camera.damaged()
    assert [camera.overdue(20.5 + s) for s in (3.9, 4.0)] == [False, True]
    assert camera.verdict(24.5) == verdict


def key_frame(camera: Camera, now_s: float, *, sound: bool = True) -> None:
    camera.packet(now_s)
    assert not camera.overdue(now_s), "the picture is being decoded"
    if sound:
        camera.decoded(now_s)
    else:
        camera.damaged()


def test_where_only_key_frames_are_decoded_they_may_be_far_apart() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    camera.opened(0.0)
    for number in range(3):
        key_frame(camera, 60.0 * number)
        between(camera, 60.0 * number + 0.5, 60.0 * number + 59.5)
        assert camera.snapshot(60.0 * number + 59.5).state == "streaming"
    between(camera, 180.0, 120.0 + KEY_FRAME_WITHIN_S - 0.5)
    camera.packet(120.0 + KEY_FRAME_WITHIN_S, awaits_key_frame=True)
    assert camera.overdue(120.0 + KEY_FRAME_WITHIN_S)
    assert camera.verdict(120.0 + KEY_FRAME_WITHIN_S) == "no-key-frame"


def test_key_frames_that_are_all_damaged_end_after_the_stall_budget() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    camera.opened(0.0)
    key_frame(camera, 0.0)
    for number in (1, 2):
        between(camera, 2.0 * number - 1.5, 2.0 * number - 0.5)
        key_frame(camera, 2.0 * number, sound=False)
    between(camera, 4.5, 5.5)
    camera.packet(6.0)
    assert camera.overdue(2.0 + BUDGET_S)
    assert camera.verdict(2.0 + BUDGET_S) == "corrupt"


def test_since_is_when_the_state_began_and_streaming_time_counts_streaming_only() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
    camera.connecting(0.0)
    camera.decoded(2.0)
    camera.flawed("frozen", 3.0)
    assert camera.snapshot(5.0).since_s == 2.0
    camera.blocked("no-reader", 7.0)
    camera.blocked(None, 17.0)
    camera.failed("stall", 20.0)
    shown = camera.snapshot(30.0)
    assert (shown.since_s, shown.seconds_streaming) == (20.0, 8.0)


class NoJitter(random.Random):
    def random(self) -> float:
        return 0.5


def pauses(camera: Camera, reasons: Sequence[str], *, streamed_s: float = 0.0) -> list[float]:
    found = []
    for number, reason in enumerate(reasons):
        now_s = 100.0 * number
        camera.connecting(now_s)
        if streamed_s:
            camera.decoded(now_s)
            camera.decoded(now_s + streamed_s)
        found.append(camera.failed(reason, now_s + 50))
    return found


def test_pauses_grow_and_a_refusal_waits_longer() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0, random=NoJitter())
    assert pauses(camera, ["timeout"] * 7) == [0.5, 1, 2, 4, 8, 15, 15]
    assert pauses(camera, ["auth-failed"] * 6) == [5, 10, 20, 40, 80, 120]


def test_a_stream_that_held_resets_the_pauses_and_one_that_broke_at_once_does_not() -> None:
    camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0, random=NoJitter())
    assert pauses(camera, ["stall"] * 3, streamed_s=STEADY_S - 0.1) == [0.5, 1, 2]
    assert pauses(camera, ["stall"] * 3, streamed_s=STEADY_S) == [0.5, 0.5, 0.5]


def test_every_reason_has_an_explanation_and_a_state() -> None:
    assert set(EXPLANATIONS) >= REFUSALS | STALLS
    assert {state_after(reason) for reason in EXPLANATIONS} == {"refused", "stalled", "backing-off"}


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: a named state, a known reason, bounded pauses, time that adds up."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.camera = Camera(stall_budget_s=BUDGET_S, now_s=0.0)
        self.streaming_before = 0.0

    @rule(seconds=st.floats(0, 1000))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def connects(self) -> None:
        self.camera.connecting(self.now_s)

    @rule()
    def opens(self) -> None:
        self.camera.opened(self.now_s)

    @rule(count=st.integers(1, 10), broken=st.booleans())
    def receives(self, count: int, broken: bool) -> None:
        for _ in range(count):
            self.camera.packet(self.now_s)
        if broken:
            self.camera.damaged()

    @rule()
    def receives_before_a_key_frame(self) -> None:
        self.camera.packet(self.now_s, awaits_key_frame=True)

    @rule()
    def decodes(self) -> None:
        self.camera.decoded(self.now_s)
        assert not self.camera.overdue(self.now_s)
        assert self.camera.snapshot(self.now_s).state in ("streaming", "paused")

    @rule(reason=st.sampled_from(["frozen", "lagging", None]))
    def is_flawed(self, reason: str | None) -> None:
        self.camera.flawed(reason, self.now_s)

    @rule(reason=st.sampled_from(["no-reader", "ring-no-space", None]))
    def is_blocked(self, reason: str | None) -> None:
        self.camera.blocked(reason, self.now_s)

    @precondition(lambda self: self.camera.overdue(self.now_s))
    @rule()
    def watchdog_barks(self) -> None:
        self.camera.stalled(self.now_s)
        assert self.camera.snapshot(self.now_s).state in ("stalled", "refused", "backing-off")
        assert not self.camera.overdue(self.now_s), "it barks once"

    @rule(reason=st.sampled_from(sorted(EXPLANATIONS)))
    def fails(self, reason: str) -> None:
        pause_s = self.camera.failed(reason, self.now_s)
        assert 0 < pause_s <= 1.25 * (LONGEST_REFUSED_PAUSE_S if reason in REFUSALS else LONGEST_PAUSE_S)
        assert self.camera.snapshot(self.now_s).reason == reason

    @invariant()
    def is_named(self) -> None:
        shown = self.camera.snapshot(self.now_s)
        assert shown.state in get_args(CameraState)
        assert shown.reason in EXPLANATIONS or shown.reason == OK
        assert 0 <= shown.since_s <= self.now_s
        assert self.streaming_before <= shown.seconds_streaming <= self.now_s + 1e-6
        self.streaming_before = shown.seconds_streaming


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
