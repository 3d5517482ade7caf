"""What looking for examples costs, as JSON.

`PYTHONPATH=tests python tests/bench/bench_learning.py [--rounds N]`

Microseconds of CPU time on the event loop for each analysed frame (median, 95th percentile), with learning off, and on
with a budget that is used up: what every frame pays. With 2, 20 and 60 people, each with a helmet and a vest. Then
milliseconds of CPU time (median) for one picture of the site scene: until it is known to be new, and
to its end; and what it takes to look for a near-duplicate among a month's pictures. No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np

from safetygear.clock import SystemClock
from safetygear.geometry import as_xyxy
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.frames import FrameReference
from safetygear_inference.analysis import Analysed
from safetygear_inference.detectors import open_model
from safetygear_inference.evidence.picture_making import CautiousDetector, cut_out, finish
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.weak_boxes import for_judging, split, thresholds_of
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.desk import LearningDesk
from safetygear_inference.learning.example_making import fingerprint_of, order_for
from safetygear_inference.learning.near_duplicates import Fingerprint, NearDuplicates
from safetygear_inference.learning.observed import WHOLE
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis
from support import site_scene

ROOT = Path(__file__).parents[2]
LABELS = ("person", "helmet", "head", "vest", "no-vest")
FRAME = 100
KEPT = 6_000
"""Pictures: thirty days of 200."""


class Model:
    """Only what the listener asks for."""

    labels = LABELS
    identity = ModelIdentity(name="m", version="1", sha256="0" * 64)


def frames(people: int, rounds: int) -> list[SeenFrame]:
    """A crowd that walks, judged; boxes fall below their threshold now and then."""
    random, made = np.random.default_rng(1), []
    judges = Judges(origin="t/t", token="t")
    judges.model(LABELS)
    left = random.uniform(0.05, 0.85, people)
    top = random.uniform(0.05, 0.6, people)
    for number in range(rounds):
        left = np.clip(left + random.normal(0, 0.004, people), 0.03, 0.9)
        person = np.stack((left, top, left + 0.05, top + 0.3), axis=1)
        helmet = np.stack((left + 0.01, top, left + 0.04, top + 0.04), axis=1)
        vest = np.stack((left + 0.005, top + 0.07, left + 0.045, top + 0.17), axis=1)
        xyxy = as_xyxy(np.concatenate((person, helmet, vest)))
        classes = np.repeat(np.array([0, 1, 3], np.int64), people)
        found = DetectedBoxes(xyxy, classes, random.uniform(0.25, 0.95, len(xyxy)).astype(np.float32))
        boxes, weak = split(found, np.full(len(LABELS), 0.35, np.float32))
        judged = judges.judge(
            "c", for_judging(boxes, weak, LABELS), now_s=0.2 * number, wall_s=1e9 + 0.2 * number, dark=False,
            frame_size_px=(640, 360),
        )  # fmt: skip
        unused: Any = None
        model: Any = Model()
        arrival = Arrival("default", reference(number, (640, 360)), 0.0)
        made.append(SeenFrame(arrival, Analysed(boxes, 0.0, 0.0, None, None, weak), model, judged, unused, False))
    return made


def reference(number: int, size_px: tuple[int, int]) -> FrameReference:
    return FrameReference(
        camera="c", frame=number, ring="c", epoch=1, slot=0, sequence=2, width=size_px[0], height=size_px[1],
        stride=size_px[0], pixel_format="i420", captured_at="2026-11-29T12:00:00.000Z", clock="arrival",
        decoded_at="2026-11-29T12:00:00.000Z",
    )  # fmt: skip


async def per_frame_us(seen: list[SeenFrame], config: LearningConfig) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        clock = SystemClock()
        desk = LearningDesk(
            Path(folder), SideAnalysis(Path(folder)), Problems(), clock, detector=CautiousDetector(),
            privacy=lambda _: (), shown_from=lambda _: [0.35] * len(LABELS), verdict_of=lambda _: None,
            random=Random(1),
        )  # fmt: skip
        desk.configure(config)
        await desk.turn()
        for number in range(config.per_day):  # the budget is used up: no picture is made, every frame is decided on
            desk.library.budget.take(f"{number}", "c", "uncertain", clock.now_s())
        took = []
        for frame in seen:
            before_s = time.thread_time()
            desk.seen(frame)
            took.append((time.thread_time() - before_s) * 1e6)
        assert desk._job is None
    return {
        "median": round(statistics.median(took), 1),
        "p95": round(float(np.percentile(took, 95)), 1),
    }


def median_ms(work: Callable[[], Any], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        before_s = time.process_time()  # the network may have threads of its own
        work()
        took.append((time.process_time() - before_s) * 1000)
    return round(statistics.median(took), 3)


def picture_costs(rounds: int) -> dict[str, Any]:
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    own = {label: model.own_threshold(label) for label in model.labels}
    thresholds = thresholds_of(own, {}, None)
    with av.open(str(site_scene.CLIP)) as opened:
        decoded = next(itertools.islice(opened.decode(video=0), FRAME, None))
    planes = decoded.reformat(format="yuv420p").planes
    views = [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in planes]
    picture = Picture(tuple(views), decoded.width, decoded.height, "i420")
    boxes, weak = split(
        model.detector(thresholds=thresholds.asked).detect(picture), thresholds.shown_from(model.labels)
    )
    judges = Judges(origin="t/t", token="t")
    judges.model(model.labels)
    size_px = picture.width, picture.height
    judged = judges.judge(
        "c", for_judging(boxes, weak, model.labels), now_s=0, wall_s=1e9, dark=False, frame_size_px=size_px
    )
    unused: Any = None
    arrival = Arrival("default", reference(1, size_px), 0.0)
    frame = SeenFrame(arrival, Analysed(boxes, 0.0, 0.0, None, None, weak), model, judged, unused, False)
    order, cautious = order_for(frame, LearningConfig(), ()), CautiousDetector()
    left, top, right, bottom = boxes.xyxy_norm[0].tolist()
    made = finish(cut_out(picture, order), order, model, cautious)
    return {
        "frame": f"{picture.width}x{picture.height}",
        "until_known_to_be_new_ms": median_ms(
            lambda: fingerprint_of(cut_out(picture, order), (left, top, right, bottom)), rounds
        ),
        "to_the_end_ms": median_ms(lambda: finish(cut_out(picture, order), order, model, cautious), rounds),
        "jpeg_bytes": len(made.jpeg),
    }


def duplicate_ms(rounds: int) -> float:
    random, index = Random(1), NearDuplicates()
    base = random.getrandbits(64)
    for number in range(KEPT):
        # One camera, whose pictures differ in a few bits: the first comparison rules nothing out.
        whole = base ^ (1 << random.randrange(64))
        index.add(str(number), Fingerprint(whole, random.getrandbits(64), (0.4, 0.3, 0.5, 0.8)))
    looked_for = Fingerprint(base, random.getrandbits(64), WHOLE)
    index.twins_of(looked_for, minimum_bits=16)
    return median_ms(lambda: index.twins_of(looked_for, minimum_bits=16), rounds)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=2000)
    asked = options.parse_args()
    result: dict[str, Any] = {"frame_us": {}}
    for people in (2, 20, 60):
        seen = frames(people, asked.rounds)
        result["frame_us"][f"{people} people"] = {
            "off": asyncio.run(per_frame_us(seen, LearningConfig())),
            "on": asyncio.run(per_frame_us(seen, LearningConfig(enabled=True, camera_pause_s=0))),
        }
    result["picture"] = picture_costs(30)
    result[f"duplicate_among_{KEPT}_ms"] = duplicate_ms(30)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
