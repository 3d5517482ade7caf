"""A real inference process on the stand-in runtime, and cameras that feed it from the test."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from support.frame_source import FrameSource, Planes, connect_as
from support.runtime import RunningRuntime

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"


class InferenceProcess:
    """Below `folder`: its log, its data folder and `frames`, which must be there."""

    def __init__(
        self,
        runtime: RunningRuntime,
        folder: Path,
        module: str,
        shard: str,
        *,
        models: Path = MODELS,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._log = folder / f"{module}.log"
        self.data = folder / f"data-{module}"
        self._environment = {
            **runtime.process_env(module),
            "SAFETYGEAR_FRAMES_DIR": str(folder / "frames"),
            "SAFETYGEAR_DATA_DIR": str(self.data),
            "SAFETYGEAR_SECRETS_DIR": str(folder),
            "MODELS_DIR": str(models),
            "SAFETYGEAR_METRICS_LISTEN": "127.0.0.1:0",
            "SAFETYGEAR_PAGE_LISTEN": "127.0.0.1:0",
            "SAFETYGEAR_SHARDS": shard,
            "SAFETYGEAR_WORKERS": str(workers),
            **(env or {}),
        }
        self.data.mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "safetygear_inference"], env=self._environment, stdout=log, stderr=log
            )

    def log(self) -> str:
        return self._log.read_text()

    def rss_bytes(self) -> int:
        """Memory that it holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(12)

    def end(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.asynccontextmanager
async def cameras(
    runtime: RunningRuntime, folder: Path, *names: tuple[str, str], planes: Planes | None = None
) -> AsyncIterator[list[FrameSource]]:
    """`names`: camera and shard. The sources send 5 frames a second until the end."""
    hub = await connect_as(runtime.module_env("capture"))
    sources = [FrameSource(folder / "frames", camera, shard, planes=planes) for camera, shard in names]
    for source in sources:
        source.of_shard = [other for other in sources if other.shard == source.shard]
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
    """The first true value of `condition`; AssertionError with `what` after `timeout_s`."""
    give_up_s = time.monotonic() + timeout_s
    while time.monotonic() < give_up_s:
        if value := condition():
            return value
        await asyncio.sleep(0.1)
    raise AssertionError(what())
