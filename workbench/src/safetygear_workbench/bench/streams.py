"""The largest number of live cameras of which each has its frames analysed, with one more shown to fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.figures import Search, fit
from safetygear_workbench.bench.solution import SOLUTION, STAND_IN, Solution, Window

WARM_UP_S = 10.0
SHARE = 0.98
"""Of the wanted rate that every single camera must reach: 4.9 of 5 frames per second."""


async def measure(
    case: Case, *, seconds: float, first: int, say: Callable[[str], None], most: int = 256
) -> dict[str, Any]:
    """Tries numbers of cameras, beginning with `first`. Raises SafetyGearError."""
    search, trials = Search(most=most), {}
    while (number := search.next(first)) is not None:
        say(f"{case.stream}, {case.model_name}: {number} cameras for {seconds:g} s")
        trials[number] = await trial(replace(case, cameras=number), seconds=seconds)
        search = search.tried(number, bool(trials[number]["works"]))
    return {
        "stream": case.stream,
        "model": case.model_name,
        "streams": search.found,
        "failed_at": min(search.failed, default=None),
        "fps_floor": round(case.fps * SHARE, 2),
        "seconds": seconds,
        "cameras": [trials[number] for number in sorted(trials)],
        "cpu_fit": cpu_fit([one for one in trials.values() if one["works"]]),
    }


async def trial(case: Case, *, seconds: float) -> dict[str, Any]:
    """So many cameras: whether each is analysed at its rate, and what that takes."""
    with CameraSite(alike(case.clip, case.cameras), case.state.with_suffix(".cameras.log")) as site:
        try:
            async with Solution(
                site.urls, case.state, manifest=case.manifest, model=case.model, fps=case.fps
            ) as solution:
                await solution.warm_up(WARM_UP_S)
                cameras_before = site.usage()
                window = await solution.watch(seconds)
                cameras_cpu_s = site.usage().cpu_s - cameras_before.cpu_s
        except SafetyGearError as exc:
            if exc.code != "bench-start":
                raise
            return {"cameras": case.cameras, "works": False, "why": str(exc)}
    frames = Counter(dict.fromkeys(site.urls, 0))
    # A frame counts once, however often its message came.
    frames.update(camera for camera, _, _ in distinct(window))
    fps = {name: count / window.seconds for name, count in frames.items()}
    return {
        "cameras": case.cameras,
        "works": min(fps.values()) >= case.fps * SHARE,
        "fps_min": round(min(fps.values()), 3),
        "fps_mean": round(sum(fps.values()) / len(fps), 3),
        "cpu_percent": {
            "solution": round(window.cpu_s(*SOLUTION) / window.seconds * 100, 1),
            **{kind: round(window.cpu_s(kind) / window.seconds * 100, 1) for kind in SOLUTION},
            "stand_in": round(window.cpu_s(*STAND_IN) / window.seconds * 100, 1),
            "camera_server": round(cameras_cpu_s / window.seconds * 100, 1),
        },
        "rss": memory_slope(window),
    }


def distinct(window: Window) -> set[tuple[str, int, str]]:
    """Camera, frame number and time of capture of every frame that a message is about."""
    return {
        (record["body"]["camera"], record["body"]["frameNumber"], record["body"]["capturedAt"])
        for record in window.detections()
    }


def memory_slope(window: Window) -> dict[str, Any]:
    """Megabytes of capture and inference at the end, and how they grow. Both `slope` figures in MB a minute."""
    megabytes = [value / 1e6 for _, value in window.rss_bytes]
    if len(megabytes) < 3:
        return {"mb": round(megabytes[-1], 1) if megabytes else None, "slope": None}
    line = fit([at_s / 60 for at_s, _ in window.rss_bytes], megabytes)
    return {
        "mb": round(megabytes[-1], 1),
        "slope": round(line.slope, 3),
        "slope_give_or_take": round(line.slope_error, 3),
    }


def cpu_fit(trials: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Percent of a core per further camera: the line through those numbers that worked, and what is off it."""
    if len({one["cameras"] for one in trials}) < 2:
        return None
    ordered = sorted(trials, key=lambda one: one["cameras"])
    line = fit([one["cameras"] for one in ordered], [one["cpu_percent"]["solution"] for one in ordered])
    return {
        "percent_per_camera": round(line.slope, 2),
        "percent_without_cameras": round(line.at_zero, 2),
        "residuals": [round(value, 2) for value in line.residuals],
    }
