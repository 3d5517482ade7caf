"""The API in the real module beside cameras that send: it answers with their model, and with the next one after a
change, and no frame is missed for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from support.inference_process import InferenceProcess, cameras, until
from support.model_packages import LABELS, network, package, red_picture
from support.prediction import KEY
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

pytestmark = pytest.mark.scenario

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
DESIRED = {"schemaVersion": "1.0", "detections": {"policy": "all"}, "model": {"name": "first"}}


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    (tmp_path / "frames").mkdir()
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"capture": {}, "inference": DESIRED})) as running:
        yield running


async def test_it_answers_with_the_cameras_model_through_a_change(runtime: RunningRuntime, tmp_path: Path) -> None:
    models = tmp_path / "models"
    package(models / "first.zip", network("1"))
    package(models / "second.zip", network("2"))
    (tmp_path / "prediction-key").write_text(KEY)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = InferenceProcess(
        runtime,
        tmp_path,
        "inference",
        "north",
        models=models,
        env={
            "SAFETYGEAR_PREDICTION_LISTEN": f"127.0.0.1:{port}",
            "SAFETYGEAR_PREDICTION_KEY": "file:prediction-key",
        },
    )

    def ask() -> dict[str, Any] | None:
        headers = {"Prediction-Key": KEY, "Content-Type": "image/jpeg"}
        try:
            answer = requests.post(f"http://127.0.0.1:{port}/image", red_picture(), headers=headers, timeout=10)
        except requests.ConnectionError:
            return None
        assert answer.status_code in (200, 503), answer.text
        return dict(answer.json()) if answer.ok else None

    async def asked() -> dict[str, Any] | None:
        return await asyncio.to_thread(ask)

    async def asked_until_other(than: str | None) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while True:
                found = await asked()
                if found is not None and found["iteration"] != than:
                    return found
                await asyncio.sleep(0.1)

    def sequences() -> list[int]:
        records = [entry for entry in runtime.upstream() if entry["output"] == "detections"]
        return [entry["body"]["sequence"] for entry in records]

    try:
        async with cameras(runtime, tmp_path, ("gate", "north")):
            first = await asked_until_other(None)
            assert first["predictions"][0]["tagName"] == LABELS[0]
            await until(lambda: len(sequences()) >= 3, 20, process.log)
            await asyncio.to_thread(runtime.patch_desired, "inference", {"model": {"name": "second"}})
            second = await asked_until_other(first["iteration"])
            assert second["predictions"] == first["predictions"]
            seen = len(sequences())
            await until(lambda: len(sequences()) >= seen + 3, 20, process.log)
        assert sequences() == list(range(1, len(sequences()) + 1))
        assert process.stop() == 0, process.log()
        assert KEY not in process.log()
        assert "Traceback" not in process.log()
    finally:
        process.end()
