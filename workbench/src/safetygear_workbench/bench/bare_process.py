"""Runs the programs that the solution is compared with, and reads what they print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench.case import Case
from safetygear_workbench.edge_runtime.leash import leashed


@dataclass(frozen=True)
class Program:
    """What is run with the arguments MODEL FPS WARM_UP_S SECONDS URL…, and prints one JSON line as floor.py does."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


FLOOR = Program((sys.executable, "-m", "safetygear_workbench.bench.floor"))
PLAIN_LOOP = Program((sys.executable, "-m", "safetygear_workbench.bench.plain_loop"))
WARM_UP_S = 5.0
EXTRA_S = 120.0


@dataclass(frozen=True)
class Bare:
    """What such a program has done in its window."""

    cpu_s: float
    seconds: float
    analysed: tuple[int, ...]
    """Frames by camera."""


def run_bare(program: Program, case: Case, urls: Sequence[str], seconds: float) -> Bare:
    """One run on the cameras at `urls`. Raises SafetyGearError where it fails."""
    name = program.command[-1]
    command = [*program.command, str(case.model), str(case.fps), str(WARM_UP_S), str(seconds), *urls]
    try:
        done = subprocess.run(
            leashed(command, starter_pid=os.getpid(), death_signal=signal.SIGTERM),
            capture_output=True,
            text=True,
            timeout=seconds + EXTRA_S,
            check=False,
            env={**os.environ, **case.environment(), **program.environment},
        )
    except subprocess.TimeoutExpired as exc:
        raise SafetyGearError(f"{name} did not end in time", code="bench-process") from exc
    if done.returncode != 0:
        raise SafetyGearError(f"{name} failed: {done.stderr.strip()[-400:]}", code="bench-process")
    try:
        # A program of others may print more than that line.
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as exc:
        raise SafetyGearError(
            f"{name} printed no result: {done.stdout.strip()[-200:]!r}", code="bench-process"
        ) from exc
    return Bare(result["cpuS"], result["seconds"], tuple(result["analysed"]))
