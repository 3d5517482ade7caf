"""From pictures that a device took to the model that it runs: push, train, pull, change by twin, in real processes.

The training service is the local server; what it "trains" is a synthetic export of Custom Vision's General (compact).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear.learning.example import EXAMPLES
from safetygear.learning.folder import complete_examples
from safetygear_workbench.cli.main import main
from support.export_models import LABELS, PICTURE, Box, custom_vision_compact
from support.runtime import wait_until
from support.simulation import RunningSimulation, run, simulating
from support.stored_examples import Box as Suggested
from support.stored_examples import write_examples
from support.training_project import TrainingProject
from support.training_server import KEY, TrainingServer, serving, silent

pytestmark = pytest.mark.scenario

WIDTH, HEIGHT = PICTURE
SEEN = (
    Box((0.25 * WIDTH, 0.25 * HEIGHT, 0.5 * WIDTH, 0.875 * HEIGHT), LABELS.index("person"), 0.875),
    Box((0.3 * WIDTH, 0.25 * HEIGHT, 0.4 * WIDTH, 0.35 * HEIGHT), LABELS.index("helmet"), 0.75),
)
"""What the trained network sees in every picture."""
SUGGESTED = tuple(Suggested(label, 0.1 + 0.2 * number) for number, label in enumerate(LABELS))
LEARNING = {"enabled": True, "perHour": 1000, "cameraPauseS": 0, "randomShare": 1, "minimumDistanceBits": 0}
PICTURES = 6


def an_export(project: TrainingProject, iteration: str) -> bytes:
    """As the service writes it."""
    assert set(project.trained_tags[iteration]) >= {"person", "helmet"}
    manifest = {
        "DomainType": "ObjectDetection", "Platform": "ONNX", "Flavor": None, "ExporterVersion": "2.0",
        "IterationId": iteration, "ModelFileName": "model.onnx", "LabelFileName": "labels.txt", "SchemaVersion": "1.0",
    }  # fmt: skip
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("model.onnx", custom_vision_compact(SEEN).model())
        archive.writestr("labels.txt", "\r\n".join(LABELS))
        archive.writestr("cvexport.manifest", json.dumps(manifest))
    return data.getvalue()


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingServer]:
    with serving(TrainingProject(), an_export) as server:
        monkeypatch.setenv("CUSTOM_VISION_TRAINING_KEY", KEY)
        monkeypatch.setenv("CUSTOM_VISION_ENDPOINT", server.endpoint)
        yield server


def push(training: TrainingServer, folder: Path) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "safetygear_workbench", "learn", "push", str(folder)]
    return subprocess.Popen(
        [*command, "--project", training.project.id],
        env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("part", ["images/files", "images/regions"])
def test_a_push_that_is_killed_half_way_is_gone_on_with(training: TrainingServer, tmp_path: Path, part: str) -> None:
    """At its worst: the service has done it, and nobody is there to hear it."""
    write_examples(tmp_path / "examples", 150, SUGGESTED)
    release = threading.Event()
    training.faults = [(part, passes), (part, silent(release))]
    process = push(training, tmp_path / "examples")
    try:
        wait_until(lambda: not training.faults, 30, "the request that is not answered")
        process.kill()
        process.communicate()
    finally:
        release.set()
        process.kill()
    wait_until(lambda: len(training.project.images) in (64, 128), 10, "the service to have done it")
    again = push(training, tmp_path / "examples")
    printed, complaints = again.communicate(timeout=60)
    assert again.returncode == 0, complaints
    assert len(training.project.images) == 150, printed
    assert all(len(image.regions) == len(SUGGESTED) for image in training.project.images.values())
    assert "150 were sent before" in push(training, tmp_path / "examples").communicate(timeout=60)[0]


async def passes(request: Any, handler: Any) -> Any:
    return await handler(request)


def test_the_whole_circle(training: TrainingServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training.project.limits.images_a_tag = 1
    project = ("--project", training.project.id)
    with simulating(tmp_path / "run") as simulation:
        simulation.until_detections()
        data = simulation.state / "volumes" / "safetygear-inference-data"
        configure(simulation, {"learning": LEARNING})
        simulation.until(lambda: len(found_hard(data)) >= PICTURES, 120, "pictures to learn from")
        configure(simulation, {"learning": {"enabled": False}})
        examples = tmp_path / "examples"
        examples.mkdir()
        for name in found_hard(data):
            for suffix in (".jpg", ".json"):
                shutil.copy(data / EXAMPLES / f"{name}{suffix}", examples)

        assert main(["learn", "push", str(examples), *project]) == 0
        assert len(training.project.images) >= PICTURES
        assert training.project.names_of_regions()["person"] > 0
        assert main(["learn", "train", *project, "--every", "0.05"]) == 0
        capsys.readouterr()
        package = data / "models" / "site-ppe.zip"
        package.parent.mkdir(exist_ok=True)
        golden = str(next(examples.glob("*.jpg")))
        assert (
            main(["learn", "pull", *project, "--every", "0.05", "-o", str(package), "--golden", golden, "--json"]) == 0
        )
        pulled = json.loads(capsys.readouterr().out)

        wanted = pulled["twin"]["model"] | {"uri": package.as_uri()}
        configure(simulation, {"model": wanted | {"shadowS": 0.5, "watchS": 0.5}})

        def changed() -> list[dict[str, Any]]:
            return [
                one["body"] for one in simulation.messages("detections") if one["body"]["model"]["name"] == "site-ppe"
            ]

        simulation.until(lambda: len(changed()) > 5, 60, "detections of the model that was trained")
        simulation.until(lambda: reported(simulation).get("packageSha256") == pulled["sha256"], 30, "the report of it")
        assert reported(simulation)["version"] == "Iteration 1"
        assert simulation.stop() == 0
    body = changed()[-1]
    assert body["model"]["sha256"] == pulled["model"]["sha256"]
    seen = {one["label"]: one for one in body["detections"]}
    for box in SEEN:
        one = seen[LABELS[box.label]]
        assert one["probability"] == pytest.approx(box.score, abs=0.01)
        left, top, right, bottom = (value / side for value, side in zip(box.xyxy, (*PICTURE, *PICTURE), strict=True))
        sides = [one["boundingBox"][name] for name in ("left", "top", "width", "height")]
        assert sides == pytest.approx([left, top, right - left, bottom - top], abs=0.01)


def found_hard(data: Path) -> list[str]:
    folder = data / EXAMPLES
    return complete_examples(folder) if folder.is_dir() else []


def configure(simulation: RunningSimulation, patch: dict[str, Any]) -> None:
    done = run("twin", "set", "inference", json.dumps(patch), "--state", str(simulation.state))
    assert done.returncode == 0, done.stderr


def reported(simulation: RunningSimulation) -> dict[str, Any]:
    done = run("twin", "get", "inference", "--state", str(simulation.state), "--json")
    found: dict[str, Any] = json.loads(done.stdout)["reported"].get("model", {})
    return found
