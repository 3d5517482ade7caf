"""What a client that hammers the prediction API takes from the cameras, as JSON.

`python tests/bench/bench_prediction.py [--seconds 6] [--rounds 12] [--connections 16]`

The whole solution on the stand-in runtime with paced RTSP cameras, 5 analysed fps each. Short windows without a client
(`none`), with one that sends pictures, and with one that sends what is no picture (`bad`) take turns, so that what else
runs on the machine meets them alike; `fps` is the mean of the windows, and `fps_error` its standard error. The client
is a process of the lowest priority: one on another machine would take no processor time here. No assertions: this tells
figures.
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
from support.prediction import scene_jpeg  # noqa: E402

CAMERAS = 4
WARM_UP_S = 8.0
SETTLE_S = 1.0
Client = Literal["none", "pictures", "bad"]


def hammer(port: int, connections: int, told: Connection) -> None:
    """Asks without a pause on each connection for what it is told, and tells how the answers to the last were."""
    os.nice(19)
    bodies = {"pictures": scene_jpeg(), "bad": b"no picture"}
    headers = {"Content-Type": "image/jpeg"}

    async def ask(session: aiohttp.ClientSession, body: bytes, outcomes: Counter[int], took_s: list[float]) -> None:
        while True:
            began_s = time.monotonic()
            async with session.post(f"http://127.0.0.1:{port}/image", data=body, headers=headers) as answer:
                await answer.read()
                outcomes[answer.status] += 1
                if answer.status == 200:
                    took_s.append(time.monotonic() - began_s)

    async def run() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
            outcomes: Counter[int] = Counter()
            took_s: list[float] = []
            asking: list[asyncio.Task[None]] = []
            while (wanted := await asyncio.to_thread(told.recv)) != "end":
                for task in asking:
                    task.cancel()
                if asking:
                    await asyncio.wait(asking)
                told.send((dict(outcomes), took_s))
                outcomes, took_s, asking = Counter(), [], []
                if wanted in bodies:
                    work = [ask(session, bodies[wanted], outcomes, took_s) for _ in range(connections)]
                    asking = [asyncio.create_task(one) for one in work]

    asyncio.run(run())


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


async def window(solution: Solution, client: Client, hammering: Connection, seconds: float) -> dict[str, Any]:
    async def tell(what: str) -> tuple[dict[int, int], list[float]]:
        hammering.send(what)
        answers: tuple[dict[int, int], list[float]] = await asyncio.to_thread(hammering.recv)
        return answers

    await tell(client)
    await asyncio.sleep(SETTLE_S)
    seen = await solution.watch(seconds)
    outcomes, took_s = await tell("nothing")
    messages = [travelled(record) for record in seen.detections()]
    return {
        "fps": len(messages) / seen.seconds / CAMERAS,
        "total_ms": [message.total_ms for message in messages],
        "inference_cpu_percent": seen.cpu_s("inference") / seen.seconds * 100,
        "answers": outcomes,
        "took_ms": [took * 1000 for took in took_s],
        "seconds": seen.seconds,
    }


def summary(windows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all windows with the same client."""
    totals = [total for one in windows for total in one["total_ms"]]
    took = [one for each in windows for one in each["took_ms"]]
    answers: Counter[int] = Counter()
    for one in windows:
        answers.update(one["answers"])
    worked_s = sum(one["seconds"] + SETTLE_S for one in windows)
    fps = [one["fps"] for one in windows]
    return {
        "fps": round(statistics.mean(fps), 2),
        "fps_error": round(statistics.stdev(fps) / len(fps) ** 0.5, 2),
        "p50_ms": round(percentile(totals, 50)),
        "p95_ms": round(percentile(totals, 95)),
        "inference_cpu_percent": round(statistics.mean(one["inference_cpu_percent"] for one in windows)),
        "answers_per_s": {str(status): round(count / worked_s, 1) for status, count in sorted(answers.items())},
        "prediction_p50_ms": round(percentile(took, 50)) if took else None,
    }


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=6)
    options.add_argument("--rounds", type=int, default=12)
    options.add_argument("--connections", type=int, default=16)
    asked = options.parse_args()
    clients: tuple[Client, ...] = ("none", "pictures", "bad")
    windows: dict[Client, list[dict[str, Any]]] = {client: [] for client in clients}
    folder = Path(os.environ.get("BENCH_FOLDER", ".safetygear/bench"))
    wanted = case("sub", "default", folder=folder, manifest=ROOT / "deployment.template.json", environ=os.environ)
    wanted = replace(wanted, cameras=CAMERAS)
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    with tempfile.TemporaryDirectory() as temporary:
        manifest = with_api(wanted.manifest, Path(temporary))
        with CameraSite(alike(wanted.clip, CAMERAS), wanted.state.with_suffix(".cameras.log")) as site:
            async with Solution(site.urls, wanted.state, manifest=manifest, model=wanted.model) as solution:
                port = port_of(wanted.state)
                client = processes.Process(target=hammer, args=(port, asked.connections, theirs), daemon=True)
                client.start()
                await solution.warm_up(WARM_UP_S)
                for number in range(asked.rounds):
                    # Not always in the same order: a load that comes and goes in step would hit one of them.
                    for kind in clients[number % 3 :] + clients[: number % 3]:
                        windows[kind].append(await window(solution, kind, ours, asked.seconds))
                ours.send("end")
                await asyncio.to_thread(client.join)
    print(json.dumps({"cameras": CAMERAS, **{name: summary(ones) for name, ones in windows.items()}}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
