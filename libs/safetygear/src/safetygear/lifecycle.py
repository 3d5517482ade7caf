"""A module's life: one main coroutine, an orderly stop on SIGTERM, exit codes that say whether a restart helps.

edgeAgent sends SIGTERM and kills after ten seconds, so everything has to be over before.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable

from safetygear.allocator import use_one_arena
from safetygear.errors import SafetyGearError, UserError

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
"""Something failed that a restart may cure."""
EXIT_BAD_INPUT = 2
"""The configuration the process was started with is wrong."""
EXIT_STUCK = 70
"""The event loop did not turn, or the stop took too long."""
_STUCK_AFTER_S = 30.0
_HARD_EXIT_MARGIN_S = 1.0


class Lifecycle:
    """What the main coroutine watches: `stopping` is set once the module has to end."""

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        self.stopping = asyncio.Event()
        self._on_stop = on_stop

    def request_stop(self, reason: str) -> None:
        """End the module in order. The first reason is logged."""
        if not self.stopping.is_set():
            log.info("stopping: %s", reason)
            self._on_stop()
            self.stopping.set()


class LoopWatchdog:
    """A thread that ends the process when the event loop has not turned for `stuck_after_s`.

    A process that hangs keeps its hub connection and looks alive; one that ended is started again.
    """

    def __init__(self, stuck_after_s: float, exit_now: Callable[[int], None]) -> None:
        self._stuck_after_s = stuck_after_s
        self._exit_now = exit_now
        self._last_turn_s = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        self._done.set()

    def _turn(self) -> None:
        self._last_turn_s = time.monotonic()
        if not self._done.is_set():
            asyncio.get_running_loop().call_later(self._stuck_after_s / 10, self._turn)

    def _watch(self) -> None:
        seen_s, looks = self._last_turn_s, 0
        while not self._done.wait(self._stuck_after_s / 10):
            turned, seen_s = self._last_turn_s != seen_s, self._last_turn_s
            looks = 0 if turned else looks + 1
            # Looks, not seconds: a process that was paused as a whole (a snapshot, a debugger) is not stuck.
            if looks > 10:
                silent_s = time.monotonic() - self._last_turn_s
                log.critical("the event loop has not turned for %.0f s; ending so that edgeAgent restarts it", silent_s)
                faulthandler.dump_traceback(all_threads=True)
                self._exit_now(EXIT_STUCK)
                return


class HardExit:
    """Ends the process when its orderly end takes too long.

    Threads of foreign libraries can hold up even a cancelled loop, and asyncio waits for the threads it has lent out.
    """

    def __init__(self, name: str, exit_now: Callable[[int], None]) -> None:
        self.code = EXIT_STUCK
        """What the process ends with; the main coroutine's own code, where that tells more."""
        self._name = name
        self._exit_now = exit_now
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """From now on there are so many seconds; a second call changes nothing."""
        if self._timer is None:
            self._timer = threading.Timer(seconds, self._too_slow)
            self._timer.daemon = True
            self._timer.start()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _too_slow(self) -> None:
        log.critical("%s is still running after its time to stop; ending the process", self._name)
        self._exit_now(self.code)


def run_module(
    main: Callable[[Lifecycle], Awaitable[None]],
    *,
    name: str,
    grace_s: float = 8.0,
    stuck_after_s: float = _STUCK_AFTER_S,
) -> int:
    """Run `main` to its end and return the process's exit code.

    SIGTERM and SIGINT set `stopping`; `main` then has `grace_s` before it is cancelled, and a moment more before the
    process ends whatever still runs. UserError ends with 2, anything else with 1, each with one line in the log.
    """
    use_one_arena()
    hard_exit = HardExit(name, _exit_now)
    others = set(threading.enumerate())
    try:
        code = asyncio.run(_supervise(main, name, grace_s, stuck_after_s, hard_exit))
    except KeyboardInterrupt:
        code = EXIT_OK
    finally:
        # Not before asyncio.run is over: it is what waits for tasks and threads. The interpreter waits as well, and
        # without end, for a pool's thread that hangs: a module that is to be started again must not stay like that.
        left = [thread for thread in set(threading.enumerate()) - others if thread.is_alive()]
        waited_for = any(not thread.daemon for thread in left)
        if not waited_for:
            hard_exit.disarm()
    if left and not waited_for:
        # The interpreter's end would take a daemon thread that is inside a C++ library by unwinding its stack, which
        # aborts the process: 134 instead of the code, where OpenVINO was still compiling a network.
        _exit_now(code)
    return code


async def _supervise(
    main: Callable[[Lifecycle], Awaitable[None]], name: str, grace_s: float, stuck_after_s: float, hard_exit: HardExit
) -> int:
    loop = asyncio.get_running_loop()
    # The clock runs from the request on: what is woken by it may hold the loop up.
    lifecycle = Lifecycle(lambda: hard_exit.arm(grace_s + _HARD_EXIT_MARGIN_S))
    watchdog = LoopWatchdog(stuck_after_s, _exit_now)
    watchdog.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lifecycle.request_stop, signal.Signals(number).name)
    work = asyncio.ensure_future(main(lifecycle))
    stop = asyncio.ensure_future(lifecycle.stopping.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        hard_exit.arm(grace_s + _HARD_EXIT_MARGIN_S)
        if not work.done():
            await asyncio.wait({work}, timeout=grace_s)
        if not work.done():
            log.error("%s did not stop within %.0f s; cancelling what is left", name, grace_s)
            work.cancel()
            await asyncio.wait({work}, timeout=_HARD_EXIT_MARGIN_S / 2)
            return EXIT_STUCK
        code = _exit_code(work, name)
        hard_exit.code = code or EXIT_STUCK
        return code
    finally:
        stop.cancel()
        watchdog.stop()


def _exit_code(work: asyncio.Future[None], name: str) -> int:
    error = None if work.cancelled() else work.exception()
    if error is None:
        return EXIT_OK
    # A TaskGroup wraps what its tasks raise.
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, UserError):
        log.error("%s can't run: %s", name, error)
        return EXIT_BAD_INPUT
    if isinstance(error, SafetyGearError):
        log.error("%s ends: %s (%s)", name, error, error.code)
    else:
        # Not foreseen, so the place is worth its length; the formatter keeps it on one line.
        log.error("%s ends: unexpected %s", name, type(error).__name__, exc_info=error)
    return EXIT_FAILED


def _exit_now(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
