"""The account of what IoT Hub received: kinds, duplicates, gaps, latency, recoveries, totals, summary, lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear_workbench.simulation.message_lines import message_line
from safetygear_workbench.simulation.narrator import Processes, Reported
from safetygear_workbench.simulation.received import Received
from safetygear_workbench.simulation.sequences import MOST_AHEAD, Series
from safetygear_workbench.simulation.summary import summarise
from safetygear_workbench.simulation.totals import Totals
from safetygear_workbench.simulation.upstream_file import UpstreamFile

NOON_S = 1_764_072_000.0
BOX = {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.3}


def record(body: dict[str, Any], output: str, message_id: str = "", at_s: float = NOON_S) -> dict[str, Any]:
    return {
        "enqueuedAt": rfc3339(at_s),
        "moduleId": "inference",
        "output": output,
        "properties": {"schema": body.get("schema", "")},
        "systemProperties": {"messageId": message_id} if message_id else {},
        "body": body,
    }


def detections(
    sequence: int, *, run: str = "aa11", labels: tuple[str, ...] = (), total_ms: float = 80.0, at_s: float = NOON_S
) -> dict[str, Any]:
    body = {
        "schema": "safetygear.detections/1", "camera": "gate-2", "shard": "default", "sequence": sequence,
        "frameNumber": sequence, "capturedAt": rfc3339(at_s), "clock": "arrival", "frame": {"width": 64, "height": 36},
        "model": {"name": "m", "version": "1", "sha256": "0"}, "people": [],
        "detections": [{"label": label, "probability": 0.5, "boundingBox": BOX} for label in labels],
        "latencyMs": {"capture": 1, "queue": 1, "inference": 1, "total": total_ms},
    }  # fmt: skip
    return record(body, "detections", f"{run}-gate-2-{sequence}", at_s + total_ms / 1000)


HEALTH: dict[str, Any] = {
    "schema": "safetygear.health/1", "instance": "inference", "periodStartedAt": rfc3339(NOON_S - 10),
    "periodEndedAt": rfc3339(NOON_S), "newestEventSequence": None, "shardsSilent": [],
    "queues": {"detections": 0, "outbox": 0, "evicted": {}},
    "budget": {"dailyBlocks": 1, "usedBlocks": 0, "shedding": False, "shedMessages": 0},
    "cameras": [{
        "camera": "gate-2", "state": "stalled", "reason": "stall", "secondsWatched": 7.0, "secondsBlind": 3.0,
        "secondsFrozen": 0, "secondsDark": 0, "secondsBlurred": 0, "framesIn": 100, "analysed": 35, "dropped": {},
        "latencyMs": {"p50": 80.0, "p95": 91.6},
    }],
}  # fmt: skip
EVENT: dict[str, Any] = {
    "schema": "safetygear.event/1", "id": "e1", "eventSequence": 1, "outboxEpoch": "e", "dedupKey": "k",
    "rule": "no-helmet", "severity": "high", "state": "open", "camera": "gate-2", "zone": "crane", "track": "12",
    "openedAt": rfc3339(NOON_S), "updatedAt": rfc3339(NOON_S), "reason": "missing-helmet", "confidence": 0.9,
    "model": {"name": "m", "version": "1", "sha256": "0"}, "configHash": "c",
}  # fmt: skip


def event(state: str, **more: Any) -> dict[str, Any]:
    """The episode's next message."""
    return {**EVENT, "state": state, "dedupKey": f"k-{state}", **more}


