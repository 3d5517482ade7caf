"""What frames cost that are not analysed or not decoded, and whether an event is lost by it: JSON out.

`python tests/bench/bench_cheap_frames.py events [STORY …]`: the rendered stories with and without the motion gate at
2, 5 and 10 fps, and their key frames (every 2 s as the clips have them, and every second one of those) alone or until
somebody comes, each with the truth's boxes and with the default detector's, by the judging that runs live. The gate
sees the decoded planes.
`… cost`: milliseconds of processor time of one thread (median) of the gate and of the detection it spares.
`… live [SECONDS]`: the whole running solution with cameras that show an empty yard, or people all the time; percent of
a core per camera.
`… shedding [SECONDS]`: more cameras than the box can analyse, with priorities; the part of its rate that each keeps.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear_inference.judging.observation import LabelledBoxes  # noqa: E402
from safetygear_inference.model_change.config import DEFAULT_MODEL  # noqa: E402
from safetygear_workbench.bench.camera_site import CameraSite, alike  # noqa: E402
from safetygear_workbench.bench.cases import case  # noqa: E402
from safetygear_workbench.bench.clips import NOISE_SEED, NOISE_SIGMA  # noqa: E402
from safetygear_workbench.bench.solution import Solution, Window  # noqa: E402
from support import scenes, site_scene  # noqa: E402
from support.cheap_frames import FLOOR_S, GATED, Frame, film, i420, judged, on_call  # noqa: E402
from support.watching import Watcher  # noqa: E402

FPS = (2, 5, 10)
TOLD = ("due", "right", "precision", "recall", "open_delay_s", "false", "again", "missed")
ROUNDS, WARM_UP = 200, 10
AT_ONCE = 2
EMPTY_STORY, BUSY_STORY = "helmet-taken-off", "caps-and-hoods"
"""Nobody is in the first picture of the one; the other's clip is small to decode."""


def watched(name: str, watcher: Watcher) -> list[Frame]:
    """Every frame of a story; the detector looks once at each."""
    frames = []
    with av.open(str(scenes.clip(name))) as container:
        for frame, decoded in zip(film(name), container.decode(video=0), strict=True):
            seen = watcher.see(frame.t_s, decoded.to_ndarray(format="bgr24"))
            frames.append(replace(frame, detected=seen.boxes, dark=seen.dark))
    return frames


def detected(frame: Frame) -> LabelledBoxes:
    assert frame.detected is not None
    return frame.detected


def events(stories: list[str]) -> dict[str, Any]:
    watcher = Watcher(DEFAULT_MODEL)
    films = {name: watched(name, watcher) for name in stories}
    ways: list[tuple[str, float, bool]] = []
    for fps, gate in itertools.product(FPS, (False, True)):
        ways.append((f"{fps} fps{', gate' if gate else ''}", 1 / fps, gate))
    ways += [(f"key frames {every_s} s apart{', gate' if gate else ''}", every_s, gate)
             for every_s, gate in itertools.product((2, 4), (False, True))]  # fmt: skip
    result: dict[str, Any] = {}
    sees: dict[str, Callable[[Frame], LabelledBoxes]] = {
        "perfect": lambda f: f.perfect,
        "detector": lambda f: f.detected,
    }
    for kind, boxes in sees.items():
        for title, every_s, gate in ways:
            score, counts = scenes.SceneScore(), Counter[str]()
            for name, frames in films.items():
                story = scenes.truth(name)
                step = round(every_s * story["fps"])
                opened = judged(story, frames[::step], boxes, counts, gate=gate)
                score.take(name, story, opened, scenes.start_s(story))
            result.setdefault(title, {})[kind] = {
                **{key: told for key, told in score.as_json().items() if key in TOLD},
                "frames_analysed": round(counts["analysed"] / counts["frames"], 3),
                "empty_frames_analysed": round(counts["empty_analysed"] / counts["empty"], 3),
            }
        for apart_s, first_s in itertools.product((1, 2, 4), (0.0, 0.5)):
            score, counts = scenes.SceneScore(), Counter[str]()
            for name, frames in films.items():
                story = scenes.truth(name)
                opened = on_call(
                    story, frames, boxes, counts, key_frames_apart_s=apart_s, first_key_frame_s=first_s * apart_s
                )
                score.take(name, story, opened, scenes.start_s(story))
            title = f"key frames {apart_s} s apart when quiet, else 5 fps, the first after {first_s * apart_s:g} s"
            result.setdefault(title, {})[kind] = {
                **{key: told for key, told in score.as_json().items() if key in TOLD},
                "frames_analysed": round(counts["analysed"] / counts["frames"], 3),
                "pictures_decoded": round(counts["decoded"] / counts["pictures"], 3),
            }
    return result


