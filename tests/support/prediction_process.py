"""The image's `serve` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from support.prediction import KEY, MODELS
from support.runtime import wait_until


class ServeProcess:
    """Listens on a free port of loopback; its log goes to `log`."""

    def __init__(self, log: Path, environ: Mapping[str, str] | None = None, *, key: str | None = KEY) -> None:
        self._log = log
        environment = {
            **os.environ,
            "MODELS_DIR": str(MODELS),
            "SAFETYGEAR_PREDICTION_LISTEN": "127.0.0.1:0",
            **({} if key is None else {"PredictionKey": key}),
            **(environ or {}),
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "safetygear_inference", "serve"], env=environment, stdout=output, stderr=output
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self) -> str:
        """Its address, once it answers."""

        def answers() -> str | None:
            assert self.process.poll() is None, self.log()
            _, found, rest = self.log().partition("predictions on http://")
            if not found:
                return None
            address = f"http://{rest.split()[0]}"
            return address if requests.get(address, timeout=5).ok else None

        return str(wait_until(answers, 30, "the server"))

    def rss_bytes(self) -> int:
        """Memory that it holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self) -> tuple[int, float]:
        """SIGTERM; its exit code, and how long it took."""
        asked_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15), time.monotonic() - asked_s

    def end(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
