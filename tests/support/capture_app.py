"""The capture module put together on a hub in memory, and its clock let run."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from safetygear.clock import FakeClock
from safetygear.frames.presence import ReaderBeat
from safetygear.hub.fake import FakeHub
from safetygear.lifecycle import Lifecycle
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear.telemetry import ModuleMetrics
from safetygear_capture.app import CaptureApp
from safetygear_capture.environment import read_environment
from safetygear_capture.metrics import CaptureMetrics
from safetygear_capture.source import OpenSource


class Stage:
    """A running app: `until` lets fake time pass until something holds."""

    def __init__(self, app: CaptureApp, hub: FakeHub, clock: FakeClock, lifecycle: Lifecycle, frames: Path) -> None:
        self.app, self.hub, self.clock, self.lifecycle = app, hub, clock, lifecycle
        self.beat = ReaderBeat(frames, "default", "test") if frames.is_dir() else None

    async def until(self, condition: Any, what: str) -> Any:
        for _ in range(400):
            if value := condition():
                return value
            if self.beat is not None:
                self.beat.beat()
            await self.clock.advance(0.1)
            await asyncio.sleep(0.002)  # for the cameras' threads, which live in real time
        raise AssertionError(f"in vain: {what}; {self.hub.reported}")

    def camera(self, camera_id: str) -> str | None:
        """Its reported state."""
        state: str | None = self.hub.reported.get("cameras", {}).get(camera_id, {}).get("state")
        return state

    def sent(self, output: str) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.hub.sent if message.output == output]


@contextlib.asynccontextmanager
async def running(
    frames: Path,
    desired: dict[str, Any],
    camera: OpenSource,
    transport: str = "ring",
    *,
    data: Path | None = None,
    hub: FakeHub | None = None,
) -> AsyncIterator[Stage]:
    """`data`: what outlives the run; a folder beside the frames where none is given."""
    clock, lifecycle = FakeClock(), Lifecycle()
    hub = FakeHub(desired) if hub is None else hub
    data = frames.with_name(f"{frames.name}-data") if data is None else data
    data.mkdir(exist_ok=True)
    environment = read_environment(
        {
            "SAFETYGEAR_FRAMES_DIR": str(frames),
            "SAFETYGEAR_DATA_DIR": str(data),
            "SAFETYGEAR_FRAMES_TRANSPORT": transport,
        }
    )
    metrics = CaptureMetrics(ModuleMetrics("safetygear_capture_", {}))
    resolver = SecretResolver({}, frames, Redactor())
    app = CaptureApp(environment, hub, metrics, clock, open_source=camera, resolver=resolver)
    await hub.open(app.handlers())
    task = asyncio.create_task(app.run(lifecycle))
    stage = Stage(app, hub, clock, lifecycle, frames)
    try:
        yield stage
    finally:
        lifecycle.request_stop("the test is over")
        while not task.done():
            await clock.advance(0.1)
            await asyncio.sleep(0.002)
        await task
