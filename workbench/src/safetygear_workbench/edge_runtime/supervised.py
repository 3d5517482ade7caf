"""One process under supervision: started on a leash, its output kept, its end noticed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from safetygear_workbench.edge_runtime.leash import leashed
from safetygear_workbench.edge_runtime.log_file import LogFile
from safetygear_workbench.edge_runtime.process_plan import ProcessPlan
from safetygear_workbench.edge_runtime.restart_policy import RestartCounter, RestartSettings

_READ_BYTES = 64 * 1024
_KILL_WAIT_S = 1.0


class Supervised:
    """A process of the plan. `start`, `wait` and `stop` belong to one event loop."""

    def __init__(self, plan: ProcessPlan, settings: RestartSettings, logs: Path) -> None:
        self.plan = plan
        self.counter = RestartCounter(plan.restart_policy, settings)
        self.log = LogFile(logs / f"{plan.name}.log")
        self.state = "waiting"
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self, environ: Mapping[str, str], now_s: float) -> None:
        """Raises OSError where the machine can't start another process."""
        self._make_folders()
        # SIGKILL: when the supervisor is gone, nobody is left to insist.
        command = leashed(list(self.plan.command), starter_pid=os.getpid(), death_signal=signal.SIGKILL)
        self._process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.state = "running"
        self.starts += 1
        self.counter.started(now_s)

    async def wait(self) -> int:
        """Keep the output until the process ends; its exit code, negative for a signal."""
        assert self._process is not None
        assert self._process.stdout is not None
        output, process = self._process.stdout, self._process
        pump = asyncio.create_task(self._pump(output))
        code = await process.wait()
        # A grandchild may hold the pipe open.
        await asyncio.wait({pump}, timeout=1.0)
        pump.cancel()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL after `grace_s`."""
        self.signal(signal.SIGTERM)
        if not await self._ended_within(grace_s):
            self.signal(signal.SIGKILL)
            await self._ended_within(_KILL_WAIT_S)

    def _make_folders(self) -> None:
        for folder in self.plan.folders:
            Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)

    async def _ended_within(self, seconds: float) -> bool:
        if self._process is None:
            return True
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _pump(self, output: asyncio.StreamReader) -> None:
        while chunk := await output.read(_READ_BYTES):
            self.log.write(chunk)
