"""The planes of a picture that PyAV has decoded, as whoever reads them expects them."""

from __future__ import annotations

from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from safetygear.errors import CameraError
from safetygear_capture.reasons import explain
from safetygear_capture.source import Planes

_GREY_BITS: Final = {"gray": 8, "gray10le": 10, "gray12le": 12}
"""FFmpeg takes these for full range, whatever the stream says, and would make a dim picture of one in video range."""
NO_COLOUR: Final = 128


def planes_of(frame: VideoFrame) -> Planes:
    """The picture in 4:2:0, eight bits and video range: as it lies in the frame where it is that, else converted.

    Raises CameraError (unsupported-codec) where FFmpeg can't convert it.
    """
    # Whoever reads the planes takes them for video range (16..235); in the other one, shadows would be black for him.
    name = frame.format.name
    if not (name.startswith("yuvj") or frame.color_range == ColorRange.JPEG):
        if name == "yuv420p":
            return Planes(tuple(_plane(frame, index) for index in range(3)), "i420")
        if name == "nv12":
            return Planes(tuple(_plane(frame, index) for index in range(2)), "nv12")
        if name in _GREY_BITS:
            return _grey(frame, _GREY_BITS[name])
    try:
        # Threads would be begun and ended with each picture, for more than they save.
        converted = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG, threads=1)
    except av.FFmpegError as exc:
        raise CameraError(explain("unsupported-codec"), code="unsupported-codec") from exc
    return Planes(tuple(_plane(converted, index) for index in range(3)), "i420", converted=True)


def _grey(frame: VideoFrame, bits: int) -> Planes:
    chroma = np.full((-(-frame.height // 2), -(-frame.width // 2)), NO_COLOUR, np.uint8)
    if bits == 8:
        return Planes((_plane(frame, 0), chroma, chroma), "i420", converted=True)
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), "<u2").reshape(-1, plane.line_size // 2)[: frame.height, : frame.width]
    return Planes(((rows >> (bits - 8)).astype(np.uint8), chroma, chroma), "i420", converted=True)


def _plane(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width * (2 if frame.format.name == "nv12" and index == 1 else 1)]
