"""/metrics is for the collector; whoever else connects gets no thread to keep, and no traceback into our output."""

from __future__ import annotations

import socket
import struct
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest

from safetygear import telemetry
from safetygear.listen import Listen
from safetygear.telemetry import MOST_LEFT, ModuleMetrics

TIMEOUT_S = 10.0
"""Of waits that end at once unless something is broken."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(telemetry, "_SILENT_S", 0.1)
    metrics = ModuleMetrics("x_", {"IOTEDGE_MODULEID": "m"})
    metrics.counter("things_total", "Things").add(3)
    port = metrics.serve(Listen("127.0.0.1", 0))
    assert port is not None
    yield port
    metrics.close()


def test_metrics_are_served_with_the_common_labels(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    assert 'module_name="m"' in text and "} 3.0" in text


def test_a_connection_that_asks_for_nothing_is_closed(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as idle:
        assert idle.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_a_connection_that_breaks_off_prints_nothing(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    broken = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    broken.sendall(b"GET")
    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    broken.close()  # with a reset
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as later:
        assert later.recv(1) == b""
    assert capfd.readouterr().err == ""


def served(metrics: ModuleMetrics) -> str:
    return generate_latest(metrics._registry).decode()


def test_only_cameras_that_are_there_are_served_and_no_count_is_lost() -> None:
    metrics = ModuleMetrics("x_", {})
    frames = metrics.counter("frames_total", "Frames", ["camera", "reason"])
    took = metrics.histogram("took_seconds", "Time", ["camera"], buckets=(1.0,))
    state = metrics.gauge("state", "State", ["camera"])
    metrics.counter("sent_total", "Sent", ["lane"]).add(lane="events")
    for camera in ("gate", "yard"):
        frames.add(7, camera=camera, reason="late")
        took.observe(0.5, camera=camera)
        state.set(1, camera=camera)
    assert 'camera="gate"' in served(metrics), "nobody has said which there are"
    metrics.show_cameras(["yard"])
    took.observe(0.5, camera="gate")  # what was under way when it was taken out
    assert 'camera="gate"' not in served(metrics)
    assert 'camera="yard"' in served(metrics) and 'lane="events"' in served(metrics)
    metrics.show_cameras(["gate", "yard"])
    frames.add(1, camera="gate", reason="late")
    assert 'camera="gate",edge_device="",instance_number' in served(metrics)
    lines = [line.rpartition(" ")[2] for line in served(metrics).splitlines() if 'camera="gate"' in line]
    assert lines == ["8.0", "2.0", "2.0", "2.0", "1.0", "1.0"], "frames; two buckets, count, sum; state"


def test_what_is_kept_of_cameras_that_were_taken_out_has_an_end() -> None:
    metrics = ModuleMetrics("x_", {})
    frames = metrics.counter("frames_total", "Frames", ["camera"])
    for number in range(MOST_LEFT + 50):
        frames.add(5, camera=f"camera-{number}")
        metrics.show_cameras([f"camera-{number}"])
    assert sum("x_frames_total{" in line for line in served(metrics).splitlines()) == 1
    assert len(frames._metric._metrics) == MOST_LEFT + 1
    for camera, count in ((f"camera-{MOST_LEFT + 20}", 6.0), ("camera-0", 1.0)):
        metrics.show_cameras([camera])
        frames.add(1, camera=camera)
        (line,) = [line for line in served(metrics).splitlines() if line.startswith("x_frames_total{")]
        assert float(line.rpartition(" ")[2]) == count
