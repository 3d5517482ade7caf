"""Runs a program that ends when its starter dies, however that dies: `leash.py STARTER_PID SIGNAL COMMAND…`.

On Linux the kernel sends the signal (PR_SET_PDEATHSIG survives exec, so the program takes this process's place and its
pid). Elsewhere this process stays, watches its parent, and ends the program when the parent has changed.

Started by path with `python -I -S`, so that nothing but the standard library is loaded.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""
POLL_S = 0.5
GRACE_S = 5.0
"""Between asking the program to end and killing it, where there is no PR_SET_PDEATHSIG."""
EXIT_NOT_STARTED = 127


def leashed(command: list[str], *, starter_pid: int, death_signal: signal.Signals) -> list[str]:
    """`command` on a leash, to be started by the process `starter_pid`."""
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(starter_pid), str(int(death_signal)), *command]


def main(arguments: list[str]) -> int:
    """Becomes the program (Linux), or runs it and returns its exit code."""
    starter_pid, death_signal, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != starter_pid:
            # It died before the leash was on.
            return EXIT_NOT_STARTED
        try:
            os.execvp(command[0], command)
        except OSError as exc:
            sys.stderr.write(f"can't start {command[0]}: {exc.strerror}\n")
            return EXIT_NOT_STARTED
    return run_watching(command, starter_pid)


def run_watching(command: list[str], starter_pid: int, poll_s: float = POLL_S, grace_s: float = GRACE_S) -> int:
    """Run the program as a child and end it when this process's parent is another than `starter_pid`."""
    program = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: program.send_signal(received))
    while program.poll() is None:
        if os.getppid() != starter_pid:
            program.terminate()
            try:
                return program.wait(grace_s)
            except subprocess.TimeoutExpired:
                program.kill()
                return program.wait()
        time.sleep(poll_s)
    return program.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
