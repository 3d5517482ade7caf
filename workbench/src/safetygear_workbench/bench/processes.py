"""What processes have used: processor time and memory, from /proc (Linux; proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MODULES = {
    "safetygear_capture": "capture",
    "safetygear_inference": "inference",
    "safetygear_workbench.edge_runtime.hub": "hub",
    "safetygear_workbench.edge_runtime.supervisor": "supervisor",
}


@dataclass(frozen=True)
class Usage:
    """Of one process, or summed over some."""

    cpu_s: float = 0.0
    """User and system time, all of its threads, since its start."""
    rss_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu_s + other.cpu_s, self.rss_bytes + other.rss_bytes)


def parse_stat(text: str) -> tuple[int, Usage]:
    """Parent's pid and usage in a line of /proc/PID/stat. The name may hold spaces and brackets. Raises ValueError."""
    _, _, rest = text.rpartition(")")
    fields = rest.split()
    if len(fields) < 22:
        raise ValueError(f"no line of /proc/PID/stat: {text[:60]!r}")
    return int(fields[1]), Usage((int(fields[11]) + int(fields[12])) / TICKS_PER_S, int(fields[21]) * PAGE_BYTES)


def usage(pid: int) -> Usage:
    """Of a process; nothing where it has ended."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text())[1]
    except (OSError, ValueError):
        return Usage()


def children(root: int) -> dict[int, str]:
    """Pids below `root`, and what each is: capture, inference, hub, supervisor, or `other`."""
    parents: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = parse_stat((entry / "stat").read_text())[0]
            except (OSError, ValueError):
                continue
    below = {root}
    while grown := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= grown
    return {pid: _kind(pid) for pid in below}


def by_kind(processes: Iterable[tuple[int, str]]) -> dict[str, Usage]:
    """Usage now, summed by kind."""
    sums: dict[str, Usage] = {}
    for pid, kind in processes:
        sums[kind] = sums.get(kind, Usage()) + usage(pid)
    return sums


def _kind(pid: int) -> str:
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "other"
    for flag, module in pairwise(words):
        if flag == "-m" and module in _MODULES:
            return _MODULES[module]
    return "other"
