"""What a simulation may be asked, and the one line for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.errors import UserError
from safetygear_workbench.simulation.options import (
    SimulatedCamera,
    SimulateOptions,
    check,
    demo_cameras,
    demo_seconds,
    names_of,
    parse_camera,
    parse_seconds,
)


def test_a_camera_is_a_url_or_a_file(tmp_path: Path) -> None:
    clip = tmp_path / "clip=1.mp4"
    clip.touch()
    gate, yard = parse_camera("gate=rtsp://viewer:sesame@10.0.0.1/1?a=b"), parse_camera(f"yard={clip}")
    assert gate.address is not None
    assert gate.address.url == "rtsp://10.0.0.1/1?a=b"
    assert (yard.id, yard.clip) == ("yard", clip.resolve())
    assert names_of([gate, yard]) == f"gate = rtsp://10.0.0.1/1?a=b, yard = {clip}"
    assert "sesame" not in repr(gate)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rtsp://viewer:sesame@10.0.0.1/1", "has no id"),
        ("rtsp://viewer:sesame@10.0.0.1/1?a=b", "has no id"),
        ("clip.mp4", "has no id"),
        ("=clip.mp4", "is no camera id"),
        ("a b=clip.mp4", "is no camera id"),
        (f"{'a' * 65}=clip.mp4", "is no camera id"),
        ("gate=", "--camera gate is empty"),
        ("gate=nowhere.mp4", "--camera gate: there is no clip nowhere.mp4"),
        ("gate=http://10.0.0.1/1", "--camera gate: http://10.0.0.1/1 is not RTSP"),
    ],
)
def test_a_wrong_camera_is_one_line(text: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_camera(text)
    assert says in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_the_demo_reads_its_environment(tmp_path: Path) -> None:
    assert demo_cameras({}) == demo_cameras({"SAFETYGEAR_DEMO_CAMERA": ""}) == ()
    assert (demo_seconds({}), demo_seconds({"DEMO_SECONDS": " 60 "})) == (None, 60.0)
    (camera,) = demo_cameras({"SAFETYGEAR_DEMO_CAMERA": "rtsp://v:p@10.0.0.1/1"})
    assert camera.id == "camera"
    with pytest.raises(UserError, match="CAMERA: there is no clip"):
        demo_cameras({"SAFETYGEAR_DEMO_CAMERA": str(tmp_path / "none.mp4")})


@pytest.mark.parametrize("text", ["", "abc", "0", "-5", "nan", "inf", "604801", "1e9", "60s"])
def test_seconds_are_a_number_in_bounds(text: str) -> None:
    with pytest.raises(UserError, match=r"DEMO_SECONDS is .*: give a number of seconds from 1"):
        parse_seconds(text, "DEMO_SECONDS")


def test_options_that_do_not_go_together() -> None:
    gate = SimulatedCamera("gate", clip=Path("a.mp4"))
    with pytest.raises(UserError, match="two cameras 'gate'"):
        check(SimulateOptions(cameras=(gate, gate)))
    with pytest.raises(UserError, match="belong together"):
        check(SimulateOptions(offline_after_s=3))
    with pytest.raises(UserError, match="belong together"):
        check(SimulateOptions(offline_for_s=3))
