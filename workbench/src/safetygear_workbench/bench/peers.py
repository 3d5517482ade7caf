"""The solution, a plain loop and other people's programs on the same cameras, in turn: what a frame costs each, and how
many cameras each can take.

Programs with packages of their own run in environments of their own (`make peers-env`), as processes that print what
they have done; where one is not installed, its row says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench import streams
from safetygear_workbench.bench.bare_process import FLOOR, PLAIN_LOOP, Bare, Program, run_bare
from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.figures import Search, median

Say = Callable[[str], None]
SCRIPTS: Final = Path("tests/bench/peers")
ENVIRONMENTS: Final = Path(".venv-peers")
ONE_THREAD: Final = {"SAFETYGEAR_PEER_THREADS": "1"}
SOLUTION: Final = "safetygear"
NOT_INSTALLED: Final = "not installed (make peers-env)"
THEIRS: Final = ("bench-process", "bench-peer")
"""Codes of what a program has failed with itself; the rest, such as a camera server that did not start, is ours."""


@dataclass(frozen=True)
class Contestant:
    """Somebody's program; `environment` is the folder of its packages in ENVIRONMENTS, None for ours."""

    name: str
    program: Program
    environment: str | None = None

    @property
    def is_installed(self) -> bool:
        return self.environment is None or Path(self.program.command[0]).exists()


@dataclass
class _Costs:
    """Milliseconds of processor time per analysed frame, and analysed frames a second and camera, of each pass."""

    ms: list[float] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)


def contestants() -> list[Contestant]:
    """All but the solution. Relative to the repository."""
    ours = [Contestant("floor", FLOOR), Contestant("plain cv2 loop", PLAIN_LOOP)]
    for name, script in (("ultralytics", "ultralytics_loop.py"), ("roboflow", "roboflow_loop.py")):
        # Not resolved: the link's own folder is what makes it that environment's Python.
        command = (str(Path.cwd() / ENVIRONMENTS / name / "bin" / "python"), str(SCRIPTS / script))
        ours += [
            Contestant(name, Program(command), name),
            Contestant(f"{name}, one thread each", Program(command, ONE_THREAD), name),
        ]
    return ours


async def measure(
    case: Case, *, seconds: float, first: int, repeats: int, with_search: bool, say: Say
) -> dict[str, Any]:
    """Costs at `first` cameras, all in turn `repeats` times; then the most cameras of each. Raises SafetyGearError."""
    those = [one for one in contestants() if one.is_installed]
    at_first = replace(case, cameras=first)
    costs = {name: _Costs() for name in (*(one.name for one in those), SOLUTION)}
    failed: dict[str, str] = {}
    for repeat in range(repeats):
        order = [*those, None] if repeat % 2 == 0 else [None, *reversed(those)]
        for one in order:
            name = SOLUTION if one is None else one.name
            if name in failed:
                continue
            say(f"{case.stream}, {case.model_name}: {name}, {first} cameras, {repeat + 1} of {repeats}")
            try:
                ms, fps = await (_solution(at_first, seconds) if one is None else _of(one, at_first, seconds))
            except SafetyGearError as exc:
                if one is None or one.environment is None or exc.code not in THEIRS:
                    raise
                failed[name] = str(exc)[-300:]
                continue
            costs[name].ms.append(ms)
            costs[name].fps.append(fps)
    found = {one.name: {"why": NOT_INSTALLED} for one in contestants() if not one.is_installed}
    found |= {name: {"why": why} for name, why in failed.items()}
    rows: dict[str, dict[str, Any]] = {
        name: {"ms_per_frame": round(median(cost.ms), 1), "fps_per_camera": round(median(cost.fps), 2)}
        for name, cost in costs.items()
        if cost.ms
    }
    if with_search:
        for one in those:
            if one.name not in failed:
                rows[one.name] |= await _search(case, one, seconds=seconds, first=first, say=say)
        ours = await streams.measure(case, seconds=seconds, first=first, say=say, with_floor=False)
        rows[SOLUTION] |= {"streams": ours["streams"], "failed_at": ours["failed_at"]}
    floor_ms = rows["floor"]["ms_per_frame"]
    for row in rows.values():
        row["to_the_floor"] = round(row["ms_per_frame"] / floor_ms, 2)
    return {
        "stream": case.stream,
        "model": case.model_name,
        "seconds": seconds,
        "cameras": first,
        "contestants": {**rows, **found},
        "ratio_to_plain_loop": _ratio(rows, "plain cv2 loop"),
    }


def _ratio(rows: Mapping[str, Mapping[str, Any]], other: str) -> float | None:
    """How many times as many cameras as `other`."""
    theirs, ours = rows.get(other, {}).get("streams"), rows[SOLUTION].get("streams")
    return round(ours / theirs, 2) if theirs and ours is not None else None


async def _of(one: Contestant, case: Case, seconds: float) -> tuple[float, float]:
    ran = await _run(one, case, seconds)
    if not sum(ran.analysed):
        raise SafetyGearError(f"{one.name} has analysed nothing", code="bench-peer")
    return ran.cpu_s / sum(ran.analysed) * 1000, sum(ran.analysed) / ran.seconds / case.cameras


async def _solution(case: Case, seconds: float) -> tuple[float, float]:
    tried = await streams.trial(case, seconds=seconds)
    if "fps_mean" not in tried:
        raise SafetyGearError(tried["why"], code="bench-solution")
    per_s = tried["fps_mean"] * case.cameras
    return tried["cpu_percent"]["solution"] * 10 / per_s, tried["fps_mean"]


async def _search(case: Case, one: Contestant, *, seconds: float, first: int, say: Say) -> dict[str, Any]:
    """The most cameras whose frames it all analyses; `failed_with` where it did not fall behind but failed."""
    search, reasons = Search(), dict[int, str]()
    while (number := search.next(first)) is not None:
        say(f"{case.stream}, {case.model_name}: {one.name}, {number} cameras for {seconds:g} s")
        try:
            ran = await _run(one, replace(case, cameras=number), seconds)
            works = min(ran.analysed) / ran.seconds >= case.fps * streams.SHARE
        except SafetyGearError as exc:
            if exc.code not in THEIRS:
                raise
            works, reasons[number] = False, str(exc)[-300:]
        search = search.tried(number, works)
    failed_at = min(search.failed, default=None)
    why = {"failed_with": reasons[failed_at]} if failed_at in reasons else {}
    return {"streams": search.found, "failed_at": failed_at, **why}


async def _run(one: Contestant, case: Case, seconds: float) -> Bare:
    with CameraSite(alike(case.clip, case.cameras), case.state.with_suffix(".cameras.log")) as site:
        return await asyncio.to_thread(run_bare, one.program, case, list(site.urls.values()), seconds)
