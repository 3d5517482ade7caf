"""Processor time of a request to the prediction API, as JSON.

`PYTHONPATH=tests python tests/bench/bench_prediction_cost.py`

Milliseconds a request of the event loop's thread, which beside cameras is theirs too, and of all other threads, read
from /proc of a `serve` process: what else runs on the machine hardly matters. A picture of the site scene, 720p; bytes
that are none; and a wrong key. No assertions: this tells figures.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from safetygear_workbench.bench.processes import parse_stat
from support.prediction import KEY, scene_jpeg
from support.prediction_process import ServeProcess

WARM_UP = 30


def cpu_s(pid: int) -> dict[int, float]:
    """Of each thread, since its start."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): parse_stat((task / "stat").read_text())[1].cpu_s for task in tasks}


async def ask(address: str, body: bytes, key: str, count: int) -> Counter[int]:
    """One after the other, on one connection; answers by status."""
    statuses: Counter[int] = Counter()
    headers = {"Prediction-Key": key, "Content-Type": "image/jpeg"}
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            async with session.post(f"{address}/image", data=body, headers=headers) as answer:
                await answer.read()
                statuses[answer.status] += 1
    return statuses


def measure(served: ServeProcess, address: str, body: bytes, key: str, count: int) -> dict[str, Any]:
    pid = served.process.pid
    asyncio.run(ask(address, body, key, WARM_UP))
    before = cpu_s(pid)
    statuses = asyncio.run(ask(address, body, key, count))
    used = {thread: now_s - before.get(thread, 0.0) for thread, now_s in cpu_s(pid).items()}
    loop_s = used.pop(pid)
    return {
        "bytes": len(body),
        "answers": dict(statuses),
        "event_loop_ms": round(loop_s / count * 1000, 2),
        "other_threads_ms": round(sum(used.values()) / count * 1000, 2),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        served = ServeProcess(Path(folder) / "log")
        try:
            address = served.wait()
            result = {
                "picture": measure(served, address, scene_jpeg(), KEY, 200),
                "no picture": measure(served, address, b"no picture", KEY, 2000),
                "wrong key": measure(served, address, scene_jpeg(), "wrong", 500),
            }
        finally:
            served.end()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
