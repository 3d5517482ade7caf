"""What the solution costs per analysed frame, over the floor: both in one run, in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench.bare_process import FLOOR, WARM_UP_S, run_bare
from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.figures import median
from safetygear_workbench.bench.solution import SOLUTION, STAND_IN, Solution
from safetygear_workbench.bench.stream_figures import distinct

Say = Callable[[str], None]


@dataclass(frozen=True)
class Pass:
    """One measurement of one of the two: milliseconds of processor time per analysed frame."""

    ms_per_frame: float
    analysed_fps: float
    """Of all cameras together."""


async def measure(case: Case, *, seconds: float, repeats: int, say: Say) -> dict[str, Any]:
    """Floor and solution `repeats` times, in alternating order. Raises SafetyGearError."""
    floors: list[Pass] = []
    solutions: list[Pass] = []
    parts: list[dict[str, float]] = []
    for repeat in range(repeats):
        for what in ("floor", "solution") if repeat % 2 == 0 else ("solution", "floor"):
            say(f"{case.stream}, {case.model_name}: {what}, {repeat + 1} of {repeats}")
            with CameraSite(alike(case.clip, case.cameras), case.state.with_suffix(".cameras.log")) as site:
                if what == "floor":
                    floors.append(await asyncio.to_thread(_floor, case, list(site.urls.values()), seconds))
                else:
                    measured, by_part = await _solution(case, site, seconds)
                    solutions.append(measured)
                    parts.append(by_part)
    ratios = [above.ms_per_frame / below.ms_per_frame for above, below in zip(solutions, floors, strict=True)]
    return {
        "stream": case.stream,
        "model": case.model_name,
        "cameras": case.cameras,
        "overhead_ratio": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "floor_ms": round(median([one.ms_per_frame for one in floors]), 2),
        "solution_ms": round(median([one.ms_per_frame for one in solutions]), 2),
        "parts_ms": {name: round(median([part[name] for part in parts]), 2) for name in parts[0]},
        "analysed_fps": {
            "floor": round(median([one.analysed_fps for one in floors]), 2),
            "solution": round(median([one.analysed_fps for one in solutions]), 2),
        },
    }


def _floor(case: Case, urls: list[str], seconds: float) -> Pass:
    one = run_bare(FLOOR, case, urls, seconds)
    analysed = sum(one.analysed)
    if not analysed:
        raise SafetyGearError("the floor's process has analysed nothing", code="bench-floor")
    return Pass(one.cpu_s / analysed * 1000, analysed / one.seconds)


async def _solution(case: Case, site: CameraSite, seconds: float) -> tuple[Pass, dict[str, float]]:
    async with Solution(
        site.urls,
        case.state,
        manifest=case.manifest,
        model=case.model,
        fps=case.fps,
        environment=case.environment(),
    ) as solution:
        await solution.warm_up(WARM_UP_S)
        window = await solution.watch(seconds)
    analysed = len(distinct(window.detections()))
    if not analysed:
        raise SafetyGearError("the solution has sent no detections", code="bench-solution")
    parts = {kind: window.cpu_s(kind) / analysed * 1000 for kind in SOLUTION}
    parts["stand_in"] = window.cpu_s(*STAND_IN) / analysed * 1000
    return Pass(window.cpu_s(*SOLUTION) / analysed * 1000, analysed / window.seconds), parts