@pytest.mark.parametrize(
    ("given_", "line"),
    [
        (
            detections(1, labels=("helmet", "person", "person")),
            "12:00:00.080  gate-2      1 helmet, 2 person  80 ms",
        ),
        (detections(1), "12:00:00.080  gate-2      nothing  80 ms"),
        (
            record(HEALTH, "health"),
            "12:00:00.000  HEALTH  gate-2 stalled (no picture within the stall budget): watched 7 s, blind 3 s, "
            "35 of 100 frames analysed, p95 92 ms",
        ),
        (
            record(EVENT, "events"),
            "12:00:00.000  EVENT  opened no-helmet gate-2 zone=crane track=12: missing-helmet (high)",
        ),
        (
            record(event("update", updatedAt=rfc3339(NOON_S + 30)), "events"),
            "12:00:00.000  EVENT  goes on no-helmet gate-2 zone=crane track=12 after 30.0 s",
        ),
        (
            record(event("closed", closedAt=rfc3339(NOON_S + 12.4), closeReason="complied"), "events"),
            "12:00:00.000  EVENT  closed no-helmet gate-2 zone=crane track=12 after 12.4 s: complied",
        ),
        (
            record(event("closed", closedAt="then", closeReason="left"), "events"),
            "12:00:00.000  EVENT  closed no-helmet gate-2 zone=crane track=12 at an unknown time: left",
        ),
        (record({"x": 1}, "other"), "12:00:00.000  inference/other  (no message of SafetyGear's)"),
    ],
)
def test_each_kind_has_its_line(given_: dict[str, Any], line: str) -> None:
    assert message_line(Received().take(given_, 0.0)) == line


def test_a_message_that_its_type_refuses_is_invalid_and_no_detection() -> None:
    received = Received()
    wrong = detections(1)
    wrong["body"]["latencyMs"] = "fast"
    message = received.take(wrong, 5.0)
    assert message_line(message).startswith("12:00:00.080  INVALID  inference/detections: DetectionsMessage: Expected")
    assert received.by_kind == {"invalid": 1}
    assert received.first_detection_s is None


def test_duplicates_gaps_and_latency_are_counted_per_start_of_inference() -> None:
    received = Received()
    for sequence, total_ms in ((1, 10.0), (2, 20.0), (2, 20.0), (5, 30.0)):
        received.take(detections(sequence, total_ms=total_ms), 7.0)
    assert message_line(received.take(detections(1), 8.0)).endswith("(again)")
    received.take(detections(1, run="bb22", total_ms=40.0), 9.0)
    assert received.by_kind == {"detections": 6}
    assert (received.duplicates, received.missing, received.analysed) == (2, 2, 6)
    assert received.first_detection_s == 7.0
    assert (received.latency_ms(50), received.latency_ms(95)) == (20.0, 40.0)
    # What is late is no longer missing.
    received.take(detections(3), 9.0)
    assert received.missing == 1
    for _ in range(2):
        received.take(record(EVENT, "events", "event-1"), 9.0)
    assert received.duplicates == 3


def test_episodes_are_counted_once_however_often_they_are_told() -> None:
    received = Received()
    told = [EVENT, EVENT, event("closed", closeReason="left"), event("open", id="e2", dedupKey="k2", rule="no-vest")]
    for number, body in enumerate(told):
        received.take(record(body, "events", f"event-{number}"), 9.0)
    assert (received.opened, received.closed) == ({"no-helmet": 1, "no-vest": 1}, {"left": 1})
    assert list(received.still_open) == ["e2"]


@given(st.lists(st.integers(1, 30), max_size=60))
def test_a_series_knows_what_is_missing_and_what_came_twice(numbers: list[int]) -> None:
    series = Series()
    fresh = [series.saw(number) for number in numbers]
    assert sum(fresh) == len(set(numbers))
    assert series.duplicates == len(numbers) - len(set(numbers))
    assert series.missing == (max(numbers) - len(set(numbers)) if numbers else 0)


def test_a_series_is_bounded() -> None:
    series = Series()
    for number in range(2, 2 * MOST_AHEAD + 4, 2):
        series.saw(number)
    assert len(series._ahead) <= MOST_AHEAD
    assert series.missing == MOST_AHEAD + 1


