"""Clips to measure with, made of another clip: paced, at a camera's frame rate, noisy as a sensor, frames numbered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from safetygear.errors import UserError
from safetygear_workbench.bench.numbering import BITS, stamp

NOISE_SIGMA = 2.0
"""Of a luma value: without it a still scene would cost a decoder next to nothing."""
NOISE_SEED = 25


@dataclass(frozen=True)
class Stream:
    """What a camera sends: H.264 without B-frames, a key frame every second, as site cameras do."""

    name: str
    width_px: int
    height_px: int
    bits_per_s: int
    fps: int = 25
    seconds: float = 28.0


STREAMS = {
    "main": Stream("main", 1920, 1080, 4_000_000),
    "sub": Stream("sub", 640, 360, 512_000),
}


def clip(stream: Stream, source: Path, folder: Path) -> Path:
    """The clip of that description in `folder`; made where it isn't there yet. Raises UserError."""
    identity = hashlib.sha256(repr(sorted(asdict(stream).items())).encode() + source.read_bytes()).hexdigest()[:12]
    path = folder / f"{stream.name}-{identity}.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        making = path.with_suffix(f".{os.getpid()}.mp4")
        try:
            _make(stream, source, making)
        except av.FFmpegError as exc:
            raise UserError(f"{source} can't be made into a clip to measure with: {exc.strerror}.") from exc
        making.replace(path)
    return path


def _make(stream: Stream, source: Path, path: Path) -> None:
    count = round(stream.seconds * stream.fps)
    if count >= 1 << BITS:
        raise UserError(f"a clip of {count} frames has more than can be numbered:", hint=f"at most {(1 << BITS) - 1}.")
    random = np.random.default_rng(NOISE_SEED)
    noise = random.normal(0, NOISE_SIGMA, (2 * stream.height_px, 2 * stream.width_px)).round().astype(np.int16)
    options = {"preset": "veryfast", "bf": "0", "g": str(stream.fps), "sc_threshold": "0", "profile": "main"}
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=stream.fps, options=options)
        video.width, video.height, video.pix_fmt = stream.width_px, stream.height_px, "yuv420p"
        video.bit_rate = stream.bits_per_s
        for number, planes in enumerate(_frames(stream, source, count)):
            top, left = random.integers(stream.height_px), random.integers(stream.width_px)
            grain = noise[top : top + stream.height_px, left : left + stream.width_px]
            luma = planes[: stream.height_px]
            luma[:] = np.clip(luma.astype(np.int16) + grain, 16, 235)
            stamp(luma, number)
            frame = VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, stream.fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def _frames(stream: Stream, source: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """I420 as one array, (3 height / 2, width): at each time the source's picture of that time, over and over."""
    given = 0
    while given < count:
        began = given
        with av.open(str(source)) as container:
            rate = float(container.streams.video[0].average_rate or stream.fps)
            for index, frame in enumerate(container.decode(video=0)):
                scaled = frame.reformat(stream.width_px, stream.height_px, format="yuv420p")
                resized = np.asarray(scaled.to_ndarray(), np.uint8)
                while given < count and (given - began) / stream.fps < (index + 1) / rate:
                    yield resized.copy()
                    given += 1
        if given == began:
            raise UserError(f"{source} has no picture in it.")
