"""The solution and a plain loop on the same cameras, one after the other: how many each can take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from safetygear_workbench.bench import streams
from safetygear_workbench.bench.bare_process import FLOOR, PLAIN_LOOP, run_bare
from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.figures import Search


async def measure(case: Case, *, seconds: float, first: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Numbers of cameras for the floor, the plain loop and the solution. Raises SafetyGearError."""
    contestants: dict[str, Any] = {}
    for name, program in (("plain cv2 loop", PLAIN_LOOP), ("floor", FLOOR)):
        contestants[name] = await _search(case, program, name, seconds=seconds, first=first, say=say)
    ours = await streams.measure(
        case, seconds=seconds, first=contestants["plain cv2 loop"]["streams"] or first, say=say
    )
    at_most = next(one for one in ours["cameras"] if one["cameras"] == max(1, ours["streams"]))
    contestants["safetygear"] = {
        "streams": ours["streams"],
        "failed_at": ours["failed_at"],
        "cpu_percent_per_camera": round(at_most["cpu_percent"]["solution"] / at_most["cameras"], 1)
        if "cpu_percent" in at_most
        else float("nan"),
    }
    plain = contestants["plain cv2 loop"]["streams"]
    return {
        "stream": case.stream,
        "model": case.model_name,
        "seconds": seconds,
        "contestants": contestants,
        "ratio_to_plain_loop": round(ours["streams"] / plain, 2) if plain else None,
    }


async def _search(
    case: Case, program: str, name: str, *, seconds: float, first: int, say: Callable[[str], None]
) -> dict[str, Any]:
    search, per_camera = Search(), {}
    while (number := search.next(first)) is not None:
        say(f"{case.stream}, {case.model_name}: {name}, {number} cameras for {seconds:g} s")
        with CameraSite(alike(case.clip, number), case.state.with_suffix(".cameras.log")) as site:
            urls = list(site.urls.values())
            one = await asyncio.to_thread(run_bare, program, replace(case, cameras=number), urls, seconds)
        per_camera[number] = one.cpu_s / one.seconds * 100 / number
        search = search.tried(number, min(one.analysed) / one.seconds >= case.fps * streams.SHARE)
    return {
        "streams": search.found,
        "failed_at": min(search.failed, default=None),
        "cpu_percent_per_camera": round(per_camera[max(1, search.found)], 1) if per_camera else float("nan"),
    }
