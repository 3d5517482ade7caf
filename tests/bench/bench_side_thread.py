"""How late an event loop's turn comes beside a side thread that makes pictures of violations without a pause.

`PYTHONPATH=tests python tests/bench/bench_side_thread.py [--seconds 3] [--rounds 5]`: one line for each way, all taking
turns, so that what else runs on the machine meets all alike. In the module the side thread has low priority; who asks
for pictures paces himself (evidence, learning, a model on trial). No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable

from safetygear.geometry import as_xyxy
from safetygear_inference.detectors import open_model
from safetygear_inference.evidence.crop import Part
from safetygear_inference.evidence.picture_making import CautiousDetector, PictureOrder, cut_out, finish
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.prediction.predictor import rest_s
from safetygear_inference.thread_priority import give_way
from safetygear_workbench.bench.figures import percentile
from support.pictures import scene_frames
from support.prediction import MODEL

TICK_S, STEPS = 0.01, 20_000
WAYS: dict[str, tuple[bool, float] | None] = {
    "nothing": None,
    "usual priority": (False, 1.0),
    "low priority": (True, 1.0),
    "usual, a half": (False, 0.5),
    "low, a half": (True, 0.5),
    "low, a quarter": (True, 0.25),
}


def picture_of_a_person() -> Callable[[], object]:
    """What the side thread does for an event: cut out, look again, cover faces, encode."""
    model, cautious = open_model(MODEL), CautiousDetector()
    (_, frame), *_ = scene_frames([100])
    found = model.detector().detect(frame)
    labels = tuple(model.labels[number] for number in found.class_id.tolist())
    left, top, right, bottom = found.xyxy_norm[labels.index("person")].tolist()
    order = PictureOrder(
        part=Part.around((left, top, right, bottom), margin=0.25, frame_size_px=(frame.width, frame.height)),
        boxes=LabelledBoxes(found.xyxy_norm, labels, found.probability),
        expected_norm=as_xyxy([]),
        black_out=(),
        faces="blurred",
        max_side_px=1280,
        quality=85,
    )
    return lambda: finish(cut_out(frame, order), order, model, cautious)


def work(stop: threading.Event, took_s: list[float], one: Callable[[], object], *, low: bool, share: float) -> None:
    if low:
        give_way()
    while not stop.is_set():
        began_s = time.monotonic()
        one()
        took_s.append(time.monotonic() - began_s)
        stop.wait(rest_s(took_s[-1], share))


def tick(turns_ms: list[float], seconds: float) -> None:
    """10 ms asleep and about one of the interpreter's work, as an event loop has them."""
    ends_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < ends_s:
        time.sleep(TICK_S)
        total = 0
        for number in range(STEPS):
            total += number
        turns_ms.append((time.monotonic() - began_s) * 1000)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    one = picture_of_a_person()
    turns_ms: dict[str, list[float]] = {name: [] for name in WAYS}
    took_s: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(asked.rounds):
        for name, way in WAYS.items():
            stop, thread = threading.Event(), None
            if way is not None:
                low, share = way
                thread = threading.Thread(
                    target=work, args=(stop, took_s[name], one), kwargs={"low": low, "share": share}
                )
                thread.start()
            tick(turns_ms[name], asked.seconds)
            stop.set()
            if thread is not None:
                thread.join()
    for name, turns in turns_ms.items():
        shown = ", ".join(f"p{part} {percentile(turns, part):.1f}" for part in (50, 95, 99))
        pictures = len(took_s[name]) / (asked.rounds * asked.seconds)
        print(f"{name:15} mean {statistics.mean(turns):.1f}, {shown} ms; {pictures:.1f} pictures a second")


if __name__ == "__main__":
    main()
