"""The supervisor as a child on a leash: it ends, with everything it started, when this process ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from safetygear_workbench.edge_runtime.leash import leashed

_LINE_BYTES = 1 << 20


class SupervisorProcess:
    """Started by `start`; `events` ends with the process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, plan: Path, environ: Mapping[str, str], log: Path) -> SupervisorProcess:
        """`log` takes what it has to say beside events. Raises OSError."""
        command = [sys.executable, "-m", "safetygear_workbench.edge_runtime.supervisor", str(plan)]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *leashed(command, starter_pid=os.getpid(), death_signal=signal.SIGTERM),
                env=dict(environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=_LINE_BYTES,
                # Ctrl-C goes to the terminal's whole group, and the modules are to end before the hub does.
                start_new_session=True,
            )
        return cls(process)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What the supervisor tells, as it tells it."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event

    def ask_to_stop(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Its children are on leashes."""
        if self._process.returncode is None:
            self._process.kill()

    async def wait(self) -> int:
        return await self._process.wait()
