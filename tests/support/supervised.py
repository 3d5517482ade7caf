"""A supervisor process with a real hub and whatever small programs a test wants as modules."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safetygear_workbench.edge_runtime.process_plan import ProcessPlan
from safetygear_workbench.edge_runtime.supervisor import SupervisorPlan
from support.runtime import free_loopback_address, minimal_manifest, wait_until


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


class RunningSupervisor:
    """A supervisor that a test looks at through its events and its state file."""

    def __init__(self, folder: Path, processes: Sequence[ProcessPlan], *, first_pause_s: float = 0.2) -> None:
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        manifest = folder / "deployment.json"
        manifest.write_text(json.dumps(minimal_manifest({}, {plan.name: {} for plan in processes if plan.is_module})))
        hub = (
            sys.executable, "-m", "safetygear_workbench.edge_runtime.hub", "--state", str(self.state / "hub"),
            "--manifest", str(manifest), "--address", free_loopback_address(), "--rest-port", "0",
        )  # fmt: skip
        plan_file = self.state / "plan.json"
        SupervisorPlan(self.state, manifest, hub, tuple(processes), first_pause_s, ()).write(plan_file)
        self.output = folder / "events.jsonl"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "safetygear_workbench.edge_runtime.supervisor", str(plan_file)],
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def events(self, kind: str, process: str | None = None) -> list[dict[str, Any]]:
        """The events of a kind so far, of one process if it is named."""
        records = [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]
        return [r for r in records if r["event"] == kind and process in (None, r.get("process"))]

    def pid(self, process: str, starts: int = 1, timeout_s: float = 15.0) -> int:
        """The process's pid once it has been started so many times."""

        def look() -> int | None:
            with contextlib.suppress(OSError, ValueError):
                entry = json.loads((self.state / "supervisor.json").read_text())["processes"][process]
                if entry["starts"] >= starts:
                    return int(entry["pid"]) if entry["pid"] else None
            return None

        return int(wait_until(look, timeout_s, f"start {starts} of {process}"))

    def log(self, process: str) -> str:
        """What the process has printed so far."""
        path = self.state / "logs" / f"{process}.log"
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        """Kill it if it still runs; its children are on leashes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@contextlib.contextmanager
def running_supervisor(
    folder: Path, processes: Sequence[ProcessPlan], *, first_pause_s: float = 0.2
) -> Iterator[RunningSupervisor]:
    supervisor = RunningSupervisor(folder, processes, first_pause_s=first_pause_s)
    try:
        yield supervisor
    finally:
        supervisor.end()
