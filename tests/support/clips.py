"""Small clips that tests make themselves. Each picture carries its number as black and white squares."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

NUMBER_BITS = 12
SQUARE_PX = 12


def numbered_picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """An RGB picture (h, w, 3): a moving gradient, and `number` as a row of squares at the top left."""
    ramp = (np.add.outer(np.arange(height) * 2, np.arange(width)) + number * 5) % 200 + 20
    picture = np.stack([ramp, np.roll(ramp, 40, 1), np.roll(ramp, 80, 0)], axis=2).astype(np.uint8)
    for bit in range(NUMBER_BITS):
        value = 235 if number >> bit & 1 else 16
        picture[:SQUARE_PX, bit * SQUARE_PX : (bit + 1) * SQUARE_PX] = value
    return picture


def read_number(luma: NDArray[np.uint8]) -> int:
    """The number in a decoded picture's Y plane (h, w)."""
    half = SQUARE_PX // 2
    return sum(
        1 << bit
        for bit in range(NUMBER_BITS)
        if luma[half - 2 : half + 2, bit * SQUARE_PX + half - 2 : bit * SQUARE_PX + half + 2].mean() > 125
    )


def make_clip(
    path: Path,
    *,
    codec: Literal["h264", "hevc"] = "h264",
    width: int = 320,
    height: int = 180,
    fps: int = 25,
    frames: int = 75,
    keyframe_every: int = 25,
    b_frames: int = 0,
    pixel_format: str = "yuv420p",
) -> Path:
    """Encode numbered pictures into an mp4 at `path`. `pixel_format`: FFmpeg's name; with a `j`: in full range."""
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    quiet = {"x265-params": "log-level=none"} if codec == "hevc" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.time_base = Fraction(1, fps)
        tune = {} if b_frames else {"tune": "zerolatency"}
        stream.options = {"preset": "ultrafast", **tune, **quiet}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number, width, height), format="rgb24")
            full_range = ColorRange.JPEG if pixel_format.startswith("yuvj") else ColorRange.MPEG
            frame = frame.reformat(format=pixel_format, dst_color_range=full_range)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
