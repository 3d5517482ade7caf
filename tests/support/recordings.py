"""Recorded detections as `simulate --messages` writes them, from boxes in pixels. Without people and track ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from safetygear.clock import rfc3339
from safetygear.messages.codec import BoundingBox
from safetygear.messages.detections import Detection, DetectionsMessage, FrameSize, LatencyMs, ModelIdentity

Row = tuple[str, tuple[float, float, float, float]]
"""Label and x0, y0, x1, y1 in px."""
SIZE_PX = (1280, 720)
PROBABILITY = 0.9


def body(
    camera: str,
    sequence: int,
    captured_s: float,
    rows: Iterable[Row],
    *,
    size_px: tuple[int, int] = SIZE_PX,
    probability: float = PROBABILITY,
) -> dict[str, Any]:
    """One frame's message; `captured_s` UTC epoch seconds."""
    width, height = size_px
    message = DetectionsMessage(
        camera=camera,
        shard="default",
        sequence=sequence,
        frame_number=sequence,
        captured_at=rfc3339(captured_s),
        clock="arrival",
        frame=FrameSize(width=width, height=height),
        model=ModelIdentity(name="truth", version="1", sha256="0" * 64),
        detections=[
            Detection(
                label=label,
                probability=probability,
                bounding_box=BoundingBox(
                    left=round(x0 / width, 5),
                    top=round(y0 / height, 5),
                    width=round((x1 - x0) / width, 5),
                    height=round((y1 - y0) / height, 5),
                ),
            )
            for label, (x0, y0, x1, y1) in rows
        ],
        people=[],
        latency_ms=LatencyMs(capture=0.0, queue=0.0, inference=0.0, total=0.0),
    )
    document: dict[str, Any] = msgspec.to_builtins(message)
    return document


def record(message: Mapping[str, Any], *, run: str = "r1", output: str = "detections") -> dict[str, Any]:
    """The message as IoT Hub receives it. `run`: one start of the module."""
    return {
        "enqueuedAt": message.get("capturedAt", "2026-11-25T08:00:00.000Z"),
        "moduleId": "inference",
        "output": output,
        "properties": {"schema": message["schema"], "camera": message.get("camera", "")},
        "systemProperties": {"messageId": f"{run}-{message.get('camera', '')}-{message.get('sequence', 0)}"},
        "body": message,
    }


def write_lines(path: Path, documents: Iterable[Mapping[str, Any]]) -> Path:
    """One JSON a line."""
    path.write_bytes(b"".join(msgspec.json.encode(document) + b"\n" for document in documents))
    return path
