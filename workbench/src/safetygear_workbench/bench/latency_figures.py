"""From messages to latencies: which picture each is of, and where its time went. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safetygear.clock import epoch_s
from safetygear_workbench.bench.creep import creep
from safetygear_workbench.bench.figures import percentile
from safetygear_workbench.bench.numbering import number_in

Record = Mapping[str, Any]
STAGES = ("capture", "queue", "inference", "rules", "hub")
"""capture: from the picture being taken to its being decoded (camera, network, decoder). queue: ring, hub hop, waiting
for a worker. inference: the detector. rules: tracking to the message's hand-over. hub: until IoT Hub would have it."""


@dataclass(frozen=True)
class Travelled:
    """One message's way. `number`: burnt into the picture, and read by the detector; None: not read."""

    camera: str
    taken_s: float
    """Camera's clock, epoch seconds."""
    enqueued_s: float
    number: int | None
    stages_ms: Mapping[str, float]

    @property
    def total_ms(self) -> float:
        return (self.enqueued_s - self.taken_s) * 1000


def travelled(record: Record) -> Travelled:
    """Raises KeyError, ValueError for what is no detections message."""
    body = record["body"]
    said = body["latencyMs"]
    taken_s, enqueued_s = epoch_s(body["capturedAt"]), epoch_s(str(record["enqueuedAt"]))
    rules = said["total"] - said["capture"] - said["queue"] - said["inference"]
    stages = {name: float(said[name]) for name in ("capture", "queue", "inference")}
    stages |= {"rules": rules, "hub": (enqueued_s - taken_s) * 1000 - said["total"]}
    number = number_in(detection["label"] for detection in body["detections"])
    return Travelled(body["camera"], taken_s, enqueued_s, number, stages)


def summary(messages: Sequence[Travelled], *, clip_s: float, fps: float) -> dict[str, Any]:
    """Percentiles of the total and of each stage, ms; and whether the numbers in the pictures agree with the times."""
    return {
        **totals(messages),
        "stages": {name: _percentiles([message.stages_ms[name] for message in messages], 50, 95) for name in STAGES},
        "messages": len(messages),
        "numbers": agreement(messages, clip_s=clip_s, fps=fps),
    }


def totals(messages: Sequence[Travelled]) -> dict[str, Any]:
    """Percentiles of the total, ms, and how it grows, ms a minute; NaN and None of no messages."""
    all_ms = [message.total_ms for message in messages]
    first_s = min((message.enqueued_s for message in messages), default=0.0)
    grown = creep([message.enqueued_s - first_s for message in messages], all_ms)
    return {**_percentiles(all_ms), "creep": None if grown is None else grown.as_json()}


def agreement(messages: Iterable[Travelled], *, clip_s: float, fps: float) -> dict[str, Any]:
    """Whether each message's `capturedAt` is when the camera took the picture whose number it tells.

    A clip is played over and over: number / fps is the picture's time in its round. `capturedAt` less that, modulo the
    clip's length, is the moment when the camera's stream began: the same for all messages of a camera, but for
    `off_ms_most`. A message about another picture would be off by at least one frame (1000 / fps ms).
    """
    by_camera: dict[str, list[float]] = {}
    read = unread = 0
    for message in messages:
        if message.number is None:
            unread += 1
            continue
        read += 1
        by_camera.setdefault(message.camera, []).append((message.taken_s - message.number / fps) % clip_s)
    off_s = [abs(value) for phases in by_camera.values() for value in _deviations(phases, clip_s)]
    frame_s = 1 / fps
    return {
        "read": read,
        "unread": unread,
        "wrong_picture": sum(value > frame_s / 2 for value in off_s),
        "off_ms_most": round(max(off_s, default=0.0) * 1000, 2),
    }


def _deviations(phases: Sequence[float], round_s: float) -> list[float]:
    """From their median, on a circle."""
    first = phases[0]
    unrolled = [(value - first + round_s / 2) % round_s - round_s / 2 for value in phases]
    middle = statistics.median(unrolled)
    return [value - middle for value in unrolled]


def _percentiles(values: Sequence[float], *percents: int) -> dict[str, float]:
    return {f"p{percent}_ms": round(percentile(values, percent), 1) for percent in percents or (50, 95, 99)}
