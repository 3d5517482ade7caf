"""The cameras of a measurement: one process that serves a clip by RTSP under as many names as are wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench.processes import Usage, usage
from safetygear_workbench.edge_runtime.leash import leashed
from safetygear_workbench.simulation.ports import Ports


class CameraSite:
    """Serves while the context lasts."""

    def __init__(self, clip: Path, cameras: int, log: Path) -> None:
        self._clip = clip
        self._names = [f"cam-{number:03}" for number in range(1, cameras + 1)]
        self._log = log
        self._ports = Ports()
        self._process: subprocess.Popen[str] | None = None
        self.urls: dict[str, str] = {}
        """By camera id."""

    def __enter__(self) -> Self:
        port = self._ports.free()
        command = [sys.executable, "-m", "safetygear_workbench", "camera", "serve", "--port", str(port)]
        command += [f"{name}={self._clip}" for name in self._names]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                leashed(command, starter_pid=os.getpid(), death_signal=signal.SIGTERM),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for name in self._names:
            url = self._process.stdout.readline().strip()
            if not url.startswith("rtsp://"):
                self.__exit__(None, None, None)
                raise SafetyGearError(f"the camera server did not start; see {self._log}", code="camera-server")
            self.urls[name] = url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        self._ports.close()

    def usage(self) -> Usage:
        """Of the server, since its start."""
        assert self._process is not None
        return usage(self._process.pid)
