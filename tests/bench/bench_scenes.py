"""The rendered stories against their truth: `python tests/bench/bench_scenes.py [--live] [STORY …]`, JSON out.

`perfect`: the truth's boxes and labels, without ids, through `safetygear replay` at 2, 5 and 10 fps. `detector`: the
default detector on the decoded frames at 2, 5 and 10 fps, through the judging that runs live, with the second look and
without it, and at 5 fps once more without weak boxes.
`live` (with --live): the clips as RTSP cameras through the whole running solution, some at a time, zones by twin; the
story with a shift is left out, because a clip can't be started on a full minute. A violation is `due` where the truth
says that it can be judged for long enough. Delays are from when it can be judged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear.clock import epoch_s  # noqa: E402  # the path above
from safetygear_inference.model_change.config import DEFAULT_MODEL  # noqa: E402
from safetygear_workbench.bench.solution import Solution  # noqa: E402
from support import scenes  # noqa: E402
from support.watching import Watcher, opened  # noqa: E402

FPS = 5
RATES = (2, 5, 10)
SETTLE_S = 3.0


def perfect(stories: list[str], fps: int, folder: Path) -> dict[str, Any]:
    score = scenes.SceneScore()
    for name in stories:
        story = scenes.truth(name)
        score.take(name, story, scenes.replayed(story, fps, folder), scenes.start_s(story))
    return score.as_json()


def detector(stories: list[str], name_or_path: str, fps: int, *, with_weak: bool = True) -> dict[str, Any]:
    """With the second look and without it, from the same boxes."""
    watcher = Watcher(name_or_path, with_weak=with_weak)
    scores = {"with_second_look": scenes.SceneScore(), "alone": scenes.SceneScore()}
    for name in stories:
        story, began_s = scenes.truth(name), scenes.start_s(scenes.truth(name))
        with av.open(str(scenes.clip(name))) as container:
            seen = [
                watcher.see(number / story["fps"], decoded.to_ndarray(format="bgr24"))
                for number, decoded in enumerate(container.decode(video=0))
                if number % (story["fps"] // fps) == 0
            ]
        for how, score in scores.items():
            more = {"secondLook": {"enabled": how == "with_second_look"}}
            score.take(name, story, opened(seen, watcher.labels, scenes.zones(story), began_s, more=more), began_s)
    return {how: score.as_json() for how, score in scores.items()}


async def live(stories: list[str], folder: Path, at_once: int) -> dict[str, Any]:
    from safetygear_workbench.bench.camera_site import CameraSite

    score, analysed, film_s = scenes.SceneScore(), 0, 0.0
    stories = [name for name in stories if all(z["until_s"] is None for z in scenes.truth(name)["zones"].values())]
    for first in range(0, len(stories), at_once):
        group = stories[first : first + at_once]
        longest_s = max(scenes.truth(name)["duration_s"] for name in group)
        twin = {"zones": {name: scenes.zones(scenes.truth(name)) for name in group}}
        with CameraSite({name: scenes.clip(name) for name in group}, folder / "cameras.log") as site:
            async with Solution(
                site.urls, folder / "state", manifest=ROOT / "deployment.template.json", inference=twin
            ) as solution:
                records = list(await solution.follow(2 * longest_s + SETTLE_S))
        for name in group:
            story = scenes.truth(name)
            bodies = [one["body"] for one in records if one.get("body", {}).get("camera") == name]
            frames = [body for body in bodies if body["schema"] == "safetygear.detections/1"]
            # The camera plays its clip from the first picture on when capture connects, and inference may still be
            # starting then; the clip comes again without a pause, and that time all of it is watched.
            played_s = epoch_s(frames[0]["capturedAt"]) - (frames[0]["frameNumber"] - 1) / story["fps"]
            began_s = played_s + story["duration_s"]
            in_pass = [body for body in bodies if began_s <= _at_s(body) < began_s + story["duration_s"]]
            opened = {
                body["id"]: body
                for body in in_pass
                if body["schema"] == "safetygear.event/1" and body["state"] == "open"
            }  # fmt: skip
            score.take(name, story, list(opened.values()), began_s)
            analysed += sum(body["schema"] == "safetygear.detections/1" for body in in_pass)
            film_s += story["duration_s"]
    return score.as_json() | {"stories": len(stories), "analysed_fps": round(analysed / film_s, 2)}


def _at_s(body: Mapping[str, Any]) -> float:
    """When what a message tells of was in the picture; -1 for those that tell of no moment."""
    return epoch_s(body.get("openedAt") or body["capturedAt"]) if {"openedAt", "capturedAt"} & body.keys() else -1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stories", nargs="*")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--at-once", type=int, default=4, help="cameras of the live run; fewer on a busy machine")
    parser.add_argument("--model", action="append", help="a shipped model's name or a file, for `detector`; repeatable")
    given = parser.parse_args()
    stories = given.stories or scenes.names()
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = {
            "stories": stories,
            "perfect": {f"{fps} fps": perfect(stories, fps, Path(folder)) for fps in RATES},
            "detector": {
                model: {f"{fps} fps": detector(stories, model, fps) for fps in RATES}
                for model in given.model or [DEFAULT_MODEL]
            },
            "detector_without_weak_boxes": detector(stories, DEFAULT_MODEL, FPS, with_weak=False),
        }
        if given.live:
            result["live"] = asyncio.run(live(stories, Path(folder), given.at_once))
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
