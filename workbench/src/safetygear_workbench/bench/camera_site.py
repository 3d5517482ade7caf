"""The cameras of a measurement: one process that serves clips by RTSP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench.processes import Usage, usage
from safetygear_workbench.edge_runtime.leash import leashed
from safetygear_workbench.simulation.ports import Ports


class CameraSite:
    """Serves while the context lasts: `clips` by camera id."""

    def __init__(self, clips: Mapping[str, Path], log: Path) -> None:
        self._clips = clips
        self._log = log
        self._ports = Ports()
        self._process: subprocess.Popen[str] | None = None
        self.urls: dict[str, str] = {}
        """By camera id."""

    def __enter__(self) -> Self:
        port = self._ports.free()
        command = [sys.executable, "-m", "safetygear_workbench", "camera", "serve", "--port", str(port)]
        command += [f"{name}={clip}" for name, clip in self._clips.items()]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                leashed(command, starter_pid=os.getpid(), death_signal=signal.SIGTERM),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for name in self._clips:
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


def alike(clip: Path, cameras: int) -> dict[str, Path]:
    """So many cameras that all send the same clip."""
    return {f"cam-{number:03}": clip for number in range(1, cameras + 1)}
