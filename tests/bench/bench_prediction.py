"""What a client that hammers the prediction API takes from the cameras, as JSON.

`python tests/bench/bench_prediction.py [--cameras 4] [--seconds 20] [--rounds 3] [--connections 16]`

The whole solution on the stand-in runtime with paced RTSP cameras, 5 analysed fps each. Windows with the client and
without it take turns, so that what else runs on the machine meets both alike. The client is a process of its own of the
lowest priority: one on another machine would take no processor time here. `bad`: it sends what is no picture instead,
which is refused at once. No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import aiohttp

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear_workbench.bench.camera_site import CameraSite, alike  # noqa: E402  # the path above
from safetygear_workbench.bench.cases import case  # noqa: E402
from safetygear_workbench.bench.figures import percentile  # noqa: E402
from safetygear_workbench.bench.latency_figures import travelled  # noqa: E402
from safetygear_workbench.bench.solution import Solution  # noqa: E402
from support.prediction import demo_jpeg  # noqa: E402

WARM_UP_S = 8.0
SETTLE_S = 2.0
Client = Literal["none", "pictures", "bad"]


def hammer(port: int, connections: int, body: bytes, told: Connection) -> None:
    """Asks without a pause on each connection until it is told to end; then tells how the answers went."""
    os.nice(19)
    outcomes: Counter[int] = Counter()
    took_s: list[float] = []

    async def ask(session: aiohttp.ClientSession) -> None:
        while True:
            began_s = time.monotonic()
            headers = {"Content-Type": "image/jpeg"}
            async with session.post(f"http://127.0.0.1:{port}/image", data=body, headers=headers) as answer:
                await answer.read()
                outcomes[answer.status] += 1
                if answer.status == 200:
                    took_s.append(time.monotonic() - began_s)

    async def run() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
            asking = [asyncio.create_task(ask(session)) for _ in range(connections)]
            told.send("at work")
            await asyncio.to_thread(told.recv)
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
            for task in asking:
                if not task.cancelled():
                    task.result()

    asyncio.run(run())
    told.send((dict(outcomes), took_s))


def with_api(manifest: Path, folder: Path) -> Path:
    """The manifest with the API switched on in inference."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    inference = content["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]["inference"]
    inference["env"]["SAFETYGEAR_PREDICTION_LISTEN"] = {"value": "127.0.0.1:8081"}
    # What it refers to lies beside it.
    for name in ("modules", ".env.example"):
        (folder / name).symlink_to(manifest.parent / name)
    path = folder / "deployment.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def port_of(state: Path) -> int:
    """That which the stand-in gave it in place of the manifest's."""
    plan = json.loads((state / "plan.json").read_text(encoding="utf-8"))
    listens = [process["env"].get("SAFETYGEAR_PREDICTION_LISTEN") for process in plan["processes"]]
    return int(next(listen for listen in listens if listen is not None).rpartition(":")[2])


async def window(solution: Solution, client: Client, *, port: int, connections: int, seconds: float) -> dict[str, Any]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = None
    if client != "none":
        body = demo_jpeg() if client == "pictures" else b"no picture"
        process = multiprocessing.get_context("spawn").Process(target=hammer, args=(port, connections, body, theirs))
        process.start()
        await asyncio.to_thread(ours.recv)
        await asyncio.sleep(SETTLE_S)
    seen = await solution.watch(seconds)
    outcomes: dict[int, int] = {}
    took_s: list[float] = []
    if process is not None:
        ours.send("end")
        outcomes, took_s = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(process.join)
    messages = [travelled(record) for record in seen.detections()]
    cameras = Counter(message.camera for message in messages)
    return {
        "client": client,
        "fps": {camera: count / seen.seconds for camera, count in sorted(cameras.items())},
        "total_ms": [message.total_ms for message in messages],
        "inference_cpu_percent": seen.cpu_s("inference") / seen.seconds * 100,
        "answers": outcomes,
        "took_ms": [took * 1000 for took in took_s],
        "seconds": seen.seconds,
    }


def summary(windows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all windows with the same client; the frame rate of each."""
    totals = [total for one in windows for total in one["total_ms"]]
    took = [one for each in windows for one in each["took_ms"]]
    answers: Counter[int] = Counter()
    for one in windows:
        answers.update(one["answers"])
    worked_s = sum(one["seconds"] + SETTLE_S for one in windows)
    return {
        "fps_per_camera": [round(statistics.mean(one["fps"].values()), 2) for one in windows],
        "p50_ms": round(percentile(totals, 50)),
        "p95_ms": round(percentile(totals, 95)),
        "inference_cpu_percent": round(statistics.mean(one["inference_cpu_percent"] for one in windows)),
        "answers_per_s": {str(status): round(count / worked_s, 1) for status, count in sorted(answers.items())},
        "prediction_p50_ms": round(percentile(took, 50)) if took else None,
    }


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--cameras", type=int, default=4)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=16)
    asked = options.parse_args()
    clients: tuple[Client, ...] = ("none", "pictures", "bad")
    windows: dict[Client, list[dict[str, Any]]] = {client: [] for client in clients}
    folder = Path(os.environ.get("BENCH_FOLDER", ".safetygear/bench"))
    wanted = case("sub", "default", folder=folder, manifest=ROOT / "deployment.template.json", environ=os.environ)
    wanted = replace(wanted, cameras=asked.cameras)
    with tempfile.TemporaryDirectory() as temporary:
        manifest = with_api(wanted.manifest, Path(temporary))
        with CameraSite(alike(wanted.clip, asked.cameras), wanted.state.with_suffix(".cameras.log")) as site:
            async with Solution(site.urls, wanted.state, manifest=manifest, model=wanted.model) as solution:
                await solution.warm_up(WARM_UP_S)
                port = port_of(wanted.state)
                for _ in range(asked.rounds):
                    for client in clients:
                        windows[client].append(
                            await window(
                                solution, client, port=port, connections=asked.connections, seconds=asked.seconds
                            )
                        )
    print(json.dumps({"cameras": asked.cameras, **{name: summary(ones) for name, ones in windows.items()}}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
