"""What the judging makes of perfect detections, how fast a recording is judged again, and what a frame costs: JSON out.

`python tests/bench/bench_judging.py [--quiet MINUTES]`. `stories`: the storyboards and the site scene at 2, 5 and 10
fps through `safetygear replay`: precision and recall of episodes, false ones by name, seconds from when a violation can
be seen to its opening. `quiet`: so many minutes (default 10) of one camera with nothing to tell at 5 fps, nine people
of whom six are in the zone and compliant; false opens per hour, and frames judged again per second of CPU. `cost`: ms
of CPU time per frame with 20 people who walk about, 60 boxes, everything from tracking to episodes, and of that the
tracking alone. No assertions.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.tracking import PersonTracker, TrackIds, TrackingConfig
from safetygear_workbench.replay.judging import USUAL_LABELS, known_labels, replay
from safetygear_workbench.replay.recording import Recording, read_recording

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.recordings import SIZE_PX, body  # the path above
from support.replaying import CAMERA, score_all
from support.storyboards import START_S, Storyboard, quiet

CROWD, CROWD_FRAMES = 20, 600
PART_S = 300.0


def stories(folder: Path, fps: float) -> dict[str, Any]:
    score = score_all(folder, fps)
    return {
        "true": score.right + len(score.missed),
        "precision": score.precision,
        "recall": score.recall,
        "false_opens": score.false,
        "missed": score.missed,
        "open_delay_s": {"p50": score.delay_s(50), "p95": score.delay_s(95)},
    }


def recorded(story: Storyboard, fps: float) -> Recording:
    lines = (
        msgspec.json.encode(body(CAMERA, number, START_S + t_s, rows))
        for number, (t_s, rows) in enumerate(story.frames(fps), 1)
    )
    return read_recording(lines, story.name)


def quiet_minutes(minutes: float) -> dict[str, Any]:
    opened, frames, spent_s = 0, 0, 0.0
    shares = {"compliant": 0.0, "violating": 0.0, "indeterminate": 0.0}
    parts = max(1, round(minutes * 60 / PART_S))
    for seed in range(parts):
        story = quiet(PART_S, seed)
        recording = recorded(story, 5)
        config = read_desired(InferenceTwin, json.loads(json.dumps(story.twin)), last_good=None).config
        before_s = time.process_time()
        result = replay(recording, config, known_labels(recording))
        spent_s += time.process_time() - before_s
        opened += len(result.episodes)
        frames += len(recording.frames)
        for hour in result.kpi:
            shares["compliant"] += hour.compliant_s
            shares["violating"] += hour.violating_s
            shares["indeterminate"] += hour.indeterminate_s
    return {
        "camera_minutes": parts * PART_S / 60,
        "false_opens": opened,
        "false_opens_per_camera_hour": round(opened * 3600 / (parts * PART_S), 3),
        "person_seconds_in_zone": {name: round(seconds, 1) for name, seconds in shares.items()},
        "frames_per_cpu_second": round(frames / spent_s),
    }


def crowd(number: int) -> LabelledBoxes:
    """Twenty people in two rows who sway past each other, a third bare-headed, a quarter without a vest."""
    rows, labels = [], []
    for person in range(CROWD):
        x = 60 + 60 * (person % (CROWD // 2)) * 2 + 50 * np.sin(number * 0.05 + person)
        y = 150 + 60 * (person // (CROWD // 2))
        rows += [(x, y, x + 90, y + 250), (x + 27, y, x + 63, y + 34), (x + 20, y + 40, x + 70, y + 138)]
        labels += ["person", "helmet" if person % 3 else "head", "vest" if person % 4 else "no-vest"]
    xyxy = (np.array(rows) / np.array([*SIZE_PX, *SIZE_PX])).astype(np.float32)
    return LabelledBoxes(xyxy, tuple(labels), np.full(len(rows), 0.9, np.float32))


def cost_ms() -> dict[str, Any]:
    judges = Judges(origin="bench", token="bench")
    judges.configure(InferenceTwin(), now_s=0.0)
    judges.model(USUAL_LABELS)
    tracker = PersonTracker(TrackingConfig(), TrackIds("bench"))
    whole, tracking = [], []
    for number in range(CROWD_FRAMES):
        boxes, now_s = crowd(number), number / 5
        people = boxes.xyxy_norm[::3]
        before_s = time.thread_time()
        tracker.update(people, boxes.probability[::3], now_s=now_s)
        between_s = time.thread_time()
        judges.judge(CAMERA, boxes, now_s=now_s, wall_s=START_S + now_s, dark=False, frame_size_px=SIZE_PX)
        tracking.append((between_s - before_s) * 1000)
        whole.append((time.thread_time() - between_s) * 1000)
    steady = slice(25, None)
    return {
        "people": CROWD,
        "all": {
            "p50": round(statistics.median(whole[steady]), 2),
            "p95": round(float(np.percentile(whole[steady], 95)), 2),
        },
        "tracking": {"p50": round(statistics.median(tracking[steady]), 2)},
        "open_episodes": len(judges.open_episodes()),
    }


def main(quiet_for_minutes: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found = {f"{fps} fps": stories(Path(folder), fps) for fps in (2, 5, 10)}
    return {"stories": found, "quiet": quiet_minutes(quiet_for_minutes), "cost_ms": cost_ms()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quiet", type=float, default=10, metavar="MINUTES")
    print(json.dumps(main(parser.parse_args().quiet), indent=2))
