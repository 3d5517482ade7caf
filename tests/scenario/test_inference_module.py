"""The real inference process on the stand-in runtime, fed by a ring of the test's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear.messages.codec import decode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.health import HealthMessage
from support.frame_source import FrameSource, connect_as
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

pytestmark = pytest.mark.scenario

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"
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


class Process:
    """An inference process and its log."""

    def __init__(self, runtime: RunningRuntime, folder: Path, module: str, shard: str) -> None:
        self._log = folder / f"{module}.log"
        self._environment = runtime.process_env(module) | {
            "SAFETYGEAR_FRAMES_DIR": str(folder / "frames"),
            "SAFETYGEAR_DATA_DIR": str(folder / f"data-{module}"),
            "SAFETYGEAR_SECRETS_DIR": str(folder),
            "MODELS_DIR": str(MODELS),
            "SAFETYGEAR_METRICS_LISTEN": "127.0.0.1:0",
            "SAFETYGEAR_PAGE_LISTEN": "127.0.0.1:0",
            "SAFETYGEAR_SHARDS": shard,
            "SAFETYGEAR_WORKERS": "1",
        }
        (folder / f"data-{module}").mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "safetygear_inference"], env=self._environment, stdout=log, stderr=log
            )

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(12)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    (tmp_path / "frames").mkdir()
    manifest = minimal_manifest(ROUTES, {"capture": {}, "inference": ALL, "inference2": ALL})
    with start_runtime(tmp_path, manifest) as running:
        yield running


@contextlib.asynccontextmanager
async def cameras(runtime: RunningRuntime, folder: Path, *names: tuple[str, str]) -> AsyncIterator[list[FrameSource]]:
    """`names`: camera and shard. The sources send 5 frames a second until the end."""
    hub = await connect_as(runtime.module_env("capture"))
    sources = [FrameSource(folder / "frames", camera, shard) for camera, shard in names]
    tasks = [asyncio.create_task(source.run(hub, 5.0)) for source in sources]
    try:
        yield sources
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hub.close()
        for source in sources:
            source.close()


async def until(condition: Callable[[], Any], timeout_s: float, what: Callable[[], str]) -> Any:
    give_up_s = time.monotonic() + timeout_s
    while time.monotonic() < give_up_s:
        if value := condition():
            return value
        await asyncio.sleep(0.1)
    raise AssertionError(what())


def bodies(runtime: RunningRuntime, module: str, output: str) -> list[bytes]:
    return [
        json.dumps(entry["body"]).encode()
        for entry in runtime.upstream()
        if entry["moduleId"] == module and entry["output"] == output
    ]


def detections(runtime: RunningRuntime, module: str = "inference") -> list[DetectionsMessage]:
    return [decode(body, DetectionsMessage) for body in bodies(runtime, module, "detections")]


async def test_frames_become_messages_through_a_kill_and_a_stop(runtime: RunningRuntime, tmp_path: Path) -> None:
    process = Process(runtime, tmp_path, "inference", "north")
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


async def test_two_instances_on_one_machine_read_a_shard_each(runtime: RunningRuntime, tmp_path: Path) -> None:
    north = Process(runtime, tmp_path, "inference", "north")
    south = Process(runtime, tmp_path, "inference2", "south")
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


async def test_what_no_restart_cures_is_a_named_state(runtime: RunningRuntime, tmp_path: Path) -> None:
    runtime.patch_desired("inference", {"model": {"name": "no-such-model"}, "healthIntervalS": "often"})
    shutil.rmtree(tmp_path / "frames")
    process = Process(runtime, tmp_path, "inference", "north")
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
