"""The supervisor process: starts the hub and the deployment's modules, starts again what ends, ends all when it ends.

`python -m safetygear_workbench.edge_runtime.supervisor PLAN.json`. It plays edgeAgent's part. On stdout it prints one
JSON object a line for whoever started it ({event, …}); the processes' own output goes to the state folder's logs/.
Exit codes: 0 stopped, 1 the hub gave up, 2 something a person can mend (the last event `failed` says what).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from safetygear.errors import HubError, UserError
from safetygear_workbench.edge_runtime.hub_control import HubControl, HubReady, read_ready
from safetygear_workbench.edge_runtime.memory_folder import memory_root, remove_abandoned
from safetygear_workbench.edge_runtime.process_plan import ProcessPlan
from safetygear_workbench.edge_runtime.restart_policy import RestartSettings
from safetygear_workbench.edge_runtime.supervised import Supervised

MODULE_GRACE_S = 8.0
"""Modules end within it (their own life cycle insists); with the hub's share below all is over in 10 s."""
HUB_GRACE_S = 1.5
_HUB_READY_S = 30.0
_LOOK_EVERY_S = 0.05
_PRIVATE_VARIABLES = ("SAFETYGEAR_SECRET_", "SAFETYGEAR_DEMO_CAMERA", "IOTEDGE_", "EdgeHub", "EdgeModule", "IOTHUB_")
EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2


