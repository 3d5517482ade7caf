"""Listen addresses, and the metrics that are served on one."""

from __future__ import annotations

import logging
import socket
import urllib.request
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import UserError
from safetygear.listen import Listen, parse_listen
from safetygear.telemetry import ModuleMetrics

ENVIRON = {"IOTEDGE_IOTHUBHOSTNAME": "hub", "IOTEDGE_DEVICEID": "dev", "IOTEDGE_MODULEID": "capture"}


@pytest.mark.parametrize(
    ("text", "listen", "loopback"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080), True),
        (" localhost:0\n", Listen("localhost", 0), True),
        ("127.9.9.9:1", Listen("127.9.9.9", 1), True),
        ("[::1]:65535", Listen("::1", 65535), True),
        ("0.0.0.0:8080", Listen("0.0.0.0", 8080), False),
        ("[::]:8080", Listen("::", 8080), False),
        ("gate.site:80", Listen("gate.site", 80), False),
        ("localhost.evil:80", Listen("localhost.evil", 80), False),
    ],
)
def test_addresses(text: str, listen: Listen, loopback: bool) -> None:
    assert parse_listen(text) == listen
    assert listen.is_loopback is loopback
    assert parse_listen(str(listen)) == listen


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "host", "host:", "host:x", "host:65536", "host:-1", "::1:80", "a b:1", "http://h:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError, match="HOST:PORT, such as"):
        parse_listen(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused_in_one_line(text: str) -> None:
    try:
        assert 0 <= parse_listen(text).port <= 65535
    except UserError as exc:
        assert len(str(exc).splitlines()) == 1


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text: str = response.read().decode()
    return text


def samples(text: str) -> dict[str, float]:
    lines = (line for line in text.splitlines() if not line.startswith("#") and "_created" not in line)
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_carry_the_labels_of_iot_edges_own() -> None:
    metrics = ModuleMetrics("safetygear_capture_", ENVIRON)
    counter = metrics.counter("frames", "Frames.", ("camera",))
    gauge = metrics.gauge("cameras", "Cameras.", ("camera",))
    histogram = metrics.histogram("latency_s", "Latency.", buckets=(0.1, 1.0))
    counter.add(camera="gate")
    counter.add(2, camera="gate")
    gauge.set(3, camera="gone")
    gauge.clear()
    gauge.set(4, camera="gate")
    histogram.observe(0.5)
    port = metrics.serve(Listen("127.0.0.1", 0))
    assert port
    try:
        text = scraped(port)
    finally:
        metrics.close()
    found = samples(text)
    [frames] = [name for name in found if name.startswith("safetygear_capture_frames_total")]
    assert found[frames] == 3
    for label in ('iothub="hub"', 'edge_device="dev"', 'module_name="capture"', 'camera="gate"'):
        assert label in frames
    instance = frames.partition('instance_number="')[2].partition('"')[0]
    assert instance and instance != ModuleMetrics("x", ENVIRON)._common["instance_number"]
    assert [found[name] for name in found if name.startswith("safetygear_capture_cameras")] == [4]
    assert [found[n] for n in found if "latency_s_bucket" in n] == [0, 1, 1]
    with pytest.raises(OSError, match="refused"):
        scraped(port)
    metrics.close()


def test_an_address_in_use_is_one_line_and_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: Any = taken.getsockname()[1]
        with caplog.at_level(logging.ERROR):
            assert ModuleMetrics("x_", {}).serve(Listen("127.0.0.1", port)) is None
    [record] = caplog.records
    assert (
        f"can't listen on 127.0.0.1:{port} (Address already in use); set SAFETYGEAR_METRICS_LISTEN"
        in record.getMessage()
    )
    assert record.exc_info is None


def test_without_an_address_nothing_listens() -> None:
    assert ModuleMetrics("x_", {}).serve(None) is None
