"""/metrics is for the collector; whoever else connects gets no thread to keep, and no traceback into our output."""

from __future__ import annotations

import socket
import struct
import urllib.request
from collections.abc import Iterator

import pytest

from safetygear import telemetry
from safetygear.listen import Listen
from safetygear.telemetry import ModuleMetrics

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
