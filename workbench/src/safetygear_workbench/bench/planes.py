"""A decoded picture's planes, where FFmpeg put them."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray


def planes_of(frame: VideoFrame) -> tuple[NDArray[np.uint8], ...]:
    """Y (h, w), U and V (ceil h/2, ceil w/2), uint8, strided views of a yuv420p frame."""
    return tuple(
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
