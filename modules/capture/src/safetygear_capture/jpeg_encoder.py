"""JPEG of decoded planes, for modules that share no memory. By PyAV's mjpeg encoder: capture needs no OpenCV."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import av.codec
import numpy as np
from av.video.codeccontext import VideoCodecContext

from safetygear.errors import CameraError
from safetygear_capture.ffmpeg_memory import MOST_WITH_JPEG_BYTES, limit_pieces
from safetygear_capture.source import Planes

MAX_JPEG_BYTES: Final = 200 * 1024
"""The hub's limit of 256 KB less room for topic and properties (hub/port.py)."""
_QUALITIES: Final = (4, 8, 16, 31)
"""mjpeg's quantiser, from fine (about q85) to coarse: the next one is tried where a picture is too large."""


class JpegEncoder:
    """Belongs to one thread. Making one raises the process's limit of what FFmpeg takes in one piece."""

    def __init__(self) -> None:
        limit_pieces(MOST_WITH_JPEG_BYTES)

    def encode(self, planes: Planes, width: int, height: int) -> bytes:
        """Baseline JPEG of at most MAX_JPEG_BYTES. Raises CameraError (`jpeg-too-large`) where no quality fits."""
        frame = av.VideoFrame(width, height, "yuv420p" if planes.pixel_format == "i420" else "nv12")
        for plane, rows in zip(frame.planes, planes.arrays, strict=True):
            target = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            np.copyto(target[: rows.shape[0], : rows.shape[1]], rows)
        full_range = frame.reformat(format="yuvj420p")
        beyond = CameraError(f"a {width}x{height} picture does not fit a message as JPEG", code="jpeg-too-large")
        for quality in _QUALITIES:
            try:
                data = _encode(full_range, quality)
            except MemoryError as exc:  # PyAV's is one, too
                raise beyond from exc
            if len(data) <= MAX_JPEG_BYTES:
                return data
        raise beyond


def _encode(frame: av.VideoFrame, quality: int) -> bytes:
    codec = av.codec.CodecContext.create("mjpeg", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuvj420p"
    codec.time_base = Fraction(1, 25)
    codec.qmin = codec.qmax = quality
    codec.options = {"strict": "unofficial"}
    frame.pts = 0
    packets = [*codec.encode(frame), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
