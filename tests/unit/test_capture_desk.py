"""What the threads know together about one camera."""

from __future__ import annotations

import re

import msgspec

from safetygear.clock import FakeClock, epoch_s
from safetygear_capture.config import CameraConfig
from safetygear_capture.desk import CameraDesk


def desk_on(clock: FakeClock, changes: list[str] | None = None) -> CameraDesk:
    told = changes if changes is not None else []
    config = CameraConfig(url="rtsp://camera/1", stall_budget_s=4.0)
    desk = CameraDesk("gate", config, clock, lambda: told.append(desk.status().state))
    return desk


def play(desk: CameraDesk, clock: FakeClock) -> None:
    desk.connecting()
    desk.opened("h264")
    desk.packet()
    desk.decoded(640, 360, clock.monotonic_s())


async def test_a_status_tells_what_was_counted() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    play(desk, clock)
    for _ in range(50):
        await clock.advance(0.1)
        desk.decoded(640, 360, clock.monotonic_s())
    desk.corrupt()
    desk.dropped("above-rate")
    desk.dropped("above-rate")
    desk.sent()
    status = desk.status()
    assert (status.state, status.reason, status.codec, status.width, status.height) == (
        "streaming", "ok", "h264", 640, 360,
    )  # fmt: skip
    assert (status.frames_decoded, status.frames_sent) == (52, 1)
    assert status.dropped == {"corrupt": 1, "above-rate": 2}
    assert status.decoded_fps == 5.1
    assert status.seconds_streaming == 5.0


async def test_the_rate_forgets_what_is_ten_seconds_old_and_size_is_known_while_streaming_only() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    play(desk, clock)
    await clock.advance(10.0)
    assert desk.status().decoded_fps == 0
    desk.failed("stall", "no picture")
    assert (desk.status().width, desk.status().codec) == (None, None)


async def test_only_changes_are_told() -> None:
    clock, changes = FakeClock(), []
    desk = desk_on(clock, changes)
    play(desk, clock)
    desk.decoded(640, 360, clock.monotonic_s())
    desk.flawed(None, 0.0)
    desk.reader("no-reader")
    desk.reader("no-reader")
    desk.reader(None)
    desk.failed("stall", "")
    assert changes == ["streaming", "paused", "streaming", "stalled"]


async def test_since_does_not_follow_the_wall_clock() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    await clock.advance(2.0)
    play(desk, clock)
    since = desk.status().since
    assert epoch_s(since) == clock.now_s()
    clock.jump_wall_clock(0.3)
    await clock.advance(5.0)
    assert desk.status().since == since


async def test_a_missing_reader_comes_before_a_sink_that_refuses() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    play(desk, clock)
    desk.sink("ring-no-space")
    desk.reader("no-reader")
    assert (desk.status().state, desk.status().reason) == ("paused", "no-reader")
    desk.reader(None)
    assert desk.status().reason == "ring-no-space"
    desk.sink(None)
    assert desk.status().state == "streaming"


async def test_how_long_a_call_has_been_out() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    assert desk.silent_s() == 0, "no call yet"
    desk.connecting()
    await clock.advance(3.0)
    assert desk.silent_s() == 3.0
    desk.opened("h264")
    desk.packet()
    await clock.advance(1.0)
    assert desk.silent_s() == 1.0
    desk.failed("stall", "")
    await clock.advance(60.0)
    assert desk.silent_s() == 0, "it waits for its next attempt"


async def test_the_detail_belongs_to_its_reason() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    desk.connecting()
    desk.failed("secret-missing", "there is no file gate in the secrets folder")
    assert desk.detail("secret-missing") == "there is no file gate in the secrets folder"
    assert desk.detail("auth-failed") == ""


async def test_counts_go_on_under_a_new_configuration() -> None:
    clock = FakeClock()
    desk = desk_on(clock)
    play(desk, clock)
    await clock.advance(5.0)
    desk.sent()
    desk.dropped("no-reader")
    earlier = desk.status()
    later = CameraDesk("gate", msgspec.structs.replace(desk.config, analysed_fps=1.0), clock, lambda: None, earlier)
    play(later, clock)
    status = later.status()
    assert (status.frames_decoded, status.frames_sent, status.dropped) == (2, 1, {"no-reader": 1})
    assert status.seconds_streaming == 5.0
    assert re.fullmatch(r"\d{4}-.*Z", status.since)
