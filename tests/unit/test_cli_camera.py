"""`safetygear camera`: what is served and under which name, what a probe finds out and advises, and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safetygear.camera_reasons import EXPLANATIONS
from safetygear.errors import UserError
from safetygear_workbench.cameras.faults import Faults
from safetygear_workbench.cameras.probing import ADVICE, ProbeResult, StreamMeter, failed_words
from safetygear_workbench.cameras.serving import parse_camera_faults, parse_clips
from safetygear_workbench.cli.main import main


def meter(
    *, fps: float = 10.0, seconds: float = 6.0, keyframe_every: int = 20, camera_ahead_s: float | None = None
) -> StreamMeter:
    """A regular stream that began half a second after it was open."""
    measured = StreamMeter(started_s=100.0)
    for number in range(int(fps * seconds)):
        at_s = number / fps
        delay_s = 0.2 if number % 2 else 0.05
        measured.picture(
            width=640, height=360, pts_s=7.0 + at_s if number else None,
            keyframe=number % keyframe_every == 0, corrupt=False,
            camera_s=None if camera_ahead_s is None else 1000.0 + at_s + camera_ahead_s - delay_s,
            now_s=100.5 + at_s, wall_s=1000.0 + at_s,
        )  # fmt: skip
    return measured


def test_a_regular_stream_is_measured() -> None:
    measured = meter(camera_ahead_s=3.0)
    assert (measured.fps, measured.keyframe_interval_s, measured.first_picture_after_s) == (10.0, 2.0, 0.5)
    assert measured.clock_offset_s == 2.95
    assert meter().clock_offset_s is None
    assert meter(keyframe_every=1000).keyframe_interval_s is None
    assert StreamMeter(0.0).fps is None


def test_without_media_time_arrival_counts() -> None:
    measured = StreamMeter(0.0)
    for number in range(11):
        measured.picture(
            width=64, height=36, pts_s=5.0, camera_s=None, keyframe=False, corrupt=False, now_s=number / 5, wall_s=0.0
        )
    assert measured.fps == 5.0


def result(**changes: Any) -> ProbeResult:
    fields: dict[str, Any] = {
        "url": "rtsp://10.0.0.1/1", "transport": "tcp", "reason": "ok", "camera_id": "gate", "codec": "h264",
        "width": 640, "height": 360, "fps": 10.0, "keyframe_interval_s": 2.0, "bitrate_kbps": 900.0,
        "clock_offset_s": -0.1, "first_picture_after_s": 0.5,
    }  # fmt: skip
    return ProbeResult(**{**fields, **changes})


def test_the_fragment_names_a_secret_instead_of_a_password() -> None:
    with_password = result(username="viewer", has_password=True, transport="udp", tls_verify=False)
    assert with_password.twin_fragment() == {
        "cameras": {
            "gate": {
                "url": "rtsp://10.0.0.1/1",
                "username": "viewer",
                "password": "file:gate",
                "transport": "udp",
                "tlsVerify": False,
            }
        }
    }
    assert with_password.lines_to_paste()[-1].endswith("/etc/safetygear/secrets/gate")
    assert result().twin_fragment() == {"cameras": {"gate": {"url": "rtsp://10.0.0.1/1"}}}
    assert json.loads("".join(result().lines_to_paste())) == result().twin_fragment()


def test_the_fragment_is_what_capture_takes() -> None:
    import msgspec

    from safetygear_capture.config import CaptureTwin

    fragment = result(username="viewer", has_password=True).twin_fragment()
    camera = msgspec.convert(fragment, CaptureTwin).cameras["gate"]
    assert (camera.username, camera.password) == ("viewer", "file:gate")
    assert list(camera.check()) == []


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"keyframe_interval_s": 10.0}, "key frame"),
        ({"keyframe_interval_s": None}, "key frame"),
        ({"width": 1920}, "subStreamUrl"),
        ({"clock_offset_s": 3.0}, "NTP"),
        ({"clock_offset_s": -60.0}, "NTP"),
        ({"corrupt": 3}, "damaged"),
    ],
)
def test_what_should_be_changed_is_said(changes: dict[str, Any], hint: str) -> None:
    assert result().hints() == []
    (said,) = result(**changes).hints()
    assert hint in said


def test_every_reason_a_probe_can_have_is_one_of_captures_and_has_advice() -> None:
    assert ADVICE.keys() <= EXPLANATIONS.keys()
    anonymous = " ".join(failed_words(result(reason="auth-failed")))
    assert anonymous.endswith("names no user: write rtsp://USER@HOST/PATH, and the password is asked for.")
    words = " ".join(failed_words(result(reason="auth-failed", username="viewer", has_password=True)))
    assert words.startswith(
        "rtsp://10.0.0.1/1: the camera refuses user name or password (auth-failed). Check user name"
    )
    failed = result(reason="auth-failed").as_json()
    assert (failed["ok"], failed["stream"], failed["twin"]) == (False, None, None)


def test_clips_have_names(tmp_path: Path) -> None:
    odd = tmp_path / "a=b.mp4"
    odd.touch()
    assert parse_clips(["clips/gate.mp4", "yard=clips/x.mp4"]) == {
        "gate": Path("clips/gate.mp4"),
        "yard": Path("clips/x.mp4"),
    }
    with pytest.raises(UserError, match="no camera name"):
        parse_clips([str(odd)])
    with pytest.raises(UserError, match="two cameras 'gate'"):
        parse_clips(["gate.mp4", "gate=other.mp4"])


def test_faults_are_for_one_camera_or_all() -> None:
    faults = parse_camera_faults(["stall_after_s=10", "yard:freeze", "yard:status=404"], ["gate", "yard"])
    assert faults == {"gate": Faults(stall_after_s=10.0), "yard": Faults(stall_after_s=10.0, freeze=True, status=404)}
    assert parse_camera_faults([], ["gate"]) == {}
    for text, says in (("ward:freeze", "no camera 'ward'"), ("melt", "no camera fault"), ("loss=much", "can't be")):
        with pytest.raises(UserError, match=says):
            parse_camera_faults([text], ["gate"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["camera", "probe"], "which camera? Give its URL"),
        (["camera", "probe", "http://10.0.0.1/1"], "is not RTSP"),
        (["camera", "probe", "rtsp://v:sesame@10.0.0.1/1?token=sesame"], "password or token in its path or query"),
        (["camera", "probe", "rtsp://10.0.0.1/1", "--transport", "pigeon"], "'pigeon' is not one of 'tcp', 'udp'"),
        (["camera", "probe", "rtsp://10.0.0.1/1", "--id", "a b"], "no camera id"),
        (["camera", "probe", "rtsp://10.0.0.1/1", "--seconds", "0"], "--seconds is 0"),
        (["camera", "serve", "nowhere.mp4"], "there is no clip nowhere.mp4"),
        (["camera", "serve", "--port", "70000"], "--port is 70000"),
        (["camera", "serve", "--user", "viewer"], "SAFETYGEAR_CAMERA_PASSWORD"),
        (["camera", "serve", "--fault", "melt"], "no camera fault 'melt'"),
        (["camera", "serve", "--fault", "switch_to=other"], "no such camera"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SAFETYGEAR_CAMERA_URL", "SAFETYGEAR_CAMERA_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1, printed.err
    assert says in printed.err
    assert "sesame" not in printed.err + printed.out


def test_a_password_is_asked_for_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from safetygear_workbench.cli import camera

    asked = []

    def prompt(text: str, **options: Any) -> str:
        asked.append((text, options["hide_input"]))
        return "sesame" if text.startswith("Password") else "rtsp://viewer@10.0.0.1/1"

    for variable in ("SAFETYGEAR_CAMERA_URL", "SAFETYGEAR_CAMERA_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(camera.typer, "prompt", prompt)
    address = camera._address(None)
    assert (address.url, address.password and address.password.reveal()) == ("rtsp://10.0.0.1/1", "sesame")
    assert asked == [("Camera's URL (rtsp://…; not shown)", True), ("Password of viewer", True)]
    asked.clear()
    monkeypatch.setenv("SAFETYGEAR_CAMERA_PASSWORD", "other")
    given = camera._address("rtsp://viewer@10.0.0.1/1")
    assert given.password is not None
    assert (given.password.reveal(), asked) == ("other", [])


def test_help_on_an_ascii_terminal() -> None:
    given = [sys.executable, "-m", "safetygear_workbench", "camera", "serve", "--help"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(given, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--fault" in done.stdout
