"""The real inference process on the stand-in runtime, fed by a ring of the test's."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear.messages.codec import decode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.health import CameraHealth, HealthMessage
from support.inference_process import InferenceProcess, cameras, until
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

pytestmark = pytest.mark.scenario

ALL = {"schemaVersion": "1.0", "detections": {"policy": "all"}, "healthIntervalS": 2}
ROUTES: dict[str, Any] = {
    "detections": {"route": "FROM /messages/modules/inference/outputs/detections INTO $upstream", "priority": 5},
    "health": {"route": "FROM /messages/modules/inference/outputs/health INTO $upstream", "priority": 1},
    "detections2": {"route": "FROM /messages/modules/inference2/outputs/detections INTO $upstream", "priority": 5},
}
for reader, shard in (("inference", "north"), ("inference2", "south")):
    for output in ("frames", "cameras"):
        ROUTES[f"{output}-{shard}"] = {
            "route": f"FROM /messages/modules/capture/outputs/{output} WHERE shard = '{shard}' "
            f'INTO BrokeredEndpoint("/modules/{reader}/inputs/{output}")',
            "timeToLiveSecs": 5,
        }


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    (tmp_path / "frames").mkdir()
    manifest = minimal_manifest(ROUTES, {"capture": {}, "inference": ALL, "inference2": ALL})
    with start_runtime(tmp_path, manifest) as running:
        yield running


def bodies(runtime: RunningRuntime, module: str, output: str) -> list[bytes]:
    return [
        json.dumps(entry["body"]).encode()
        for entry in runtime.upstream()
        if entry["moduleId"] == module and entry["output"] == output
    ]


def detections(runtime: RunningRuntime, module: str = "inference") -> list[DetectionsMessage]:
    return [decode(body, DetectionsMessage) for body in bodies(runtime, module, "detections")]


async def test_frames_become_messages_through_a_kill_and_a_stop(runtime: RunningRuntime, tmp_path: Path) -> None:
    process = InferenceProcess(runtime, tmp_path, "inference", "north")
    try:
        async with cameras(runtime, tmp_path, ("gate", "north")) as (source,):
            await until(lambda: len(detections(runtime)) >= 5, 20, process.log)
            first = detections(runtime)
            assert [message.sequence for message in first] == list(range(1, len(first) + 1))
            assert {(message.camera, message.shard) for message in first} == {("gate", "north")}
            assert first[-1].latency_ms.total < 1000
            health = await until(lambda: bodies(runtime, "inference", "health"), 10, process.log)
            gate = decode(health[-1], HealthMessage).cameras[0]
            assert (gate.camera, gate.state) == ("gate", "streaming")
            reported = runtime.twin("inference")["reported"]
            assert (reported["config"]["status"], reported["model"]["state"]) == ("ok", "ok")
            answer = await asyncio.to_thread(runtime.call_method, "inference", "status")
            assert answer["payload"]["sent"]["detections"] > 0

            process.end()
            before = len(detections(runtime))
            process.start()
            await until(lambda: len(detections(runtime)) > before + 5, 20, process.log)
            assert source.frames > before

        started_s = time.monotonic()
        assert process.stop() == 0, process.log()
        assert time.monotonic() - started_s < 10
        assert "Traceback" not in process.log()
    finally:
        process.end()


async def test_a_still_picture_is_watched_without_being_analysed(runtime: RunningRuntime, tmp_path: Path) -> None:
    runtime.patch_desired("inference", {"motionGate": {"enabled": True, "floorS": 30}})
    process = InferenceProcess(runtime, tmp_path, "inference", "north")
    try:
        async with cameras(runtime, tmp_path, ("gate", "north")):

            def gated() -> list[CameraHealth]:
                healths = [decode(body, HealthMessage) for body in bodies(runtime, "inference", "health")]
                return [one for health in healths for one in health.cameras if one.gated and not one.analysed]

            (quiet, *_) = await until(gated, 40, process.log)
            assert quiet.seconds_blind == pytest.approx(0.0, abs=0.5)
            before = len(detections(runtime))
            runtime.patch_desired("inference", {"motionGate": {"enabled": False}})
            await until(lambda: len(detections(runtime)) >= before + 5, 20, process.log)
            assert [message.sequence for message in detections(runtime)] == list(range(1, len(detections(runtime)) + 1))
    finally:
        process.end()


async def test_two_instances_on_one_machine_read_a_shard_each(runtime: RunningRuntime, tmp_path: Path) -> None:
    north = InferenceProcess(runtime, tmp_path, "inference", "north")
    south = InferenceProcess(runtime, tmp_path, "inference2", "south")
    try:
        async with cameras(runtime, tmp_path, ("gate", "north"), ("yard", "south")):
            await until(lambda: len(detections(runtime)) > 2, 20, north.log)
            await until(lambda: len(detections(runtime, "inference2")) > 2, 20, south.log)
        assert {message.camera for message in detections(runtime)} == {"gate"}
        assert {message.camera for message in detections(runtime, "inference2")} == {"yard"}
        assert "can't listen" not in north.log() + south.log()
    finally:
        north.end()
        south.end()


async def test_a_mistake_in_the_twin_and_a_power_cut_cost_no_zone(runtime: RunningRuntime, tmp_path: Path) -> None:
    square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    runtime.patch_desired("inference", {"zones": {"gate": {"dock": {"polygon": square, "requires": ["helmet"]}}}})
    process = InferenceProcess(runtime, tmp_path, "inference", "north")
    kept = process.data / "last-good-twin.json"
    try:
        await until(lambda: kept.exists() and "dock" in kept.read_text(), 60, process.log)
        runtime.patch_desired("inference", {"zones": {"gate": {"dock": {"polygon": [[0, 0], [1, 1]]}}}})
        await until(lambda: _zone_errors(runtime), 60, process.log)
        process.end()
        before = kept.read_bytes()
        process.start()
        told = "of an earlier run, is in force"
        await until(lambda: any(told in error["message"] for error in _zone_errors(runtime)), 60, process.log)
        (error,) = _zone_errors(runtime)
        assert (error["path"], error["code"]) == ("zones.gate.dock.polygon", "out-of-range")
        assert kept.read_bytes() == before, "what is in force is what it was"
        assert process.stop() == 0
        assert "Traceback" not in process.log()
    finally:
        process.end()


def _zone_errors(runtime: RunningRuntime) -> list[dict[str, Any]]:
    errors = runtime.twin("inference")["reported"].get("config", {}).get("errors", [])
    return [error for error in errors if error["path"].startswith("zones.")]


async def test_what_no_restart_cures_is_a_named_state(runtime: RunningRuntime, tmp_path: Path) -> None:
    runtime.patch_desired("inference", {"model": {"name": "no-such-model"}, "healthIntervalS": "often"})
    shutil.rmtree(tmp_path / "frames")
    process = InferenceProcess(runtime, tmp_path, "inference", "north")
    try:

        def problems() -> Any:
            reported = runtime.twin("inference")["reported"]
            return reported.get("problems", {}).keys() >= {"model", "frames"} and reported

        reported = await until(problems, 20, process.log)
        assert reported["model"]["code"] == "model-missing"
        assert reported["problems"]["frames"]["code"] == "ring-folder-missing"
        assert [error["path"] for error in reported["config"]["errors"]] == ["healthIntervalS"]
        assert process.process.poll() is None

        (tmp_path / "frames").mkdir()
        runtime.patch_desired("inference", {"model": None, "healthIntervalS": None})
        async with cameras(runtime, tmp_path, ("gate", "north")):
            await until(lambda: detections(runtime), 20, process.log)
            await until(lambda: not runtime.twin("inference")["reported"].get("problems"), 10, process.log)
        assert process.log().count("ring-folder-missing") == 2, "one line when it comes, one when it goes"
    finally:
        process.end()