def ended(process: str, code: int, **more: Any) -> dict[str, Any]:
    base = {"event": "ended", "process": process, "atS": NOON_S, "exitCode": code, "decision": "restart", "pauseS": 1.0}
    return {**base, "lastLine": "", **more}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ended("capture", -9), "capture was killed (SIGKILL); it starts again in 1 s"),
        (
            ended("capture", 2, lastLine="<3> 2026-11-25 01:46:45.850 +00:00 [ERR] - capture can't run: no folder"),
            "capture ended with exit code 2; it starts again in 1 s: capture can't run: no folder",
        ),
        (ended("x", 1, decision="give-up"), "x ended with exit code 1; it has been started too often and stays down"),
        (ended("x", 0, decision="stay-stopped"), "x ended with exit code 0; its restart policy lets it stay down"),
        ({"event": "started", "process": "capture", "atS": NOON_S}, None),
        ({"event": "deployed", "atS": NOON_S}, None),
    ],
)
def test_a_process_that_ends_is_one_line(event: dict[str, Any], line: str | None) -> None:
    assert Processes().event(event) == line


def test_recovery_is_the_first_frame_taken_after_the_restart() -> None:
    processes, received = Processes(), Received()

    def arrives(at_s: float) -> list[str]:
        message = received.take(detections(1, at_s=at_s), 0.0)
        assert message.known is not None
        return processes.detection(message.known, message.record["enqueuedAt"])  # type: ignore[arg-type]  # detections

    processes.event(ended("capture", -9))
    assert arrives(NOON_S + 0.5) == []
    assert processes.event({"event": "started", "process": "capture", "atS": NOON_S + 1}) == "capture was started again"
    assert arrives(NOON_S + 0.9) == [], "taken before the restart, and only late"
    assert arrives(NOON_S + 3) == ["detections flow again, 3.1 s after the end of capture"]
    assert arrives(NOON_S + 4) == []
    assert processes.restarts == {"capture": 1}
    assert processes.recoveries_s == [("capture", 3.1)]


def test_reported_properties_are_told_once_when_they_change() -> None:
    reported = Reported()
    streaming = {"cameras": {"gate": {"state": "streaming", "reason": "ok"}}, "config": {"errors": []}}
    refused = {
        "cameras": {"gate": {"state": "refused", "reason": "auth-failed"}},
        "config": {"errors": [{"path": "cameras.yard.url", "code": "x", "message": "is no URL"}]},
        "problems": {"frames": {"code": "ring-folder-missing", "message": "/frames is not there"}},
        "model": {"state": "refused", "reason": "there is no model x"},
    }
    assert reported.update("capture", {"cameras": {"gate": {"state": "connecting", "reason": "starting"}}}, 0.0) == []
    assert reported.update("capture", streaming, 1.0) == ["camera gate: streaming"]
    assert reported.update("capture", streaming, 2.0) == []
    assert reported.in_force() == []
    assert reported.update("capture", refused, 3.0) == [
        "capture: desired property cameras.yard.url: is no URL",
        "capture: the model is refused: there is no model x",
        "capture: frames: /frames is not there",
        "camera gate: refused - the camera refuses user name or password (auth-failed)",
    ]
    assert len(reported.in_force()) == 4
    assert sorted(reported.update("capture", streaming, 4.0)) == [
        "camera gate: streaming",
        "capture: frames is in order again",
        "capture: model is in order again",
    ]


def test_that_nobody_reads_is_told_when_it_lasts() -> None:
    reported = Reported()
    streaming = {"cameras": {"gate": {"state": "streaming", "reason": "ok"}}}
    unread = {"cameras": {"gate": {"state": "paused", "reason": "no-reader"}}}
    assert reported.update("capture", unread, 0.0) == []
    assert reported.update("capture", streaming, 2.0) == ["camera gate: streaming"]
    assert reported.update("capture", unread, 3.0) == []
    assert reported.update("inference", {}, 8.0) == []
    assert reported.update("capture", unread, 8.9) == []
    assert reported.update("capture", unread, 9.0) == [
        "camera gate: paused - nobody reads this shard's frames (no-reader)"
    ]
    assert reported.update("capture", unread, 10.0) == []
    assert reported.update("capture", streaming, 11.0) == ["camera gate: streaming"]


METRICS = """\
# TYPE safetygear_capture_frames_decoded_total counter
safetygear_capture_frames_decoded_total{{camera="gate",edge_device="d",instance_number="{start}",module_name="capture"}} {decoded}
# TYPE safetygear_capture_frames_dropped_total counter
safetygear_capture_frames_dropped_total{{camera="gate",instance_number="{start}",module_name="capture",reason="above-rate"}} 5
"""  # noqa: E501  # Prometheus' format has no line breaks