@dataclass(frozen=True)
class SupervisorPlan:
    """Everything the supervisor is told."""

    state: Path
    manifest: Path
    hub_command: tuple[str, ...]
    processes: tuple[ProcessPlan, ...]
    first_pause_s: float
    shared_secrets: tuple[str, ...]
    """Names of variables that every module inherits: those a person has set for `env:` references."""

    def write(self, path: Path) -> None:
        saved = {
            "state": str(self.state),
            "manifest": str(self.manifest),
            "hubCommand": self.hub_command,
            "processes": [process.as_json() for process in self.processes],
            "firstPauseS": self.first_pause_s,
            "sharedSecrets": self.shared_secrets,
        }
        path.write_text(json.dumps(saved, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> SupervisorPlan:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            Path(saved["state"]),
            Path(saved["manifest"]),
            tuple(saved["hubCommand"]),
            tuple(ProcessPlan.from_json(process) for process in saved["processes"]),
            float(saved["firstPauseS"]),
            tuple(saved["sharedSecrets"]),
        )


class Supervisor:
    """Runs a plan until `stop` is set or the hub gives up."""

    def __init__(self, plan: SupervisorPlan, environ: Mapping[str, str], announce: TextIO) -> None:
        self._plan = plan
        self._environ = environ
        self._announce = announce
        settings = RestartSettings(first_pause_s=plan.first_pause_s)
        logs = plan.state / "logs"
        self._hub = Supervised(ProcessPlan("hub", plan.hub_command, is_module=False), settings, logs)
        self._processes = [Supervised(process, settings, logs) for process in plan.processes]
        self._identities: dict[str, dict[str, str]] = {}
        self._hub_is_up = asyncio.Event()
        self.stop = asyncio.Event()
        self.exit_code = EXIT_OK

    async def run(self) -> None:
        """Returns when everything has ended. Raises UserError for what a person can mend."""
        watchers = [asyncio.create_task(self._keep_hub())]
        try:
            if await self._first(self._hub_is_up.wait(), watchers):
                await self._deploy()
                for process in self._processes:
                    watchers.append(asyncio.create_task(self._keep(process)))
                await self._first(self.stop.wait(), watchers)
        finally:
            self.stop.set()
            await self._end_all()
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            self._say("stopped")
            self._write_state()

    async def _first(self, wanted: Any, watchers: Sequence[asyncio.Task[None]]) -> bool:
        """Whether `wanted` came before a stop; a watcher's failure is raised."""
        waiting = asyncio.ensure_future(wanted)
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            pending: set[asyncio.Future[Any]] = {waiting, stopping, *watchers}
            while not waiting.done() and not stopping.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {waiting, stopping}:
                    task.result()
            return waiting.done() and not self.stop.is_set()
        finally:
            waiting.cancel()
            stopping.cancel()

    async def _keep_hub(self) -> None:
        hub = self._hub
        while not self.stop.is_set():
            await hub.start(self._inherited(()), time.monotonic())
            self._say("started", hub)
            ready = asyncio.create_task(self._await_hub())
            code = await hub.wait()
            ready.cancel()
            self._hub_is_up.clear()
            if self.stop.is_set():
                return
            if code == EXIT_BAD_INPUT and hub.starts == 1:
                raise UserError(hub.log.last_line.removeprefix("hub: "), code="hub-not-started")
            if not await self._pause_before_restart(hub, code):
                self.exit_code = EXIT_FAILED
                self.stop.set()

    async def _await_hub(self) -> None:
        give_up_s = time.monotonic() + _HUB_READY_S
        while time.monotonic() < give_up_s:
            if self._ready() is not None:
                self._hub_is_up.set()
                self._say("hub-ready")
                return
            await asyncio.sleep(_LOOK_EVERY_S)
        # It neither serves nor ends: its end brings the next attempt.
        self._hub.signal(signal.SIGKILL)

    def _ready(self) -> HubReady | None:
        ready = read_ready(self._plan.state / "hub")
        return ready if ready is not None and ready.pid == self._hub.pid else None

    async def _deploy(self) -> None:
        ready = self._ready()
        if ready is None:
            return
        manifest = json.loads(self._plan.manifest.read_text(encoding="utf-8"))
        try:
            async with HubControl(ready, timeout_s=10.0) as control:
                await control.deploy(manifest)
        except HubError as exc:
            if exc.code == "hub-refused":
                raise UserError(str(exc)) from exc
            raise
        self._say("deployed")

    async def _keep(self, process: Supervised) -> None:
        while not self.stop.is_set():
            identity = await self._identity(process) if process.plan.is_module else {}
            names = process.plan.inherited_secrets
            if process.plan.is_module:
                names = (*names, *self._plan.shared_secrets)
            await process.start({**self._inherited(names), **process.plan.env, **identity}, time.monotonic())
            self._say("started", process)
            code = await process.wait()
            if self.stop.is_set() or not await self._pause_before_restart(process, code):
                return

    async def _identity(self, process: Supervised) -> dict[str, str]:
        """From the hub; while it is down, what it said before, or wait."""
        while not self.stop.is_set():
            ready = self._ready()
            if ready is not None:
                try:
                    async with HubControl(ready) as control:
                        self._identities[process.name] = await control.module_environment(process.name)
                except HubError:
                    await asyncio.sleep(_LOOK_EVERY_S)
            if process.name in self._identities:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        return self._identities.get(process.name, {})

    async def _pause_before_restart(self, process: Supervised, code: int) -> bool:
        """Decide, tell, wait. False: it is not started again."""
        now_s = time.monotonic()
        decision = process.counter.ended(code, now_s)
        process.state = {"restart": "backoff", "stay-stopped": "stopped", "give-up": "failed"}[decision]
        due_s = process.counter.due_s
        pause_s = round(due_s - now_s, 1) if due_s is not None else None
        detail = {"exitCode": code, "decision": decision, "pauseS": pause_s, "lastLine": process.log.last_line[:500]}
        self._say("ended", process, **detail)
        if due_s is None:
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), max(0.0, due_s - time.monotonic()))
        return not self.stop.is_set()

    async def _end_all(self) -> None:
        """Modules first, while the hub can still take their last messages; then the hub and the cameras."""
        modules = [process for process in self._processes if process.plan.is_module]
        others = [self._hub, *(process for process in self._processes if not process.plan.is_module)]
        await asyncio.gather(*(process.stop(MODULE_GRACE_S) for process in modules))
        await asyncio.gather(*(process.stop(HUB_GRACE_S) for process in others))
        for process in (*modules, *others):
            process.state = "stopped" if process.state != "failed" else "failed"
            process.log.close()

    def _inherited(self, secrets: Sequence[str]) -> dict[str, str]:
        """This process's environment without what is nobody else's business, and with the secrets named."""
        kept = {name: value for name, value in self._environ.items() if not name.startswith(_PRIVATE_VARIABLES)}
        return {**kept, "PYTHONUNBUFFERED": "1"} | {
            name: self._environ[name] for name in secrets if name in self._environ
        }

    def _say(self, event: str, process: Supervised | None = None, **details: Any) -> None:
        record: dict[str, Any] = {"event": event, "atS": round(time.time(), 3)}
        if process is not None:
            record |= {"process": process.name, "pid": process.pid, "restarts": process.counter.restarts}
        self._write_state()
        with contextlib.suppress(OSError, ValueError):
            # Whoever started us may have gone; our leash then ends us.
            self._announce.write(json.dumps({**record, **details}) + "\n")
            self._announce.flush()

    def _write_state(self) -> None:
        """`supervisor.json`: what runs, for people and tests."""
        content = {
            "pid": os.getpid(),
            "processes": {
                process.name: {
                    "pid": process.pid,
                    "state": process.state,
                    "starts": process.starts,
                    "restarts": process.counter.restarts,
                    "listens": dict(process.plan.listens),
                }
                for process in (self._hub, *self._processes)
            },
        }
        path = self._plan.state / "supervisor.json"
        making = path.with_suffix(".new")
        with contextlib.suppress(OSError):
            # A full disk must not end the supervisor; the file then shows an older state.
            making.write_text(json.dumps(content, indent=1), encoding="utf-8")
            making.replace(path)


async def _run(plan: SupervisorPlan, environ: Mapping[str, str]) -> int:
    supervisor = Supervisor(plan, environ, sys.stdout)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.stop.set)
    try:
        await supervisor.run()
    except (UserError, HubError, OSError) as exc:
        code = EXIT_BAD_INPUT if isinstance(exc, UserError) else EXIT_FAILED
        sys.stdout.write(json.dumps({"event": "failed", "message": str(exc), "exitCode": code}) + "\n")
        sys.stdout.flush()
        return code
    return supervisor.exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the plan named on the command line."""
    given = sys.argv[1:] if arguments is None else arguments
    plan = SupervisorPlan.read(Path(given[0]))
    with (plan.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"the state folder {plan.state} is used by another run. Choose another --state."
            sys.stdout.write(json.dumps({"event": "failed", "message": message, "exitCode": EXIT_BAD_INPUT}) + "\n")
            return EXIT_BAD_INPUT
        try:
            return asyncio.run(_run(plan, os.environ))
        finally:
            # Whoever started us may have been killed and can't clear up what it kept in memory.
            remove_abandoned(memory_root())


if __name__ == "__main__":
    sys.exit(main())
