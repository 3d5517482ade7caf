"""What a trial with many cameras says: frames, drops, memory, and the cost of one camera more. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from safetygear_workbench.bench.creep import creep
from safetygear_workbench.bench.figures import fit

Record = Mapping[str, Any]
HEALTH: Final = "safetygear.health/1"
NOT_DUE: Final = "above-rate"
"""Decoded, and not wanted at the analysed rate: no drop."""


def distinct(detections: Sequence[Record]) -> set[tuple[str, int, str]]:
    """Camera, frame number and time of capture of every frame that a message is about, however often it came."""
    return {
        (record["body"]["camera"], record["body"]["frameNumber"], record["body"]["capturedAt"]) for record in detections
    }


def dropped(records: Sequence[Record]) -> dict[str, int]:
    """Frames that were due and not analysed, by reason: from the health messages among `records`."""
    counts: Counter[str] = Counter()
    for record in records:
        body = record.get("body", {})
        if body.get("schema") == HEALTH:
            for camera in body["cameras"]:
                counts.update(camera["dropped"])
    return {reason: count for reason, count in sorted(counts.items()) if reason != NOT_DUE}


def memory_slope(rss_bytes: Sequence[tuple[float, int]]) -> dict[str, Any]:
    """Megabytes at the end, and how they grow, MB a minute. `rss_bytes`: seconds and bytes."""
    grown = creep([at_s for at_s, _ in rss_bytes], [value / 1e6 for _, value in rss_bytes])
    return {
        "mb": round(rss_bytes[-1][1] / 1e6, 1) if rss_bytes else None,
        "creep": None if grown is None else grown.as_json(),
    }


def cpu_fit(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Percent of a core per further camera: the line through those numbers that worked, and how far each is off it."""
    ordered = sorted((one for one in trials if one["works"]), key=lambda one: one["cameras"])
    if len(ordered) < 2:
        return None
    line = fit([one["cameras"] for one in ordered], [one["cpu_percent"]["solution"] for one in ordered])
    return {
        "percent_per_camera": round(line.slope, 2),
        "percent_without_cameras": round(line.at_zero, 2),
        "residuals": {str(one["cameras"]): round(off, 2) for one, off in zip(ordered, line.residuals, strict=True)},
    }


def floor_share(streams: int, floor_percent_per_camera: float, cores: int) -> dict[str, Any]:
    """How many cameras the floor would take, were it to use all cores whole, and what share of that was reached."""
    allowed = 100 * cores / floor_percent_per_camera
    return {
        "percent_per_camera": round(floor_percent_per_camera, 2),
        "cameras_allowed": round(allowed, 1),
        "share_reached": round(streams / allowed, 3),
    }
