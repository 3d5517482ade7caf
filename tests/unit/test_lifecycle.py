"""A module's life, with real processes: exit codes, SIGTERM, what hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from safetygear.lifecycle import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, EXIT_STUCK

HEAD = """
import asyncio, logging, signal, sys, threading, time
from safetygear.errors import HubError, UserError
from safetygear.lifecycle import run_module
from safetygear.logs import configure
from safetygear.redact import Redactor
configure("INFO", Redactor())
def up():
    print("up", flush=True)
"""


def program(body: str, options: str = "grace_s=0.3") -> list[str]:
    """A module whose main coroutine is `body`."""
    main = f"async def main(lifecycle):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    return [sys.executable, "-c", f"{HEAD}{main}sys.exit(run_module(main, name='m', {options}))"]


def run(body: str, *, stop: signal.Signals | None = None, options: str = "grace_s=0.3") -> tuple[int, str]:
    """Its exit code and what it printed; `stop` is sent once it is up."""
    process = subprocess.Popen(program(body, options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        first = ""
        if stop is not None:
            while "up" not in (line := process.stdout.readline()):
                assert line, "it ended before it was up"
                first += line
            process.send_signal(stop)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return process.returncode, first + output


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ("return", EXIT_OK, ""),
        ("raise UserError('no /frames.', hint='Mount it.')", EXIT_BAD_INPUT, "m can't run: no /frames. Mount it."),
        ("raise HubError('gone', code='hub-lost')", EXIT_FAILED, "m ends: gone (hub-lost)"),
        ("raise ZeroDivisionError('x')", EXIT_FAILED, "m ends: unexpected ZeroDivisionError: Traceback"),
        ("""
         async with asyncio.TaskGroup() as group:
             async def wrong(): raise UserError('broken', code='x')
             group.create_task(wrong())
             group.create_task(asyncio.sleep(60))
         """, EXIT_BAD_INPUT, "m can't run: broken"),
        ("lifecycle.request_stop('test'); lifecycle.request_stop('again')", EXIT_OK, "stopping: test"),
    ],
)  # fmt: skip
def test_exit_codes_and_one_line(body: str, code: int, part: str) -> None:
    found, output = run(body)
    assert (found, part in output) == (code, True), output
    assert len([line for line in output.splitlines() if "m ends" in line or "can't run" in line]) <= 1
    assert "Traceback" not in output or "unexpected" in output
    assert all(line.startswith("<") for line in output.splitlines()), output
    assert "again" not in output


WAITS = "up(); await lifecycle.stopping.wait()"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    code, output = run(f"{WAITS}; logging.getLogger('m').info('cleaned up')", stop=number)
    assert code == EXIT_OK
    assert f"stopping: {number.name}" in output and "cleaned up" in output


@pytest.mark.parametrize(
    "body",
    [
        # does not look at `stopping`
        "up(); await asyncio.sleep(60)",
        # does not let itself be cancelled
        """
        up()
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
        """,
        # a thread that asyncio waits for
        "up(); await asyncio.to_thread(time.sleep, 60)",
        # blocks the loop
        """
        up()
        await lifecycle.stopping.wait()
        time.sleep(60)
        """,
    ],
    ids=["deaf", "uncancellable", "thread", "blocked"],
)
def test_what_does_not_end_in_time_is_ended(body: str) -> None:
    started_s = time.monotonic()
    code, output = run(body, stop=signal.SIGTERM)
    assert code == EXIT_STUCK, output
    # edgeAgent kills after 10 s; grace is 0.3 s here.
    assert time.monotonic() - started_s < 9


def test_a_thread_left_behind_does_not_hide_why_it_ended() -> None:
    body = """
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
    raise UserError('wrong')
    """
    code, output = run(body)
    assert code == EXIT_BAD_INPUT, output
    assert "m can't run: wrong" in output and "still running after its time to stop" in output


@pytest.mark.parametrize("ending", ["raise HubError('gone', code='hub-deaf')", "return"])
def test_a_pools_thread_that_hangs_does_not_keep_the_process(ending: str) -> None:
    body = f"""
    from concurrent.futures import ThreadPoolExecutor
    pool = ThreadPoolExecutor(1)
    pool.submit(time.sleep, 60)
    pool.shutdown(wait=False, cancel_futures=True)
    {ending}
    """
    code, output = run(body)
    assert code == (EXIT_STUCK if ending == "return" else EXIT_FAILED), output
    assert "still running after its time to stop" in output


def test_a_loop_that_does_not_turn_ends_the_process() -> None:
    code, output = run("up(); time.sleep(60)", options="stuck_after_s=0.3")
    assert code == EXIT_STUCK
    assert "the event loop has not turned for" in output
    assert "time.sleep(60)" in output or 'File "<string>"' in output, "where it hangs"


def test_a_process_that_was_paused_lives() -> None:
    body = """
    import os
    pause = f"kill -STOP {os.getpid()}; sleep 1.5; kill -CONT {os.getpid()}"
    for _ in range(3):
        child = await asyncio.create_subprocess_exec("sh", "-c", pause)
        await child.wait()
        await asyncio.sleep(0.1)
    """
    code, output = run(body, options="stuck_after_s=1")
    assert code == EXIT_OK, output


def test_a_busy_but_turning_loop_lives() -> None:
    body = """
    for _ in range(40):
        time.sleep(0.02)
        await asyncio.sleep(0)
    """
    assert run(body, options="stuck_after_s=1.5")[0] == EXIT_OK


def test_a_thread_inside_a_foreign_library_does_not_change_the_exit_code() -> None:
    """The interpreter's end, which would tear down such a thread's stack, must not come."""
    code, output = run(
        """
        import atexit, os
        atexit.register(os._exit, 134)
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        raise HubError('gone', code='hub-lost')
        """
    )
    assert (code, "m ends: gone (hub-lost)" in output) == (EXIT_FAILED, True), output
