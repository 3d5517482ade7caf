"""Every command of the README: run here as written, or named with what runs it instead."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from safetygear_inference.pixels import encode_jpeg, to_bgr
from safetygear_workbench.simulation.options import DEMO_CLIP
from support.camera import start_camera
from support.onnx_models import convolutional_compact
from support.pictures import scene_frames
from support.runtime import wait_until

pytestmark = pytest.mark.scenario

REPOSITORY = Path(__file__).parents[2]
CAMERA_URL = "rtsp://10.0.0.12/stream1"
"""The README's camera; the test puts a real one in its place."""
START_S = 90

RUN_HERE = {
    "make demo",
    "DEMO_SECONDS=60 make demo",
    ".venv/bin/safetygear twin get capture",
    """.venv/bin/safetygear twin set inference '{"detections":{"policy":"changes"}}'""",
    ".venv/bin/safetygear method call inference getStatus",
    f".venv/bin/safetygear camera probe {CAMERA_URL}",
    f"CAMERA={CAMERA_URL} make demo",
    ".venv/bin/safetygear simulate --camera gate=clip.mp4 --camera yard=clip.mp4 --for 40 --offline-after 10 "
    "--offline-for 10 --messages out.jsonl",
    ".venv/bin/safetygear replay out.jsonl --config twin.json",
    ".venv/bin/safetygear model inspect export.zip",
    ".venv/bin/safetygear detect export.zip picture.jpg --save out",
    ".venv/bin/safetygear model pack export.zip -o site-ppe.zip --golden picture.jpg",
    ".venv/bin/safetygear model verify site-ppe.zip",
}
ELSEWHERE = {
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "iotedgedev genconfig -f deployment.template.json -P amd64": "tests/manifest/test_edge_tools.py",
    "cp .env.example .env": "tests/manifest/test_edge_tools.py",
    "iotedgedev build -P amd64 && iotedgedev push -P amd64": "needs a container engine and a registry",
    "az iot edge set-modules --hub-name HUB --device-id DEVICE --content config/deployment.amd64.json": "needs Azure",
}


def readme_commands() -> list[str]:
    """The lines of the README's `sh` blocks, without their comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"\s+#.*$", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_every_command_is_accounted_for() -> None:
    assert set(readme_commands()) == RUN_HERE | set(ELSEWHERE)


@pytest.fixture
def clone(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A folder that looks like a clone with its environment made, with the files that the README takes for given."""
    # Up to date, or else make would install it anew from there, with paths that are soon gone.
    subprocess.run(["make", ".venv"], cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    for path in REPOSITORY.iterdir():
        if path.name not in (".git", ".safetygear", "out"):
            (tmp_path / path.name).symlink_to(path)
    shutil.copy(DEMO_CLIP, tmp_path / "clip.mp4")
    ((_, picture),) = scene_frames([30])
    (tmp_path / "picture.jpg").write_bytes(encode_jpeg(to_bgr(picture), 90))
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("model.onnx", convolutional_compact(2))
        archive.writestr("labels.txt", "helmet\r\nvest")
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """Without what the test's own `make` passes down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "DEMO_"))}


def run(command: str, clone: Path, environment: dict[str, str], timeout_s: float = 150) -> str:
    assert command in readme_commands()
    done = subprocess.run(
        command, shell=True, cwd=clone, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture
def demo(clone: Path, environment: dict[str, str]) -> Iterator[Path]:
    """`make demo`, with detections coming; ended as Ctrl-C does it. Its output's path."""
    output = clone / "demo.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            "make demo", shell=True, cwd=clone, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        wait_until(lambda: re.search(r"\d (person|helmet)", output.read_text()), START_S, "a detection of make demo")
        yield output
        os.killpg(process.pid, signal.SIGINT)
        process.wait(25)
        assert "Summary" in output.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_demo_and_what_is_done_beside_it(demo: Path, clone: Path, environment: dict[str, str]) -> None:
    assert "http://localhost:" in demo.read_text()
    twin = ".venv/bin/safetygear twin get capture"
    # A camera that had no reader while inference was starting is reported anew a minute later at most.
    wait_until(lambda: "streaming" in run(twin, clone, environment), START_S, "the camera's state in the twin")
    run(""".venv/bin/safetygear twin set inference '{"detections":{"policy":"changes"}}'""", clone, environment)
    assert "ok" in run(".venv/bin/safetygear method call inference getStatus", clone, environment)


def test_a_demo_that_ends_by_itself(clone: Path, environment: dict[str, str]) -> None:
    output = run("DEMO_SECONDS=60 make demo", clone, environment)
    assert "Summary" in output
    assert re.search(r"torn +none analysed", output)


def test_a_camera_of_ones_own(clone: Path, environment: dict[str, str]) -> None:
    with start_camera({"stream1": DEMO_CLIP}) as camera:
        probe, demo = f".venv/bin/safetygear camera probe {CAMERA_URL}", f"CAMERA={CAMERA_URL} make demo"
        assert {probe, demo} <= set(readme_commands())
        environment["DEMO_SECONDS"] = "25"
        for command, wanted in ((probe, "h264"), (demo, "Summary")):
            real = command.replace(CAMERA_URL, camera.url("stream1"))
            done = subprocess.run(
                real, shell=True, cwd=clone, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            assert wanted in done.stdout


def test_several_cameras_an_outage_and_other_rules(clone: Path, environment: dict[str, str]) -> None:
    (command,) = (line for line in readme_commands() if "simulate" in line)
    output = run(command, clone, environment)
    assert "Summary" in output
    written = (clone / "out.jsonl").read_text()
    assert '"gate"' in written
    assert '"yard"' in written
    (clone / "twin.json").write_text('{"rules":{"requires":["helmet"],"minimumDurationS":0}}')
    output = run(".venv/bin/safetygear replay out.jsonl --config twin.json", clone, environment)
    assert "frames of gate, yard" in output
    assert "compliance" in output


def test_a_model_of_ones_own(clone: Path, environment: dict[str, str]) -> None:
    assert "custom-vision-compact" in run(".venv/bin/safetygear model inspect export.zip", clone, environment)
    run(".venv/bin/safetygear detect export.zip picture.jpg --save out", clone, environment)
    assert [path.suffix for path in (clone / "out").iterdir()] in ([".jpg"], [".png"])
    packed = run(".venv/bin/safetygear model pack export.zip -o site-ppe.zip --golden picture.jpg", clone, environment)
    assert packed.split()[0] == hashlib.sha256((clone / "site-ppe.zip").read_bytes()).hexdigest()
    assert "golden pictures seen as expected: 1" in run(
        ".venv/bin/safetygear model verify site-ppe.zip", clone, environment
    )
