"""`safetygear camera serve` and `camera probe` as processes, one looking at the other."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clips import make_clip
from support.simulation import command, environment, run

pytestmark = pytest.mark.scenario

SECRET = "sesame/77"
QUOTED = "sesame%2F77"


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[str]:
    """host:port of a server with `gate` (H.264), `yard` (H.265) and a password."""
    gate = make_clip(tmp_path / "gate.mp4", frames=50)
    yard = make_clip(tmp_path / "x.mp4", codec="hevc", width=640, height=360, frames=50)
    full = command("camera", "serve", str(gate), f"yard={yard}", "--port", "0", "--user", "viewer")
    env = environment({"SAFETYGEAR_CAMERA_PASSWORD": SECRET})
    with subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as process:
        assert process.stdout is not None
        urls = [process.stdout.readline().strip() for _ in range(2)]
        try:
            assert [url.rpartition("/")[2] for url in urls] == ["gate", "yard"]
            assert SECRET.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
            yield urls[0].removeprefix("rtsp://").partition("/")[0]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_stream_is_measured_and_its_password_named_by_a_secret(camera: str, transport: str) -> None:
    env = {"SAFETYGEAR_CAMERA_URL": f"rtsp://viewer:{QUOTED}@{camera}/yard"}
    done = run("camera", "probe", "--json", "--id", "yard", "--seconds", "4", "--transport", transport, env=env)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    stream = result["stream"]
    assert (stream["codec"], stream["width"], stream["height"]) == ("hevc", 640, 360)
    assert stream["fps"] == pytest.approx(25, rel=0.2)
    assert stream["keyframeIntervalS"] == pytest.approx(1, rel=0.2)
    assert stream["rtcp"]["present"]
    assert abs(stream["rtcp"]["clockOffsetS"]) < 2
    assert stream["bitrateKbps"] > 0
    expected = {"url": f"rtsp://{camera}/yard", "username": "viewer", "password": "file:yard"}
    if transport == "udp":
        expected["transport"] = "udp"
    assert result["twin"]["properties"]["desired"] == {"cameras": {"yard": expected}}
    assert "sesame" not in done.stdout + done.stderr


def test_for_people_it_ends_with_what_to_paste(camera: str) -> None:
    env = {"SAFETYGEAR_CAMERA_PASSWORD": SECRET}
    done = run("camera", "probe", f"rtsp://viewer@{camera}/gate", "--seconds", "3", env=env)
    assert done.returncode == 0, done.stderr
    assert "h264" in done.stdout
    assert "320 x 180" in done.stdout
    assert '"password": "file:camera-1"' in done.stdout
    assert "sudo install -D -m 440 -g 10001 /dev/stdin /etc/safetygear/secrets/camera-1" in done.stdout
    assert "sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("rtsp://viewer:wrong-sesame@{camera}/gate", "auth-failed"),
        ("rtsp://{camera}/gate", "auth-failed"),
        (f"rtsp://viewer:{QUOTED}@{{camera}}/none", "not-found"),
        (f"rtsp://viewer:{QUOTED}@{{camera}}/gate?status=453", "busy"),
        ("rtsp://127.0.0.1:1/gate", "refused-connection"),
        ("rtsp://no-such-host.invalid/gate", "host-unknown"),
    ],
)
def test_a_camera_that_does_not_stream_has_a_reason_and_advice(camera: str, url: str, reason: str) -> None:
    env = {"SAFETYGEAR_CAMERA_URL": url.format(camera=camera)}
    told = run("camera", "probe", env=env)
    assert told.returncode == 1
    last = told.stderr.splitlines()[-1]
    assert last.startswith("safetygear: rtsp://")
    assert f"({reason}). " in last
    assert told.stdout == ""
    machine = run("camera", "probe", "--json", env=env)
    assert machine.returncode == 1
    result = json.loads(machine.stdout)
    assert (result["ok"], result["reason"], len(result["hints"])) == (False, reason, 1)
    assert "sesame" not in told.stderr + machine.stdout + machine.stderr
