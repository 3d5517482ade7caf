"""How late an event loop's turn comes beside a thread that predicts without a pause, as JSON.

`PYTHONPATH=tests python tests/bench/bench_prediction_thread.py [--seconds 6] [--rounds 5]`

A ticker sleeps 10 ms and does a millisecond of the interpreter's work, as an event loop does. Beside it: nothing; the
thread at low priority (`low`); at work for a quarter of the time by the clock (`quarter`); both, as it is in the
module. They take turns, so that what else runs on the machine meets all alike. No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from safetygear_inference.detectors import open_model
from safetygear_inference.pixels import decode_picture
from safetygear_inference.prediction.answers import detections
from safetygear_inference.prediction.beside_cameras import SHARE
from safetygear_inference.prediction.predictor import rest_s
from safetygear_inference.thread_priority import give_way
from safetygear_workbench.bench.figures import percentile
from support.prediction import MODEL, scene_jpeg

TICK_S, STEPS = 0.01, 20_000
WAYS = {"none": (False, None), "low": (True, 1.0), "quarter": (False, SHARE), "both": (True, SHARE)}
"""Low priority, and the share of the time; None: no such thread."""


@dataclass
class Seen:
    turn_ms: list[float] = field(default_factory=list)
    pictures: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, float]:
        return {
            "mean_ms": round(statistics.mean(self.turn_ms), 1),
            "p50_ms": round(percentile(self.turn_ms, 50), 1),
            "p95_ms": round(percentile(self.turn_ms, 95), 1),
            "p99_ms": round(percentile(self.turn_ms, 99), 1),
            "pictures_per_s": round(self.pictures / self.seconds, 1),
        }


def predict(stop: threading.Event, seen: Seen, one: Callable[[], object], *, low: bool, share: float) -> None:
    if low:
        give_way()
    while not stop.is_set():
        began_s = time.monotonic()
        one()
        seen.pictures += 1
        stop.wait(rest_s(time.monotonic() - began_s, share))


def tick(seen: Seen, seconds: float) -> None:
    ends_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < ends_s:
        time.sleep(TICK_S)
        total = 0
        for number in range(STEPS):
            total += number
        seen.turn_ms.append((time.monotonic() - began_s) * 1000)
    seen.seconds += seconds


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=6)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    model, jpeg = open_model(MODEL), scene_jpeg()
    detector = model.detector()

    def one() -> object:
        return json.dumps(detections(detector.detect(decode_picture(jpeg)), model.labels))

    all_seen = {name: Seen() for name in WAYS}
    for _ in range(asked.rounds):
        for name, (low, share) in WAYS.items():
            stop, seen = threading.Event(), all_seen[name]
            thread = None
            if share is not None:
                thread = threading.Thread(target=predict, args=(stop, seen, one), kwargs={"low": low, "share": share})
                thread.start()
            tick(seen, asked.seconds)
            stop.set()
            if thread is not None:
                thread.join()
    print(json.dumps({name: seen.as_json() for name, seen in all_seen.items()}, indent=2))


if __name__ == "__main__":
    main()
