"""What it costs to hand a frame from capture to inference: through the ring, or as JPEG in the message."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from safetygear.frames.ring import FrameRingReader, FrameRingWriter, slot_bytes_for
from safetygear.messages.frames import FrameReference
from safetygear_capture.jpeg_encoder import JpegEncoder
from safetygear_capture.source import Planes
from safetygear_inference.pixels import decode_jpeg
from safetygear_workbench.bench.clips import STREAMS
from safetygear_workbench.bench.interleaved import costs
from safetygear_workbench.edge_runtime.memory_folder import memory_root

TOUCH_ROWS = 8
"""The reader looks at so many rows of the luma plane; what inference does with the planes is counted as its resize."""


def measure(clip_of: Callable[[str], Path], *, rounds: int) -> list[dict[str, Any]]:
    """One entry for each stream: processor milliseconds of writer and reader together."""
    return [_measure(name, clip_of(name), rounds) for name in STREAMS]


def _measure(stream: str, clip: Path, rounds: int) -> dict[str, Any]:
    planes, width, height = _picture(clip)
    encoder = JpegEncoder()
    with tempfile.TemporaryDirectory(dir=memory_root()) as folder:
        writer = FrameRingWriter(Path(folder), "bench", slots=4, slot_bytes=slot_bytes_for(width, height))
        reader = FrameRingReader(Path(folder))
        try:
            took = costs(
                {
                    "ring": lambda: _through_ring(writer, reader, planes, width, height),
                    "jpeg": lambda: decode_jpeg(encoder.encode(Planes(planes, "i420"), width, height)),
                },
                rounds=rounds,
            )
        finally:
            writer.close()
    return {
        "stream": stream,
        "width_px": width,
        "height_px": height,
        **{f"{name}_ms": cost.p50_ms for name, cost in took.items()},
        **{f"{name}_p95_ms": cost.p95_ms for name, cost in took.items()},
        "ratio": round(took["jpeg"].p50_ms / took["ring"].p50_ms, 1),
    }


def _through_ring(
    writer: FrameRingWriter, reader: FrameRingReader, planes: tuple[NDArray[np.uint8], ...], width: int, height: int
) -> int:
    slot = writer.write(planes, width=width, height=height, pixel_format="i420")
    view = reader.view(
        FrameReference(
            camera="bench",
            frame=1,
            ring=writer.name,
            epoch=writer.epoch,
            slot=slot.slot,
            sequence=slot.sequence,
            width=width,
            height=height,
            stride=slot.stride,
            pixel_format="i420",
            captured_at="2026-01-01T00:00:00.000Z",
            clock="arrival",
            decoded_at="2026-01-01T00:00:00.000Z",
        )
    )
    seen = int(view.planes[0][:: max(1, height // TOUCH_ROWS)].sum())
    view.check()
    return seen


def _picture(clip: Path) -> tuple[tuple[NDArray[np.uint8], ...], int, int]:
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        array = np.asarray(frame.reformat(format="yuv420p").to_ndarray(), np.uint8)
    height, width = array.shape[0] * 2 // 3, array.shape[1]
    chroma = array[height:].reshape(2, (height + 1) // 2, (width + 1) // 2)
    return (array[:height], chroma[0], chroma[1]), width, height