def cost() -> dict[str, Any]:
    """A frame of the site scene in three sizes, as it lies in the ring."""
    from safetygear_inference.detectors import open_model
    from safetygear_inference.gating.gate import MotionGate
    from safetygear_inference.gating.gates import GateLook
    from safetygear_inference.model_store import find_model

    detector = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",))).detector()
    with av.open(str(site_scene.CLIP)) as container:
        decoded = next(itertools.islice(container.decode(video=0), 100, None))
    result: dict[str, Any] = {"model": DEFAULT_MODEL, "rounds": ROUNDS}
    for name, (width, height) in {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}.items():
        picture, gate = i420(decoded.reformat(width, height, format="yuv420p")), MotionGate()
        gate.closes(np.zeros((90, 160), np.uint8), 0.0, FLOOR_S)
        gate.analysed(0.0, nobody=True)
        stages: dict[str, Callable[[], object]] = {
            "gate_ms": lambda p=picture, g=gate: GateLook(g, 1.0, FLOOR_S).closes(p),  # type: ignore[misc]  # bound per loop
            "detect_ms": lambda p=picture: detector.detect(p),  # type: ignore[misc]
        }
        took: dict[str, list[float]] = {stage: [] for stage in stages}
        for number in range(WARM_UP + ROUNDS):
            for stage, work in stages.items():
                before_s = time.thread_time()
                work()
                if number >= WARM_UP:
                    took[stage].append((time.thread_time() - before_s) * 1000)
        result[name] = {stage: round(statistics.median(values), 3) for stage, values in took.items()}
    return result


def empty_clip(path: Path, *, seconds: float = 28.0, fps: int = 25, bits_per_s: int = 512_000) -> Path:
    """An empty yard at 25 fps, noisy as a sensor, a key frame every two seconds; frames are not numbered, which would
    be movement."""
    with av.open(str(scenes.clip(EMPTY_STORY))) as container:
        yard = next(iter(container.decode(video=0))).reformat(format="yuv420p").to_ndarray()
    random = np.random.default_rng(NOISE_SEED)
    height, width = yard.shape[0] * 2 // 3, yard.shape[1]
    options = {"preset": "veryfast", "bf": "0", "g": str(2 * fps), "sc_threshold": "0", "profile": "main"}
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=fps, options=options)
        video.width, video.height, video.pix_fmt, video.bit_rate = width, height, "yuv420p", bits_per_s
        for number in range(round(seconds * fps)):
            planes = yard.copy()
            grain = random.normal(0, NOISE_SIGMA, (height, width))
            planes[:height] = np.clip(np.round(planes[:height] + grain), 16, 235).astype(np.uint8)
            frame = VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


async def run(
    clips: Mapping[str, Path], seconds: float, folder: Path, *, inference: Mapping[str, Any],
    cameras: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None,
) -> Window:  # fmt: skip
    with CameraSite(clips, folder / "cameras.log") as site:
        async with Solution(
            site.urls,
            folder / "state",
            manifest=ROOT / "deployment.template.json",
            inference={"healthIntervalS": 5} | dict(inference),
            camera_settings=cameras,
            environment=environment,
        ) as solution:
            await solution.warm_up(8.0)
            return await solution.watch(seconds)


def health_of(window: Window) -> Iterator[Mapping[str, Any]]:
    """Each camera's entry in each health message."""
    for record in window.records:
        if record.get("properties", {}).get("schema") == "safetygear.health/1":
            yield from record["body"]["cameras"]


