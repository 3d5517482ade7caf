"""What is told of a camera, and how seldom: each change of a reported property costs the hub a message."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from safetygear.messages.frames import CameraStatus
from safetygear.twin.reading import FieldError
from safetygear_capture.reporting import BURST, REFILL_S, ReportedCameras, reported


def status(state: Any, reason: str, since: str = "t0", camera: str = "gate", decoded: int = 0) -> CameraStatus:
    return CameraStatus(
        camera=camera, state=state, reason=reason, since=since, stall_budget_s=10.0, frames_decoded=decoded,
        frames_sent=0, dropped={}, decoded_fps=decoded / 7,
    )  # fmt: skip


def told(cameras: ReportedCameras, camera: str = "gate") -> tuple[str, str, str]:
    entry = cameras.as_document()[camera]
    return entry["state"], entry["reason"], entry["since"]


def test_counters_and_rates_change_nothing() -> None:
    cameras = ReportedCameras()
    cameras.update([status("streaming", "ok", decoded=1)], 0.0)
    before = cameras.as_document()
    assert cameras.update([status("streaming", "ok", decoded=99)], 1.0) == []
    assert cameras.as_document() == before


def test_a_camera_that_is_tried_again_and_again_keeps_the_state_its_last_attempt_ended_with() -> None:
    cameras = ReportedCameras()
    cameras.update([status("streaming", "ok", "t0")], 0.0)
    changes = []
    for second in range(1, 200):
        state = ("backing-off", "connecting")[second % 2]
        changes += cameras.update([status(state, "timeout", f"t{second}")], float(second))
    assert told(cameras) == ("backing-off", "timeout", "t1")
    assert [(one.state, one.reason) for one in changes] == [("backing-off", "timeout")]


@pytest.mark.parametrize(
    ("reason", "state"), [("auth-failed", "refused"), ("corrupt", "stalled"), ("connection-lost", "backing-off")]
)
def test_trouble_that_is_first_seen_in_the_next_attempt_is_told_all_the_same(reason: str, state: str) -> None:
    cameras = ReportedCameras()
    cameras.update([status("streaming", "ok", "t0")], 0.0)
    (changed,) = cameras.update([status("connecting", reason, "t1")], 1.0)
    assert (changed.state, told(cameras)) == (state, (state, reason, "t1"))


@pytest.mark.parametrize("reason", ["starting", "waiting-for-key-frame"])
def test_an_attempt_that_is_under_way_is_told_as_such(reason: str) -> None:
    cameras = ReportedCameras()
    cameras.update([status("connecting", "starting")], 0.0)
    cameras.update([status("connecting", reason)], 1.0)
    assert told(cameras)[:2] == ("connecting", reason)


def test_a_stream_that_began_anew_is_news_but_not_a_log_line() -> None:
    cameras = ReportedCameras()
    cameras.update([status("streaming", "ok", "t0")], 0.0)
    assert cameras.update([status("streaming", "ok", "t1")], 1.0) == []
    assert told(cameras) == ("streaming", "ok", "t1")


def test_a_camera_that_flaps_is_told_of_once_a_minute_and_the_newest_state_wins() -> None:
    cameras = ReportedCameras()
    changes = 0
    states = (status("streaming", "ok"), status("paused", "no-reader"))
    for second in range(1200):
        changes += len(cameras.update([states[second % 2]], float(second)))
    assert changes <= BURST + 2 * (1200 / REFILL_S + 1), "each that it is well again, and each end of that"
    for second in range(1200, 1200 + 2 * int(REFILL_S)):
        cameras.update([status("stalled", "stall", "t9")], float(second))
    assert told(cameras) == ("stalled", "stall", "t9")


def test_a_camera_that_has_flapped_and_then_ends_is_not_called_well() -> None:
    cameras = ReportedCameras()
    for second in range(60):
        well = second % 2 == 0
        state = status("streaming", "ok", f"t{second}") if well else status("backing-off", "connection-lost")
        cameras.update([state], float(second))
        if not well:
            assert told(cameras)[:2] == ("backing-off", "connection-lost"), second
    assert cameras.update([status("streaming", "ok", "t60")], 59.5) == [], "that it is well again waits"


def test_what_decodes_is_told_where_it_is_not_as_usual() -> None:
    cameras = ReportedCameras()
    plain = msgspec.structs.replace(status("streaming", "ok"), decoder="software")
    fallen_back = msgspec.structs.replace(plain, decoder_reason="vaapi-no-device", frames="key-frames")
    cameras.update([plain], 0.0)
    assert set(cameras.as_document()["gate"]) == {"state", "reason", "since"}
    cameras.update([fallen_back], 1.0)
    entry = cameras.as_document()["gate"]
    assert (entry["frames"], entry["decoder"], entry["decoderReason"]) == ("key-frames", "software", "vaapi-no-device")
    cameras.update([status("connecting", "stall")], 2.0)
    assert cameras.as_document()["gate"]["decoderReason"] == "vaapi-no-device", "it holds until something decodes again"
    cameras.update([plain], 3.0)
    assert "decoder" not in cameras.as_document()["gate"]


def test_a_camera_that_was_taken_out_is_gone() -> None:
    cameras = ReportedCameras()
    cameras.update([status("streaming", "ok"), status("streaming", "ok", camera="yard")], 0.0)
    cameras.update([status("streaming", "ok")], 1.0)
    assert list(cameras.as_document()) == ["gate"]


def test_the_whole_reported_half() -> None:
    error = FieldError(path="cameras.gate.url", code="bad-format", message="must be …")
    document = reported(
        instance="capture", desired_version=7, errors=[error], cameras={"gate": {"state": "streaming"}},
        problems={"frames": {"code": "ring-folder-missing", "message": "…"}},
    )  # fmt: skip
    assert document["config"]["status"] == "partial"
    assert document["config"]["errors"][0]["path"] == "cameras.gate.url"
    assert (document["cameras"], document["problems"]["frames"]["code"]) == (
        {"gate": {"state": "streaming"}}, "ring-folder-missing",
    )  # fmt: skip
