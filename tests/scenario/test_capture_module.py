"""The real capture process on the stand-in runtime, with real RTSP cameras."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from safetygear.clock import epoch_s
from safetygear.errors import FrameError
from safetygear.frames.jpeg import from_properties
from safetygear.frames.ring import FrameRingReader
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import decode, encode
from safetygear.messages.frames import CamerasMessage, FrameReference, ReadersMessage
from safetygear_workbench.cameras.authentication import Credentials
from support.camera import RunningCamera, start_camera
from support.capture_process import CaptureProcess, capture_manifest, reading, running_capture
from support.clips import make_clip, read_number
from support.frame_source import connect_as
from support.runtime import RunningRuntime, start_runtime, wait_until

pytestmark = pytest.mark.scenario

PASSWORD = "opensesame"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", fps=10, frames=50, keyframe_every=10)


@pytest.fixture
def camera(clip: Path) -> Iterator[RunningCamera]:
    with start_camera({"gate": clip, "yard": clip, "roof": clip}) as running:
        yield running


@contextlib.contextmanager
def capturing(folder: Path, cameras: dict[str, Any], **env: str) -> Iterator[tuple[RunningRuntime, CaptureProcess]]:
    with start_runtime(folder, capture_manifest(cameras)) as runtime, running_capture(runtime, folder, env) as process:
        yield runtime, process


def flows(process: CaptureProcess, camera_id: str, more: int = 3) -> None:
    """Wait until `more` further frames of the camera are sent."""
    before = len(process.references(camera_id))
    wait_until(lambda: len(process.references(camera_id)) >= before + more, 30, f"frames of {camera_id}")


def shows(process: CaptureProcess, camera_id: str, state: str, reason: str, timeout_s: float = 25.0) -> None:
    """Wait for state and reason in the reported properties."""
    found: list[Any] = []

    def look() -> bool:
        found.append(process.camera(camera_id))
        return bool(found[-1] == (state, reason))

    try:
        wait_until(look, timeout_s, f"{camera_id}: {state}, {reason}")
    except AssertionError as exc:
        raise AssertionError(f"{exc}; last {found[-1]}; log:\n{process.log()}") from None


def test_frames_lie_in_the_ring_where_their_references_say(camera: RunningCamera, tmp_path: Path) -> None:
    with capturing(tmp_path, {"gate": {"url": camera.url("gate")}}) as (runtime, process), reading(process.frames):
        flows(process, "gate", 5)
        reader = FrameRingReader(process.frames)

        def newest() -> int:
            reference = decode_reference(process.references("gate")[-1])
            assert (reference.width, reference.height, reference.clock) == (320, 180, "rtcp")
            view = reader.view(reference)
            number = read_number(view.planes[0])
            view.check()
            return number

        first = newest()
        flows(process, "gate", 3)
        assert newest() != first
        status = [entry["body"] for entry in runtime.upstream() if entry["output"] == "cameras"][-1]
        (gate,) = decode(json.dumps(status).encode(), CamerasMessage).cameras
        assert (gate.state, gate.reason, gate.codec) == ("streaming", "ok", "h264")
        assert gate.frames_decoded > gate.frames_sent > 0
        reported = process.reported()
        assert reported["config"]["status"] == "ok"
        assert runtime.call_method("capture", "ping")["payload"]["version"] == reported["version"]
        version = reported["$version"]
        flows(process, "gate", 15)
        assert process.reported()["$version"] == version, "each change of a reported property costs quota"


def test_a_quiet_camera_is_decoded_by_key_frames_until_its_reader_wants_more(
    camera: RunningCamera, tmp_path: Path
) -> None:
    """The clip has 10 pictures a second, of which each tenth is a key frame."""
    wanted: set[str] = set()
    cameras = {
        "gate": {"url": camera.url("gate"), "frames": "key-frames-when-quiet", "analysedFps": 10, "decode": "vaapi"}
    }

    def gate(process: CaptureProcess) -> dict[str, Any]:
        found: dict[str, Any] = process.status()["cameras"]["gate"]
        return found

    def numbers(process: CaptureProcess, count: int, after: int = 0) -> list[int]:
        """Of the pictures in the camera's next references, as decoded from the slots; `after`: the last decoded frame
        that is not to be looked at."""
        reader, seen = FrameRingReader(process.frames), list[int]()
        while len(seen) < count:
            before = len(process.references("gate"))
            wait_until(lambda before=before: len(process.references("gate")) > before, 30, "the next frame")  # type: ignore[misc]  # bound per loop
            reference = decode_reference(process.references("gate")[-1])
            if reference.frame <= after:
                continue
            with contextlib.suppress(FrameError):  # written over, where this machine is busy
                view = reader.view(reference)
                number = read_number(view.planes[0])
                view.check()
                seen.append(number)
        return seen

    with (
        capturing(tmp_path, cameras) as (_, process),
        reading(process.frames, every_frame=wanted),
    ):
        assert all(number % 10 == 0 for number in numbers(process, 3)), "key frames only"
        status = gate(process)
        assert (status["frames"], status["everyFrame"]) == ("key-frames-when-quiet", False)
        assert status["decoder"] in ("software", "vaapi")
        if status["decoder"] == "software":
            assert process.reported()["cameras"]["gate"]["decoderReason"] == status["decoderReason"] != ""
        wanted.add("gate")
        wait_until(lambda: bool(gate(process)["everyFrame"]), 10, "every frame")
        # Where this machine is so busy that the camera lags, only key frames are decoded for a while.
        wait_until(lambda: numbers(process, 1)[0] % 10 != 0, 30, "a picture between two key frames")
        wanted.clear()
        wait_until(lambda: not gate(process)["everyFrame"], 10, "key frames again")
        # The packet that was waited for then is still decoded, and frames of before may be on their way.
        decoded = gate(process)["framesDecoded"]
        assert all(number % 10 == 0 for number in numbers(process, 2, after=decoded + 1))
        assert gate(process)["reason"] == "ok"


def test_a_camera_is_restarted_by_a_method(camera: RunningCamera, tmp_path: Path) -> None:
    cameras = {name: {"url": camera.url(name)} for name in ("gate", "yard")}
    with capturing(tmp_path, cameras) as (runtime, process), reading(process.frames):
        flows(process, "gate")
        flows(process, "yard")
        epochs = {name: process.references(name)[-1]["epoch"] for name in cameras}
        decoded = process.status()["cameras"]["gate"]["framesDecoded"]
        answer = runtime.call_method("capture", "restartCamera", {"camera": "gate"})
        assert (answer["status"], answer["payload"]) == (200, {"camera": "gate", "starts": 2})
        wait_until(lambda: process.references("gate")[-1]["epoch"] != epochs["gate"], 20, "its new ring")
        flows(process, "gate", 3)
        assert process.status()["cameras"]["gate"]["framesDecoded"] > decoded, "the count goes on"
        assert process.references("yard")[-1]["epoch"] == epochs["yard"], "the other camera was not touched"
        answer = runtime.call_method("capture", "restartCamera", {"camera": "roof"})
        assert (answer["status"], answer["payload"]["field"]) == (404, "camera")


def test_cameras_are_added_changed_and_removed_while_others_run(camera: RunningCamera, tmp_path: Path) -> None:
    with capturing(tmp_path, {"gate": {"url": camera.url("gate")}}) as (runtime, process), reading(process.frames):
        flows(process, "gate")
        epoch = process.references("gate")[-1]["epoch"]
        runtime.patch_desired("capture", {"cameras": {"yard": {"url": camera.url("yard")}}})
        flows(process, "yard")
        runtime.patch_desired("capture", {"cameras": {"yard": {"url": camera.url("roof"), "analysedFps": 2}}})
        wait_until(lambda: "camera yard: changed" in process.log(), 10, "the change")
        flows(process, "yard")
        runtime.patch_desired("capture", {"cameras": {"yard": {"url": "rtsp://viewer:secret1@10.0.0.1/", "fps": 3}}})
        wait_until(lambda: process.reported()["config"]["status"] == "partial", 10, "the errors")
        errors = {error["path"]: error["code"] for error in process.reported()["config"]["errors"]}
        assert errors == {"cameras.yard.url": "credentials-in-url", "cameras.yard.fps": "unknown-field"}
        flows(process, "yard")  # its last good configuration
        runtime.patch_desired("capture", {"cameras": {"yard": None}})
        wait_until(lambda: "yard" not in process.reported()["cameras"], 10, "its removal")
        wait_until(lambda: not (process.frames / "yard").exists(), 10, "its ring to go")
        flows(process, "gate")
        assert process.references("gate")[-1]["epoch"] == epoch, "the other camera was not touched"
        assert "secret1" not in process.log()


def test_nothing_is_sent_while_nobody_reads(camera: RunningCamera, tmp_path: Path) -> None:
    with capturing(tmp_path, {"gate": {"url": camera.url("gate")}}) as (runtime, process):
        shows(process, "gate", "paused", "no-reader")
        wait_until(lambda: process.status()["cameras"]["gate"]["dropped"].get("no-reader", 0) > 5, 20, "the count")
        assert runtime.upstream() == []
        with reading(process.frames):
            flows(process, "gate")
            shows(process, "gate", "streaming", "ok")
        shows(process, "gate", "paused", "no-reader")
        time.sleep(1.0)  # for what was on its way
        sent = len(runtime.upstream())
        time.sleep(1.5)
        assert len(runtime.upstream()) == sent


def test_a_wrong_password_is_refused_seldom_and_works_once_it_is_right(clip: Path, tmp_path: Path) -> None:
    with start_camera({"gate": clip}, credentials=Credentials("viewer", PASSWORD)) as camera:
        config = {"url": camera.url("gate"), "username": "viewer", "password": "file:gate"}
        with capturing(tmp_path, {"gate": config}) as (_, process), reading(process.frames):
            shows(process, "gate", "refused", "secret-missing")
            (process.secrets / "gate").write_text("wrong-password\n")
            shows(process, "gate", "refused", "auth-failed", 40)
            assert process.status()["cameras"]["gate"]["framesDecoded"] == 0
            (process.secrets / "gate").write_text(PASSWORD + "\n")
            flows(process, "gate")
            text = process.log()
            assert text.count("auth-failed") == 1, text
            assert PASSWORD not in text
            assert "wrong-password" not in text
            assert PASSWORD not in str(process.reported())
            command_line = Path(f"/proc/{process.process.pid}/cmdline").read_bytes()
            assert PASSWORD.encode() not in command_line


def test_a_hung_camera_holds_up_neither_the_others_nor_the_stop(camera: RunningCamera, tmp_path: Path) -> None:
    camera.fault("yard", hang="DESCRIBE")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"
        cameras = {
            "gate": {"url": camera.url("gate")},
            "yard": {"url": camera.url("yard"), "stallBudgetS": 120},
            "roof": {"url": silent_url, "stallBudgetS": 120},
        }
        with capturing(tmp_path, cameras) as (_, process), reading(process.frames):
            flows(process, "gate", 10)
            started_s = time.monotonic()
            assert process.stop() == 0, process.log()
            assert time.monotonic() - started_s < 10
            assert "Traceback" not in process.log()
            assert not (process.frames / "gate").exists()


def test_after_a_kill_the_rings_are_new(camera: RunningCamera, tmp_path: Path) -> None:
    with capturing(tmp_path, {"gate": {"url": camera.url("gate")}}) as (_, process), reading(process.frames):
        flows(process, "gate")
        old = decode_reference(process.references("gate")[-1])
        (process.frames / "left-behind").write_bytes((process.frames / "gate").read_bytes()[:4096])
        process.process.kill()
        process.process.wait()
        assert (process.frames / "gate").exists()
        process.start()
        wait_until(lambda: process.references("gate")[-1]["epoch"] != old.epoch, 30, "a new epoch")
        assert not (process.frames / "left-behind").exists()


def test_a_mistake_in_the_twin_and_a_power_cut_cost_no_camera(camera: RunningCamera, tmp_path: Path) -> None:
    gate, yard = {"url": camera.url("gate")}, {"url": camera.url("yard")}
    with capturing(tmp_path, {"gate": gate}) as (runtime, process), reading(process.frames):
        flows(process, "gate")
        kept = process.data / "last-good-twin.json"
        wait_until(lambda: kept.exists() and "gate" in kept.read_text(), 10, "it on the disk")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        runtime.patch_desired("capture", {"cameras": {"gate": {"url": "htp://10.0.0.12/1"}, "yard": yard}})
        flows(process, "yard")
        process.end()
        process.start()
        flows(process, "gate")
        flows(process, "yard")

        def told() -> bool:
            errors = process.reported().get("config", {}).get("errors", [])
            return any("of an earlier run, is in force" in error["message"] for error in errors)

        wait_until(told, 10, "whose value is in force")
        (error,) = process.reported()["config"]["errors"]
        assert (error["path"], error["code"]) == ("cameras.gate.url", "bad-format")
        process.end()
        kept.write_bytes(kept.read_bytes()[:100])
        process.start()
        flows(process, "yard")
        shows(process, "gate", "refused", "config-invalid")
        assert process.log().count("last-good-twin.json is damaged") == 1
        assert "Traceback" not in process.log()


def test_while_the_hub_is_away_frames_are_dropped_not_kept(camera: RunningCamera, tmp_path: Path) -> None:
    with capturing(tmp_path, {"gate": {"url": camera.url("gate")}}) as (runtime, process), reading(process.frames):
        flows(process, "gate")
        runtime.kill()
        time.sleep(4)
        away_s = time.time()
        time.sleep(2)
        runtime.restart()
        flows(process, "gate")
        late = [
            reference
            for reference in process.references("gate")
            if away_s < epoch_s(reference["capturedAt"]) < away_s + 2
        ]
        assert len(late) <= 1, "one may have been on its way"
        dropped = process.status()["cameras"]["gate"]["dropped"]
        assert dropped["hub-away"] + dropped.get("hub-timeout", 0) >= 5, dropped


def test_jpeg_transport(camera: RunningCamera, tmp_path: Path) -> None:
    """Pictures in the messages, and readers that show themselves by message."""

    async def beat(runtime: RunningRuntime, process: CaptureProcess) -> None:
        hub = await connect_as(runtime.module_env("reader"))
        message = ReadersMessage(instance="test", shards=["default"])
        try:
            for _ in range(60):
                await hub.send(OutgoingMessage("readers", encode(message)))
                await asyncio.sleep(0.5)
                if sum(entry["output"] == "frames" for entry in runtime.upstream()) > 3:
                    return
        finally:
            await hub.close()

    with capturing(tmp_path, {"gate": {"url": camera.url("gate")}}, SAFETYGEAR_FRAMES_TRANSPORT="jpeg") as (
        runtime,
        process,
    ):
        asyncio.run(beat(runtime, process))
        frames = [entry for entry in runtime.upstream() if entry["output"] == "frames"]
        assert frames, process.log()
        reference = from_properties(frames[-1]["properties"])
        assert (reference.camera, reference.width, frames[-1]["properties"]["shard"]) == ("gate", 320, "default")
        assert not (process.frames / "gate").exists()


def test_what_no_restart_cures_is_a_named_problem(camera: RunningCamera, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with capturing(tmp_path, {}, SAFETYGEAR_FRAMES_DIR=str(missing)) as (runtime, process):
        wait_until(lambda: set(process.reported().get("problems", {})) == {"frames", "cameras"}, 20, "two problems")
        problems = process.reported()["problems"]
        assert problems["frames"]["code"] == "ring-folder-missing"
        assert problems["cameras"]["code"] == "no-camera"
        runtime.patch_desired("capture", {"cameras": {"gate": {"url": camera.url("gate")}}})
        shows(process, "gate", "paused", "ring-folder-missing")
        missing.mkdir()
        with reading(missing):
            flows(process, "gate")
            wait_until(lambda: not process.reported().get("problems"), 10, "no problem")
        for code in ("ring-folder-missing", "no-camera"):
            assert process.log().count(f"{code}: ") == 2, "one line when it comes, one when it goes"
        assert process.process.poll() is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SAFETYGEAR_FRAMES_TRANSPORT", "carrier-pigeon"),
        ("SAFETYGEAR_LOG_LEVEL", "LOUD"),
        ("SAFETYGEAR_METRICS_LISTEN", "9600"),
        ("SAFETYGEAR_INSTANCE", "a b"),
    ],
)
def test_a_wrong_variable_is_one_line_and_exit_2(variable: str, value: str) -> None:
    result = run_alone({variable: value})
    (line,) = result.stdout.splitlines()
    assert result.returncode == 2
    assert variable in line
    assert value in line
    assert result.stderr == ""


def test_outside_of_iot_edge_it_says_how_to_start_it() -> None:
    result = run_alone({"SAFETYGEAR_METRICS_LISTEN": "off"})
    assert result.returncode == 2
    assert "safetygear simulate" in result.stdout.splitlines()[-1]
    assert "Traceback" not in result.stdout + result.stderr


def test_sigterm_while_the_hub_can_not_be_reached(tmp_path: Path) -> None:
    with start_runtime(tmp_path, capture_manifest({})) as runtime:
        environment = runtime.process_env("capture")
        runtime.kill()
        environment |= {"SAFETYGEAR_METRICS_LISTEN": "off", "SAFETYGEAR_FRAMES_DIR": str(tmp_path)}
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "safetygear_capture"], env=environment, stdout=output, stderr=output
            )
        try:
            wait_until(lambda: b"can't be reached" in log.read_bytes(), 20, "the line about it")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert b"Traceback" not in log.read_bytes()
        finally:
            if process.poll() is None:
                process.kill()


def decode_reference(reference: dict[str, Any]) -> FrameReference:
    return msgspec.convert(reference, FrameReference)


def run_alone(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("IOTEDGE_", "EdgeHub"))}
    return subprocess.run(
        [sys.executable, "-m", "safetygear_capture"], env=kept | env, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
