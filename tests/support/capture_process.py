"""The real capture process on a stand-in runtime, and somebody who reads its frames."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetygear.frames.presence import ReaderBeat
from support.runtime import RunningRuntime, minimal_manifest

ROUTES: dict[str, Any] = {
    "frames": {"route": "FROM /messages/modules/capture/outputs/frames INTO $upstream"},
    "cameras": {"route": "FROM /messages/modules/capture/outputs/cameras INTO $upstream"},
    "readers": {
        "route": "FROM /messages/modules/reader/outputs/readers "
        'INTO BrokeredEndpoint("/modules/capture/inputs/readers")',
        "timeToLiveSecs": 5,
    },
}


def capture_manifest(cameras: Mapping[str, Any]) -> dict[str, Any]:
    """A deployment of the capture module alone; what it sends goes to $upstream, where a test can see it."""
    return minimal_manifest(ROUTES, {"capture": {"schemaVersion": "1.0", "cameras": dict(cameras)}, "reader": {}})


class CaptureProcess:
    """A capture process and its log. `folder` gets frames/, secrets/ and data/."""

    def __init__(self, runtime: RunningRuntime, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.frames, self.secrets, self.data = (folder / name for name in ("frames", "secrets", "data"))
        for path in (self.frames, self.secrets, self.data):
            path.mkdir(exist_ok=True)
        self._runtime = runtime
        self._log = folder / "capture.log"
        self._environment = runtime.process_env("capture") | {
            "SAFETYGEAR_FRAMES_DIR": str(self.frames),
            "SAFETYGEAR_SECRETS_DIR": str(self.secrets),
            "SAFETYGEAR_DATA_DIR": str(self.data),
            "SAFETYGEAR_METRICS_LISTEN": "127.0.0.1:0",
            **(env or {}),
        }
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "safetygear_capture"], env=self._environment, stdout=log, stderr=log
            )

    def log(self) -> str:
        return self._log.read_text()

    def reported(self) -> dict[str, Any]:
        """The reported properties."""
        content: dict[str, Any] = self._runtime.twin("capture")["reported"]
        return content

    def camera(self, camera_id: str) -> tuple[str | None, str | None]:
        """State and reason in the reported properties."""
        camera = self.reported().get("cameras", {}).get(camera_id, {})
        return camera.get("state"), camera.get("reason")

    def status(self) -> dict[str, Any]:
        """The answer to the direct method `status`."""
        content: dict[str, Any] = self._runtime.call_method("capture", "status")["payload"]
        return content

    def references(self, camera_id: str) -> list[dict[str, Any]]:
        """The camera's frame references that were sent so far."""
        return [
            reference
            for entry in self._runtime.upstream()
            if entry["output"] == "frames"
            for reference in entry["body"]["references"]
            if reference["camera"] == camera_id
        ]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(12)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running_capture(
    runtime: RunningRuntime, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[CaptureProcess]:
    """Ended at the end."""
    process = CaptureProcess(runtime, folder, env)
    try:
        yield process
    finally:
        process.end()


@contextlib.contextmanager
def reading(frames: Path, *shards: str, every_frame: Collection[str] = ()) -> Iterator[None]:
    """Show the heartbeat of a reader of `shards` (`default` where none is named) each half second, and the cameras of
    which it wants every frame; the caller may change the collection."""
    beats = [ReaderBeat(frames, shard, "test-reader") for shard in shards or ("default",)]
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.5):
            for one in beats:
                one.beat(every_frame)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for one in beats:
            one.close()
