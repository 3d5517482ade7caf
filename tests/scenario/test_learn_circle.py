"""From pictures that a device left to the model that it runs: push, train, pull, change by twin, in real processes.

The training service is the local server; what it "trains" is a synthetic export of Custom Vision's General (compact).
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear.learning.example import EXAMPLES
from safetygear_workbench.cli.main import main
from support.export_models import LABELS, PICTURE, Box, custom_vision_compact
from support.inference_process import InferenceProcess, cameras, until
from support.model_packages import network
from support.model_server import serving as serving_models
from support.runtime import RunningRuntime, minimal_manifest, start_runtime, wait_until
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
ROUTES: dict[str, Any] = {
    "detections": {"route": "FROM /messages/modules/inference/outputs/detections INTO $upstream", "priority": 5},
    **{
        output: {
            "route": f"FROM /messages/modules/capture/outputs/{output} "
            f'INTO BrokeredEndpoint("/modules/inference/inputs/{output}")',
            "timeToLiveSecs": 5,
        }
        for output in ("frames", "cameras")
    },
}
DESIRED = {
    "schemaVersion": "1.0",
    "detections": {"policy": "all"},
    "budget": {"dailyBlocks": 10_000_000},
    "model": {"name": "named"},
}


def an_export(project: TrainingProject, iteration: str) -> bytes:
    """As the service writes it."""
    assert set(project.trained_tags[iteration]) == set(LABELS)
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


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    (tmp_path / "frames").mkdir()
    models = tmp_path / "image"
    models.mkdir()
    (models / "named.onnx").write_bytes(network("named"))
    (models / "named.labels.txt").write_text("red\ngreen\nblue")
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"capture": {}, "inference": DESIRED})) as running:
        yield running


async def safetygear(*arguments: str) -> None:
    """The command, as a person gives it."""
    assert await asyncio.to_thread(main, list(arguments)) == 0, arguments


async def test_the_whole_circle(
    training: TrainingServer, runtime: RunningRuntime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving_models(tmp_path / "pki") as models:
        environment = {"SSL_CERT_FILE": str(models.authority), "HTTPS_PROXY": "", "https_proxy": ""}
        process = InferenceProcess(
            runtime, tmp_path, "inference", "default", models=tmp_path / "image", env=environment
        )
        try:
            async with cameras(runtime, tmp_path, ("gate", "default")):
                await until(lambda: detections(runtime), 30, process.log)
                examples = process.data / EXAMPLES
                write_examples(examples, 15, SUGGESTED)

                project = ("--project", training.project.id)
                await safetygear("learn", "push", str(examples), *project)
                await safetygear("learn", "train", *project, "--every", "0.05")
                capsys.readouterr()
                package = tmp_path / "site-ppe.zip"
                await safetygear("learn", "pull", *project, "--every", "0.05", "-o", str(package), "--json")
                pulled = json.loads(capsys.readouterr().out)

                models.files["/site-ppe.zip"] = package.read_bytes()
                wanted = pulled["twin"]["model"] | {"uri": models.uri("/site-ppe.zip")}
                patch = {"model": wanted | {"shadowS": 0.5, "watchS": 0.5}}
                await asyncio.to_thread(runtime.patch_desired, "inference", patch)

                def changed() -> list[dict[str, Any]]:
                    return [body for body in detections(runtime) if body["model"]["name"] == "site-ppe"]

                await until(lambda: len(changed()) > 5, 30, process.log)

                def reported() -> dict[str, Any]:
                    return dict(runtime.twin("inference")["reported"].get("model", {}))

                await until(lambda: reported().get("packageSha256") == pulled["sha256"], 30, process.log)
            assert (reported()["name"], reported()["version"]) == ("site-ppe", "Iteration 1")
            body = changed()[-1]
            assert body["model"]["sha256"] == pulled["model"]["sha256"]
            found = {one["label"]: one for one in body["detections"]}
            for box in SEEN:
                one = found[LABELS[box.label]]
                assert one["probability"] == pytest.approx(box.score, abs=0.01)
                left, top, right, bottom = (
                    value / side for value, side in zip(box.xyxy, (*PICTURE, *PICTURE), strict=True)
                )
                sides = [one["boundingBox"][name] for name in ("left", "top", "width", "height")]
                assert sides == pytest.approx([left, top, right - left, bottom - top], abs=0.01)
            assert "Traceback" not in process.log()
        finally:
            process.end()


def detections(runtime: RunningRuntime) -> list[dict[str, Any]]:
    return [entry["body"] for entry in runtime.upstream() if entry["output"] == "detections"]
