"""What people do wrong: each gives one line that says what and what to do, never a traceback, never a secret."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear_workbench.cameras.authentication import Credentials
from support.camera import start_camera
from support.clips import make_clip
from support.simulation import REPOSITORY, TEMPLATE, command, run, simulating

pytestmark = pytest.mark.scenario

SECRET = "sesame-77"


@pytest.fixture
def solution(tmp_path: Path) -> Path:
    """A folder with everything but a manifest, for manifests that a test makes."""
    folder = tmp_path / "solution"
    folder.mkdir()
    for name in ("modules", "module.json", ".env.example"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


def changed_template(solution: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = json.loads(TEMPLATE.read_text())
    change(content["modulesContent"])
    path = solution / "deployment.json"
    path.write_text(json.dumps(content))
    return path


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert text.startswith("safetygear: ")
    assert "Traceback" not in text
    assert SECRET not in text
    return text


# What is found before a process is started


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        (["--manifest", "nowhere.json"], {}, "nowhere.json does not exist. Name one with --manifest."),
        (["--manifest", "{folder}"], {}, "can't be read"),
        (["--manifest", "{broken}"], {}, "is not JSON: Expecting ',' delimiter at line 1, column 9"),
        (["--manifest", "{other}"], {}, "there is no object modulesContent. Is it a deployment manifest?"),
        (["--camera", f"rtsp://viewer:{SECRET}@cam/1"], {}, "has no id: write ID=URL or ID=FILE"),
        (["--camera", "gate=nowhere.mp4"], {}, "there is no clip nowhere.mp4"),
        (["--camera", "gate={broken}"], {}, "can't be read as a video"),
        (["--camera", f"gate=http://viewer:{SECRET}@cam/1"], {}, "is not RTSP: a camera's URL begins with rtsp://"),
        (["--camera", f"gate=rtsp://cam/1?password={SECRET}"], {}, "has a password or token in its path or query"),
        (["--camera", f"gate=rtsp://v:a@{SECRET}/b@cam/1"], {}, "%2F"),
        (["--for", "soon"], {}, "--for is 'soon': give a number of seconds"),
        (["--demo"], {"DEMO_SECONDS": "soon"}, "DEMO_SECONDS is 'soon': give a number of seconds"),
        (["--demo"], {"SAFETYGEAR_DEMO_CAMERA": "nowhere.mp4"}, "CAMERA: there is no clip nowhere.mp4"),
        (["--demo"], {"SAFETYGEAR_DEMO_CAMERA": "{broken}"}, "can't be read as a video"),
        (["--demo"], {"SAFETYGEAR_DEMO_CAMERA": f"ftp://v:{SECRET}@cam/1"}, "is not RTSP"),
        (["--offline-after", "3"], {}, "belong together"),
        (["--messages", "{folder}/none/out.jsonl"], {}, "can't be written: No such file or directory"),
        (["--state", "{broken}"], {}, "can't be used: File exists. Choose another with --state."),
        (["--colour", "red"], {}, "No such option"),
    ],
)
def test_before_the_start(tmp_path: Path, arguments: list[str], env: dict[str, str], says: str) -> None:
    names = {"folder": str(tmp_path), "broken": str(tmp_path / "broken"), "other": str(tmp_path / "other")}
    (tmp_path / "broken").write_text('{"a": 1 "b"}')
    (tmp_path / "other").write_text('{"a": 1}')

    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    full = ["simulate", "--manifest", str(TEMPLATE), "--state", str(tmp_path / "state")]
    done = run(*full, *map(filled, arguments), env={name: filled(value) for name, value in env.items()})
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in one_line(done.stderr)
    assert done.stdout == ""


def test_from_another_folder_the_manifest_is_asked_for(tmp_path: Path) -> None:
    done = run("simulate", cwd=tmp_path)
    assert done.returncode == 2
    assert "deployment.template.json does not exist. Name one with --manifest." in one_line(done.stderr)


def test_broken_twin_json(tmp_path: Path) -> None:
    done = run("twin", "set", "capture", '{"cameras": ', cwd=tmp_path)
    assert done.returncode == 2
    assert "JSON" in one_line(done.stderr)


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("camera", "serve", "--port", port)
    assert done.returncode == 2
    assert f"can't serve cameras on 127.0.0.1:{port}: the port is in use. Choose another --port." in one_line(
        done.stderr
    )


# What only the hub finds


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        (lambda content: _routes(content).update(bad="FROM nowhere INTO $upstream"), [], "route"),
        (lambda content: None, ["--listen", "203.0.113.7"], "can't listen on 203.0.113.7:8883"),
    ],
    ids=["a broken route", "an address of somebody else"],
)
def test_what_the_hub_refuses(
    solution: Path, tmp_path: Path, change: Callable[[Any], None], arguments: list[str], says: str
) -> None:
    manifest = changed_template(solution, change)
    done = run("simulate", "--manifest", str(manifest), "--state", str(tmp_path / "state"), *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in one_line(done.stderr)
    assert "Traceback" not in done.stdout


def _routes(content: dict[str, Any]) -> dict[str, Any]:
    routes: dict[str, Any] = content["$edgeHub"]["properties.desired"]["routes"]
    return routes


# What is a named state of a run that goes on


def test_what_a_restart_would_not_cure_is_a_named_state(solution: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "gate.mp4", frames=50)

    def change(content: dict[str, Any]) -> None:
        desired = content["inference"]["properties.desired"]
        desired["model"] = {"name": "no-such-model"}
        desired["visibility"] = {"darkBelow": "very"}

    manifest = changed_template(solution, change)
    with start_camera({"yard": clip}, credentials=Credentials("warden", SECRET)) as camera:
        arguments = [
            "--manifest", str(manifest), "--camera", f"good={clip}",
            "--camera", f"password=rtsp://warden:wrong-{SECRET}@127.0.0.1:{camera.port}/yard",
            "--camera", f"path=rtsp://warden:{SECRET}@127.0.0.1:{camera.port}/none",
            "--camera", "nobody=rtsp://127.0.0.1:1/1", "--camera", "host=rtsp://no-such-host.invalid/1",
        ]  # fmt: skip
        with simulating(tmp_path / "run", *arguments) as simulation:
            for text in (
                "camera password: refused - the camera refuses user name or password (auth-failed)",
                "camera path: refused - the camera has no stream at this path (not-found)",
                "camera nobody: backing-off - nothing listens on the camera's port (refused-connection)",
                "camera host: backing-off - the camera's host name is not known to DNS (host-unknown)",
                "inference: desired property visibility.darkBelow: ",
                "inference: the model is refused: ",
                "no-such-model",
            ):
                simulation.until_says(text)
            assert simulation.messages("detections") == []
            patch = {"cameras": {"leak": {"url": f"rtsp://warden:{SECRET}@127.0.0.1:9/1"}}}
            refused = run("twin", "set", "capture", json.dumps(patch), "--state", str(simulation.state))
            assert refused.returncode == 2
            assert "credentials in cameras.leak.url" in one_line(refused.stderr)
            patch = {"cameras": {"odd": {"url": "rtsp://127.0.0.1:9/1", "analysedFps": "many"}}}
            set_twin(simulation.state, "capture", patch)
            simulation.until_says("capture: desired property cameras.odd.analysedFps: ")
            set_twin(simulation.state, "inference", {"model": None})
            simulation.until_says("inference: model is in order again")
            simulation.until_detections(2)
            assert simulation.stop() == 0
            everything = simulation.everything()
            assert "Traceback" not in everything
            assert SECRET not in everything


def set_twin(state: Path, module: str, patch: dict[str, Any]) -> None:
    done = run("twin", "set", module, json.dumps(patch), "--state", str(state))
    assert done.returncode == 0, done.stderr


def test_a_missing_frames_folder(solution: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        modules = content["$edgeAgent"]["properties.desired"]["modules"]
        for name in ("capture", "inference"):
            modules[name]["env"]["SAFETYGEAR_FRAMES_DIR"]["value"] = str(tmp_path / "nowhere")

    manifest = changed_template(solution, change)
    with simulating(tmp_path / "run", "--manifest", str(manifest)) as simulation:
        simulation.until_says("nowhere is not there: mount the shared frames folder, or set SAFETYGEAR_FRAMES_DIR")
        simulation.until_says("camera demo: paused")
        (tmp_path / "nowhere").mkdir()
        simulation.until_detections(2)
        assert simulation.stop() == 0
        assert "Traceback" not in simulation.everything()


def test_a_wrong_password_given_to_make_demo_shows_and_ends_with_1(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "gate.mp4", frames=50)
    with start_camera({"yard": clip}, credentials=Credentials("warden", SECRET)) as camera:
        env = {
            "SAFETYGEAR_DEMO_CAMERA": f"rtsp://warden:wrong-{SECRET}@127.0.0.1:{camera.port}/yard",
            "DEMO_SECONDS": "30",
        }
        with simulating(tmp_path / "run", "--demo", env=env) as simulation:
            assert simulation.wait(70) == 1, simulation.everything()
            assert "camera camera: refused - the camera refuses user name or password" in simulation.output
            last = simulation.output.splitlines()[-1]
            assert "no detection came in" in last and "camera camera: refused" in last
            assert SECRET not in simulation.everything()


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MB of file system."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("needs root and mount")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the space there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


def test_a_disk_that_is_full_at_the_start(small_disk: Path) -> None:
    (small_disk / "state").mkdir()
    fill(small_disk)
    done = run("simulate", "--manifest", str(TEMPLATE), "--state", str(small_disk / "state"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "No space left on device. Choose another --state folder." in one_line(done.stderr)


def test_a_disk_that_fills_up_and_is_cleared(small_disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "state").symlink_to(small_disk)
    with simulating(folder) as simulation:
        simulation.until_detections(2)
        filler = fill(small_disk)
        simulation.until_says("Free some space.")
        filler.unlink()
        # A client whose network thread the end of the hub has cost is noticed by the second probe at the latest.
        simulation.until_says("s after the end of hub", 150)
        assert simulation.stop() == 0
        assert "Traceback" not in simulation.everything()


def test_help_says_the_exit_codes() -> None:
    for arguments in (["simulate"], ["camera", "serve"], ["camera", "probe"]):
        shown = run(*arguments, "--help")
        assert shown.returncode == 0
        assert "Exit codes" in shown.stdout
    assert command("simulate")[0] == sys.executable
