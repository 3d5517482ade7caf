"""The largest number of live cameras of which each has its frames analysed, with one more shown to fail."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench.bare_process import FLOOR, run_bare
from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.figures import Search
from safetygear_workbench.bench.latency_figures import totals, travelled
from safetygear_workbench.bench.solution import SOLUTION, STAND_IN, Solution
from safetygear_workbench.bench.stream_figures import cpu_fit, distinct, dropped, floor_share, memory_slope

WARM_UP_S = 10.0
SHARE = 0.98
"""Of the wanted rate that every single camera must reach: 4.9 of 5 frames per second."""
HEALTH_EVERY_S = 15
"""Health messages tell the drops by reason; a minute's would miss those of a short trial."""


async def measure(
    case: Case,
    *,
    seconds: float,
    first: int,
    say: Callable[[str], None],
    search_seconds: float | None = None,
    also: Sequence[int] = (),
    with_floor: bool = True,
    most: int = 256,
) -> dict[str, Any]:
    """Tries numbers of cameras for `search_seconds` each (None: `seconds`), beginning with `first`, down to the largest
    that works and one more that fails, and proves both for `seconds`. `also` are measured for the line of cost, and the
    floor, as long as the search's.

    Raises SafetyGearError.
    """
    short_s = min(seconds, seconds if search_seconds is None else search_seconds)
    trials: dict[int, dict[str, Any]] = {}

    async def tried(number: int, for_s: float) -> bool:
        say(f"{case.stream}, {case.model_name}: {number} cameras for {for_s:g} s")
        trials[number] = await trial(replace(case, cameras=number), seconds=for_s)
        return bool(trials[number]["works"])

    search = Search(most=most)
    while (number := search.next(first)) is not None:
        search = search.tried(number, await tried(number, short_s))
    found = search.found
    if short_s < seconds:
        found = await proven(found, lambda number: tried(number, seconds), most)
    for number in also:
        if number < found and number not in trials:
            await tried(number, short_s)
    floor = None
    if with_floor and found:
        say(f"{case.stream}, {case.model_name}: floor, {found} cameras for {short_s:g} s")
        floor = await _floor(replace(case, cameras=found), short_s)
    return {
        "stream": case.stream,
        "model": case.model_name,
        "runtime": case.runtime,
        "streams": found,
        "failed_at": min((number for number in trials if number > found), default=None),
        "fps_floor": round(case.fps * SHARE, 2),
        "seconds": seconds,
        "cameras": [trials[number] for number in sorted(trials)],
        "cpu_fit": cpu_fit(list(trials.values())),
        "floor": floor,
    }


async def proven(found: int, works: Callable[[int], Awaitable[bool]], most: int) -> int:
    """The largest number that `works`, of which a search says that it is `found`: tried downwards until one works, or
    upwards until one does not, for a short trial may fail by chance as well. 0: none works.
    """
    if not found:
        return 0
    if await works(found):
        while found < most and await works(found + 1):
            found += 1
        return found
    while found > 1:
        found -= 1
        if await works(found):
            return found
    return 0


async def trial(case: Case, *, seconds: float) -> dict[str, Any]:
    """So many cameras: whether each is analysed at its rate, and what that takes."""
    with CameraSite(alike(case.clip, case.cameras), case.state.with_suffix(".cameras.log")) as site:
        try:
            async with Solution(
                site.urls,
                case.state,
                manifest=case.manifest,
                model=case.model,
                fps=case.fps,
                inference={"healthIntervalS": HEALTH_EVERY_S},
                environment=case.environment(),
            ) as solution:
                await solution.warm_up(WARM_UP_S)
                cameras_before = site.usage()
                window = await solution.watch(seconds)
                cameras_cpu_s = site.usage().cpu_s - cameras_before.cpu_s
        except SafetyGearError as exc:
            if exc.code != "bench-start":
                raise
            return {"cameras": case.cameras, "seconds": seconds, "works": False, "why": str(exc)}
    frames = Counter(dict.fromkeys(site.urls, 0))
    frames.update(camera for camera, _, _ in distinct(window.detections()))
    fps = {name: count / window.seconds for name, count in frames.items()}
    return {
        "cameras": case.cameras,
        "seconds": seconds,
        "works": min(fps.values()) >= case.fps * SHARE,
        "fps_min": round(min(fps.values()), 3),
        "fps_mean": round(sum(fps.values()) / len(fps), 3),
        "dropped": dropped(window.records),
        "cpu_percent": {
            "solution": round(window.cpu_s(*SOLUTION) / window.seconds * 100, 1),
            **{kind: round(window.cpu_s(kind) / window.seconds * 100, 1) for kind in SOLUTION},
            "stand_in": round(window.cpu_s(*STAND_IN) / window.seconds * 100, 1),
            "camera_server": round(cameras_cpu_s / window.seconds * 100, 1),
        },
        "latency": totals([travelled(record) for record in window.detections()]),
        "rss": memory_slope(window.rss_bytes),
    }


async def _floor(case: Case, seconds: float) -> dict[str, Any]:
    with CameraSite(alike(case.clip, case.cameras), case.state.with_suffix(".cameras.log")) as site:
        one = await asyncio.to_thread(run_bare, FLOOR, case, list(site.urls.values()), seconds)
    analysed = sum(one.analysed)
    if not analysed:
        raise SafetyGearError("the floor's process has analysed nothing", code="bench-floor")
    # By the frames that it has analysed: it may have fallen behind.
    percent = one.cpu_s / analysed * case.fps * 100
    return floor_share(case.cameras, percent, len(os.sched_getaffinity(0)))
