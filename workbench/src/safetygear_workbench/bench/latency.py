"""From the picture being taken to IoT Hub having its message, at one, four and many cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.clips import Stream
from safetygear_workbench.bench.latency_figures import summary, travelled
from safetygear_workbench.bench.solution import SOLUTION, Solution
from safetygear_workbench.bench.stream_figures import memory_slope

WARM_UP_S = 10.0


async def measure(
    case: Case,
    stream: Stream,
    cameras: Sequence[int],
    *,
    seconds: float,
    warm_up_s: float = WARM_UP_S,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """One entry for each number of cameras. Raises SafetyGearError."""
    results = []
    for number in cameras:
        say(f"{case.stream}, {case.model_name}: {number} cameras for {seconds:g} s")
        one = replace(case, cameras=number)
        with CameraSite(alike(one.clip, number), one.state.with_suffix(".cameras.log")) as site:
            async with Solution(
                site.urls,
                one.state,
                manifest=one.manifest,
                model=one.model,
                fps=one.fps,
                environment=one.environment(),
            ) as solution:
                await solution.warm_up(warm_up_s)
                window = await solution.watch(seconds)
        messages = [travelled(record) for record in window.detections()]
        results.append(
            {
                "cameras": number,
                "stream": case.stream,
                "model": case.model_name,
                **summary(messages, clip_s=stream.seconds, fps=stream.fps),
                "analysed_fps_per_camera": round(len(messages) / window.seconds / number, 2),
                "cpu_percent": round(window.cpu_s(*SOLUTION) / window.seconds * 100, 1),
                "rss": memory_slope(window.rss_bytes),
            }
        )
    return results