def test_a_module_that_has_not_begun_is_the_first_cause() -> None:
    reported = Reported()
    unread = {"$version": 3, "cameras": {"gate": {"state": "paused", "reason": "no-reader"}}}
    for now_s in (0.0, 10.0):
        assert reported.update("inference", {"$version": 1}, now_s) == []
        reported.update("capture", unread, now_s)
    assert reported.in_force() == [
        "inference has reported nothing yet: it was still starting",
        "camera gate: paused - nobody reads this shard's frames (no-reader)",
    ]
    reported.update("inference", {"$version": 2, "model": {"state": "loading"}}, 11.0)
    assert reported.in_force()[0] == "inference was still loading its model"
    reported.update("inference", {"$version": 3, "model": {"state": "ok"}}, 12.0)
    assert reported.in_force()[0].startswith("camera gate")


def test_counters_are_added_up_over_restarts() -> None:
    totals = Totals()
    for start, decoded in (("a", 10), ("a", 20), ("b", 3)):
        totals.scraped(METRICS.format(start=start, decoded=decoded))
    assert totals.sum("safetygear_capture_frames_decoded_total") == 23
    assert totals.by("safetygear_capture_frames_dropped_total", "reason") == {"above-rate": 10}
    assert totals.sum("nothing") == 0


def test_the_summary_says_it_all() -> None:
    received, processes, totals = Received(), Processes(), Totals()
    received.take(detections(1, total_ms=80.4), 104.2)
    received.take(record(HEALTH, "health"), 110.0)
    received.take(record(EVENT, "events"), 110.0)
    totals.scraped(METRICS.format(start="a", decoded=10))
    summary = summarise(received, processes, totals, started_s=100.0, ended_s=130.0, waiting=2)
    assert dict(summary.rows()) == {
        "time": "30 s; first detection 4.2 s after the start",
        "frames decoded": "10",
        "frames analysed": "1",
        "frames dropped": "5 above-rate",
        "frames torn": "none analysed; 0 overwritten and dropped",
        "messages to IoT Hub": "1 detections, 1 event, 1 health",
        "violations": "opened 1 no-helmet; closed none; 1 open",
        "duplicates": "0",
        "missing": "0",
        "still waiting": "2 messages for IoT Hub",
        "latency": "p50 80 ms, p95 80 ms (capture to message)",
        "restarts": "none",
    }
    assert json.loads(json.dumps(summary.as_json()))["frames"] == {
        "decoded": 10, "analysed": 1, "dropped": {"above-rate": 5}, "overwritten": 0,
    }  # fmt: skip
    assert summary.as_json()["notSent"] == {}
    received.take(detections(9), 120.0)
    totals.scraped(
        "# TYPE safetygear_inference_frames_published_total counter\n"
        'safetygear_inference_frames_published_total{outcome="shed"} 3\n'
        'safetygear_inference_frames_published_total{outcome="policy"} 2\n'
    )
    shed = summarise(received, processes, totals, started_s=100.0, ended_s=130.0, waiting=0)
    assert dict(shed.rows())["not to be sent"] == "3 shed"
    assert (shed.missing, received.missing) == (4, 7)
    nothing = summarise(Received(), processes, Totals(), started_s=0.0, ended_s=1.0, waiting=0)
    assert dict(nothing.rows())["time"] == "1 s; first detection none came"
    assert dict(nothing.rows())["latency"] == "none"


def test_the_upstream_file_is_followed_through_partial_lines_and_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "upstream.jsonl"
    file = UpstreamFile(path)
    assert file.read() == []
    path.write_text('{"a":1}\n{"a":')
    assert file.read() == [{"a": 1}]
    # The hub was killed there; its restart takes the half line away.
    path.write_text('{"a":1}\n{"a":2}\nnonsense\n[]\n' + "[" * 5000 + "\n")
    assert file.read() == [{"a": 2}]
    assert file.unreadable == 3
    assert file.read() == []
