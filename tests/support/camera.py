"""Real RTSP cameras for tests: the workbench's server in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from safetygear_workbench.cameras.authentication import Credentials
from safetygear_workbench.cameras.clip import load_clip
from safetygear_workbench.cameras.faults import Faults
from safetygear_workbench.cameras.server import CameraServer

T = TypeVar("T")


class RunningCamera:
    """Cameras by name; faults can be set and taken back while clients are connected."""

    def __init__(
        self, clips: Mapping[str, Path], *, credentials: Credentials | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-camera", daemon=True)
        self._thread.start()
        loaded = {name: load_clip(path) for name, path in clips.items()}
        self.server = CameraServer(loaded, credentials=credentials, tls=tls)
        self._scheme = "rtsps" if tls else "rtsp"
        self.port = self._run(self.server.listen("127.0.0.1", 0))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(15)

    def url(self, name: str, **faults: object) -> str:
        """The camera's URL, with faults in its query."""
        query = "?" + urlencode({key: str(value) for key, value in faults.items()}) if faults else ""
        return f"{self._scheme}://127.0.0.1:{self.port}/{name}{query}"

    def fault(self, name: str, **faults: Any) -> None:
        """From now on, until `clear`."""
        self._loop.call_soon_threadsafe(self.server.set_faults, name, Faults(**faults))

    def clear(self, name: str) -> None:
        self._loop.call_soon_threadsafe(self.server.set_faults, name, None)

    def stop_listening(self) -> None:
        """The camera is gone: connections are reset, new ones refused."""
        self._run(self.server.stop())

    def start_listening(self) -> None:
        """Back on the same port."""
        self._run(self.server.listen("127.0.0.1", self.port))

    def close(self) -> None:
        self._run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@contextlib.contextmanager
def start_camera(
    clips: Mapping[str, Path], *, credentials: Credentials | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[RunningCamera]:
    """A camera server on a free loopback port, ended at the end."""
    camera = RunningCamera(clips, credentials=credentials, tls=tls)
    try:
        yield camera
    finally:
        camera.close()