async def live(seconds: float) -> dict[str, Any]:
    result: dict[str, Any] = {"cameras": AT_ONCE, "seconds": seconds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        busy = case("sub", "default", folder=Path(os.environ.get("BENCH_FOLDER", ".safetygear/bench")),
                    manifest=ROOT / "deployment.template.json", environ=os.environ).clip  # fmt: skip
        clips = {"empty": empty_clip(folder / "empty.mp4"), "people": busy}
        ways: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
            "as it comes": ({}, {}), "gate": (GATED, {}),
            "gate, key frames when quiet": (GATED, {"frames": "key-frames-when-quiet"}),
            "key frames": ({}, {"frames": "key-frames"}),
        }  # fmt: skip
        for (scene, clip), (way, (inference, camera)) in itertools.product(clips.items(), ways.items()):
            cameras = alike(clip, AT_ONCE)
            settings = dict.fromkeys(cameras, camera)
            window = await run(cameras, seconds, folder / f"{scene} {way}", inference=inference, cameras=settings)
            entries = list(health_of(window))
            watched_s, blind_s = (sum(entry[key] for entry in entries) for key in ("secondsWatched", "secondsBlind"))
            result[f"{scene}, {way}"] = {
                "looked_at_fps_per_camera": round(
                    sum(entry["analysed"] + entry["gated"] for entry in entries) / (watched_s + blind_s),
                    2,
                ),
                "percent_of_a_core_per_camera": round(
                    window.cpu_s("capture", "inference") / window.seconds * 100 / AT_ONCE, 2
                ),
                "capture": round(window.cpu_s("capture") / window.seconds * 100 / AT_ONCE, 2),
                "inference": round(window.cpu_s("inference") / window.seconds * 100 / AT_ONCE, 2),
                "analysed": sum(entry["analysed"] for entry in entries),
                "gated": sum(entry["gated"] for entry in entries),
                "watched": round(watched_s / (watched_s + blind_s), 3),
            }
            print(json.dumps({f"{scene}, {way}": result[f"{scene}, {way}"]}), file=sys.stderr, flush=True)
    return result


async def shedding(seconds: float) -> dict[str, Any]:
    """One worker, and six cameras with people in view at 10 analysed fps: more than any core analyses."""
    priorities = {f"cam-{number:03}": priority for number, priority in enumerate((0.5, 1, 1, 2, 2, 4), 1)}
    with tempfile.TemporaryDirectory() as name:
        window = await run(
            dict.fromkeys(priorities, scenes.clip(BUSY_STORY)), seconds, Path(name), inference={},
            cameras={camera: {"priority": priority, "analysedFps": 10} for camera, priority in priorities.items()},
            environment={"SAFETYGEAR_WORKERS": "1"},
        )  # fmt: skip
    analysed, shed, other = Counter[str](), Counter[str](), Counter[str]()
    p95s: list[float] = []
    for entry in health_of(window):
        analysed[entry["camera"]] += entry["analysed"]
        shed[entry["camera"]] += entry["dropped"].get("shed", 0)
        other.update({reason: n for reason, n in entry["dropped"].items() if reason not in ("shed", "above-rate")})
        if entry["latencyMs"]["p95"] is not None:
            p95s.append(entry["latencyMs"]["p95"])
    kept = {camera: analysed[camera] / max(1, analysed[camera] + shed[camera]) for camera in priorities}
    by_priority: dict[float, list[float]] = {}
    for camera, priority in priorities.items():
        by_priority.setdefault(priority, []).append(kept[camera])
    return {
        "cameras": len(priorities),
        "kept_by_priority": {
            str(priority): {"least": round(min(parts), 3), "most": round(max(parts), 3)}
            for priority, parts in sorted(by_priority.items())
        },
        "kept_over_priority": {
            camera: round(kept[camera] / priority, 3) for camera, priority in priorities.items()
        },
        "analysed_fps": {camera: round(analysed[camera] / window.seconds, 2) for camera in priorities},
        "dropped_otherwise": dict(other),
        "latency_p95_ms": {"median": statistics.median(p95s), "most": max(p95s)},
    }  # fmt: skip


def main() -> None:
    what, *rest = sys.argv[1:] or ["events"]
    if what == "events":
        result = events(rest or scenes.names())
    elif what == "cost":
        result = cost()
    else:
        seconds = float(rest[0]) if rest else 30.0
        result = asyncio.run({"live": live, "shedding": shedding}[what](seconds))
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
