"""A real `safetygear simulate`, and what a test does to it and to its processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support.runtime import wait_until
from support.supervised import is_alive

REPOSITORY = Path(__file__).parents[2]
TEMPLATE, DEMO_TEMPLATE = REPOSITORY / "deployment.template.json", REPOSITORY / "deployment.demo.template.json"
START_S = 60.0
"""For the first detection; bounded, not measured: test machines are busy."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "safetygear_workbench", *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what `make demo` reads."""
    kept = {k: v for k, v in os.environ.items() if k not in ("SAFETYGEAR_DEMO_CAMERA", "DEMO_SECONDS")}
    return {**kept, **(extra or {})}


def run(*arguments: str, timeout_s: float = 60, env: Mapping[str, str] | None = None, cwd: Path = REPOSITORY) -> Any:
    """Run `safetygear` to its end."""
    full, given = command(*arguments), environment(env)
    return subprocess.run(full, capture_output=True, text=True, timeout=timeout_s, env=given, cwd=cwd, check=False)


class RunningSimulation:
    """Its output goes to files below `folder`; `messages` are what it wrote with --messages."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.state = folder / "state"
        self._messages = folder / "messages.jsonl"
        self._output, self._errors = folder / "output.txt", folder / "errors.txt"
        full = command("simulate", "--state", str(self.state), "--messages", str(self._messages), *arguments)
        if "--manifest" not in arguments:
            full += ["--manifest", str(TEMPLATE)]
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(full, stdout=output, stderr=errors, env=environment(env), cwd=folder)

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def everything(self) -> str:
        """For a failed assertion."""
        logs = "".join(f"\n== {path.name}\n{path.read_text()[-3000:]}" for path in (self.state / "logs").glob("*.log"))
        return f"{self.output[-4000:]}\n{self.errors[-4000:]}{logs}"

    def messages(self, output: str | None = None) -> list[dict[str, Any]]:
        """Those that have come, of one output if it is named."""
        if not self._messages.exists():
            return []
        *whole, _ = self._messages.read_text().split("\n")
        records = [json.loads(line) for line in whole]
        return [record for record in records if output in (None, record["output"])]

    def until_detections(self, count: int = 1, timeout_s: float = START_S) -> None:
        """Wait for `count` more detections than there are now."""
        wanted = len(self.messages("detections")) + count
        self.until(lambda: len(self.messages("detections")) >= wanted, timeout_s, f"{count} detections")

    def until_says(self, text: str, timeout_s: float = START_S) -> None:
        self.until(lambda: text in self.output + self.errors, timeout_s, f"the words {text!r}")

    def until(self, condition: Any, timeout_s: float, what: str) -> None:
        def look() -> bool:
            return bool(condition()) or self.process.poll() is not None

        try:
            wait_until(look, timeout_s, what)
            assert condition(), f"the run ended without {what}"
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.everything()}") from None

    def pids(self) -> dict[str, int]:
        """Every process by name, the supervisor included."""
        content = json.loads((self.state / "supervisor.json").read_text())
        pids = {name: entry["pid"] for name, entry in content["processes"].items() if entry["pid"]}
        return {**pids, "supervisor": content["pid"]}

    def kill(self, name: str) -> None:
        os.kill(self.pids()[name], signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """The exit code; AssertionError where it takes longer than a supervisor may."""
        self.process.send_signal(number)
        try:
            return self.process.wait(25)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self.everything()}") from None

    def wait(self, timeout_s: float) -> int:
        return self.process.wait(timeout_s)

    def end(self) -> None:
        """Whatever has happened, nothing stays."""
        pids = []
        with contextlib.suppress(OSError, ValueError):
            pids = list(self.pids().values())
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        give_up_s = time.monotonic() + 15
        while any(is_alive(pid) for pid in pids) and time.monotonic() < give_up_s:
            time.sleep(0.1)


@contextlib.contextmanager
def simulating(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[RunningSimulation]:
    folder.mkdir(parents=True, exist_ok=True)
    simulation = RunningSimulation(folder, *arguments, env=env)
    try:
        yield simulation
    finally:
        simulation.end()
