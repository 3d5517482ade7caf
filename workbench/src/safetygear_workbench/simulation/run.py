"""One run: start, watch, print, stop, sum up."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from safetygear.errors import HubError, UserError
from safetygear.messages.detections import DetectionsMessage
from safetygear_workbench.edge_runtime.hub_control import HubControl, read_ready
from safetygear_workbench.simulation.message_lines import message_line
from safetygear_workbench.simulation.narrator import Processes, Reported
from safetygear_workbench.simulation.options import SimulateOptions
from safetygear_workbench.simulation.prepare import Prepared
from safetygear_workbench.simulation.received import Received
from safetygear_workbench.simulation.summary import Summary, summarise
from safetygear_workbench.simulation.supervisor_process import SupervisorProcess
from safetygear_workbench.simulation.terminal import Terminal
from safetygear_workbench.simulation.totals import Totals
from safetygear_workbench.simulation.upstream_file import UpstreamFile

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2
LOOK_EVERY_S = 0.1
WATCH_EVERY_S = 1.0
STOP_WITHIN_S = 13.0
"""The supervisor needs 10 s at most."""
DELIVER_WITHIN_S = 3.0
"""For what waits for IoT Hub at the end of a run that went offline."""
MOST_CAUSES = 3
"""Named in the line that says that no detection came."""
_STYLES = {"event": "bold red", "health": "cyan", "invalid": "bold red"}


class Run:
    """`started_s`: monotonic, when the command was started."""

    def __init__(self, options: SimulateOptions, prepared: Prepared, terminal: Terminal, *, started_s: float) -> None:
        self._options = options
        self._prepared = prepared
        self._terminal = terminal
        self._started_s = started_s
        self._received = Received()
        self._processes = Processes()
        self._reported = Reported()
        self._totals = Totals()
        self._file = UpstreamFile(prepared.hub_state / "upstream.jsonl")
        self._copy = _open_copy(options.messages) if options.messages is not None else None
        self._stop = asyncio.Event()
        self._detected = asyncio.Event()
        self._failure: str | None = None
        self._exit_code = EXIT_OK
        self._waiting = 0

    async def run(self) -> int:
        """The exit code. Raises UserError where the run could not begin."""
        supervisor = await SupervisorProcess.start(
            self._prepared.plan_file, self._prepared.environment, self._prepared.state / "logs" / "supervisor.log"
        )
        self._on_signals(supervisor)
        listening = asyncio.create_task(self._listen(supervisor))
        beside = [asyncio.create_task(work) for work in self._beside()]
        for task in beside:
            task.add_done_callback(self._one_has_ended)
        try:
            await self._stop.wait()
            if not listening.done():
                self._terminal.note("stopping")
                await self._wind_up()
            supervisor.ask_to_stop()
            done, _ = await asyncio.wait({listening}, timeout=STOP_WITHIN_S)
            if not done:
                self._terminal.note("the processes did not end in time and are killed")
                supervisor.kill()
            await listening
        finally:
            supervisor.kill()
            for task in beside:
                task.cancel()
            results = await asyncio.gather(*beside, return_exceptions=True)
        while self._take_messages():
            pass
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._copy is not None:
            self._copy.close()
        return self._end()

    def _beside(self) -> list[Coroutine[Any, Any, None]]:
        work = [self._follow(), self._watch()]
        if self._options.for_s is not None:
            work.append(self._end_after(self._options.for_s))
        if self._options.offline_after_s is not None and self._options.offline_for_s is not None:
            work.append(self._go_offline(self._options.offline_after_s, self._options.offline_for_s))
        return work

    def _one_has_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._stop.set()

    def _on_signals(self, supervisor: SupervisorProcess) -> None:
        def asked() -> None:
            if self._stop.is_set():
                supervisor.kill()
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, asked)

    async def _listen(self, supervisor: SupervisorProcess) -> None:
        """Until the supervisor ends, whoever wants that."""
        async for event in supervisor.events():
            if event.get("event") == "failed":
                self._failure = str(event.get("message"))
                self._exit_code = EXIT_BAD_INPUT if event.get("exitCode") == EXIT_BAD_INPUT else EXIT_FAILED
            elif (line := self._processes.event(event)) is not None and not self._stop.is_set():
                self._terminal.note(line)
        code = await supervisor.wait()
        if not self._stop.is_set() and self._failure is None:
            log = self._prepared.state / "logs" / "supervisor.log"
            self._failure = (
                f"the supervisor ended unexpectedly (exit code {code}), and with it all processes; see {log}."
            )
            self._exit_code = EXIT_FAILED
        self._stop.set()

    async def _follow(self) -> None:
        """Print what IoT Hub receives."""
        while True:
            more = self._take_messages()
            if self._terminal.closed:
                self._stop.set()
            await asyncio.sleep(0 if more else LOOK_EVERY_S)

    def _take_messages(self) -> bool:
        records = self._file.read()
        for record in records:
            message = self._received.take(record, time.monotonic())
            self._write_copy(record)
            self._terminal.message(message_line(message), record, style=_STYLES.get(message.kind, ""))
            if isinstance(message.known, DetectionsMessage):
                self._detected.set()
                for line in self._processes.detection(message.known, str(record.get("enqueuedAt"))):
                    self._terminal.note(line, style="green")
        return bool(records)

    def _write_copy(self, record: dict[str, Any]) -> None:
        if self._copy is None:
            return
        try:
            self._copy.write(json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n")
            self._copy.flush()
        except OSError as exc:
            self._copy = None
            self._failure = f"--messages {self._options.messages} can't be written any more: {exc.strerror}."
            self._exit_code = EXIT_FAILED
            self._stop.set()

    async def _watch(self) -> None:
        """Once a second: what the modules report, and what they have counted."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0), trust_env=False) as session:
            while True:
                await self._look_at_twins()
                await self._scrape(session)
                await asyncio.sleep(WATCH_EVERY_S)

    async def _look_at_twins(self) -> None:
        ready = read_ready(self._prepared.hub_state)
        if ready is None:
            return
        try:
            async with HubControl(ready, timeout_s=2.0) as control:
                for module in self._prepared.modules:
                    reported = (await control.twin(module))["reported"]
                    for line in self._reported.update(module, reported, time.monotonic()):
                        self._terminal.note(line)
        except HubError:
            return  # it starts, or was killed: the next look is soon

    async def _scrape(self, session: aiohttp.ClientSession) -> None:
        for listen in self._prepared.metrics.values():
            try:
                async with session.get(f"http://{listen}/metrics") as response:
                    self._totals.scraped(await response.text())
            except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
                continue  # it starts, or was killed: counted at the next look

    async def _end_after(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self._started_s + seconds - time.monotonic()))
        self._stop.set()

    async def _go_offline(self, after_s: float, for_s: float) -> None:
        await self._detected.wait()
        await asyncio.sleep(after_s)
        if await self._set_upstream("off"):
            self._terminal.note(f"offline: for {for_s:g} s nothing reaches IoT Hub")
        await asyncio.sleep(for_s)
        waiting = await self._count_waiting()
        if await self._set_upstream("on"):
            self._terminal.note(f"online again: {waiting} messages have waited", style="green")

    async def _set_upstream(self, state: str) -> bool:
        """Insists while the hub is just starting again."""
        while not self._stop.is_set():
            ready = read_ready(self._prepared.hub_state)
            if ready is not None:
                try:
                    async with HubControl(ready) as control:
                        await control.set_upstream(state)
                        return True
                except HubError:
                    pass
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    async def _count_waiting(self) -> int:
        ready = read_ready(self._prepared.hub_state)
        if ready is None:
            return 0
        try:
            async with HubControl(ready) as control:
                return int((await control.status())["upstream"]["waiting"])
        except HubError:
            return 0

    async def _wind_up(self) -> None:
        """The last counts, and the way to IoT Hub open for what still waits."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0), trust_env=False) as session:
            await self._scrape(session)
        if self._options.offline_for_s is None:
            return
        give_up_s = time.monotonic() + DELIVER_WITHIN_S
        ready = read_ready(self._prepared.hub_state)
        if ready is not None:
            try:
                async with HubControl(ready) as control:
                    await control.set_upstream("on")
            except HubError:
                return
        while time.monotonic() < give_up_s:
            self._waiting = await self._count_waiting()
            if not self._waiting:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def summary(self) -> Summary:
        return summarise(
            self._received,
            self._processes,
            self._totals,
            started_s=self._started_s,
            ended_s=time.monotonic(),
            waiting=self._waiting,
        )

    def _end(self) -> int:
        if self._failure is not None and self._exit_code == EXIT_BAD_INPUT:
            raise UserError(self._failure)
        summary = self.summary()
        self._terminal.rows("Summary", summary.rows())
        self._terminal.result({"summary": summary.as_json()})
        if self._failure is None and self._options.for_s is not None and not summary.messages.get("detections"):
            causes = "; ".join(self._reported.in_force()[:MOST_CAUSES]) or "nothing is reported as wrong"
            logs = self._prepared.state / "logs"
            self._failure = f"no detection came in {summary.seconds:g} s ({causes}); see {logs}."
            self._exit_code = EXIT_FAILED
        if self._failure is not None:
            self._terminal.note(self._failure, style="bold red")
        return self._exit_code


def _open_copy(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as exc:
        raise UserError(f"--messages {path} can't be written: {exc.strerror}.", hint="Name another file.") from exc
