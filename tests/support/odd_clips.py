"""Clips of a chart in formats that few cameras send. What is encoded is worked out here, from the colours and the
standards' formulas, so that FFmpeg's own conversions are not what they are compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from safetygear.geometry import Boxes, as_xyxy

CHART: Final = (
    ((200, 30, 30), (255, 120, 0), (190, 240, 40), (30, 60, 200)),
    ((128, 128, 128), (255, 255, 255), (0, 0, 0), (200, 150, 120)),
)
"""Red, green, blue of each part: helmets, vests, white, black, skin."""
ROWS, COLUMNS = len(CHART), len(CHART[0])
WHITE: Final = (1, 1)
"""Row and column of the part whose edges are looked for."""
_LUMA: Final = {"601": (0.299, 0.587, 0.114), "709": (0.2126, 0.7152, 0.0722)}
"""Of red, green and blue: ITU-R BT.601 and BT.709."""


@dataclass(frozen=True)
class Kind:
    """How a clip is encoded."""

    encoder: str = "libx264"
    pixel_format: str = "yuv420p"
    """FFmpeg's name."""
    width: int = 320
    height: int = 180
    full_range: bool = False
    matrix: str = "601"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def grey(self) -> bool:
        return self.pixel_format.startswith("gray")


def part_norm(row: int, column: int) -> Boxes:
    """(1, 4) xyxy in 0..1 of the picture: where a part of the chart lies."""
    return as_xyxy([(column / COLUMNS, row / ROWS, (column + 1) / COLUMNS, (row + 1) / ROWS)])


def colour(row: int, column: int, kind: Kind) -> tuple[float, float, float]:
    """The part's red, green and blue, 0..255, as far as the clip has colours."""
    rgb = CHART[row][column]
    if not kind.grey:
        return rgb
    level = sum(weight * value for weight, value in zip(_LUMA[kind.matrix], rgb, strict=True))
    return level, level, level


def chart_frame(kind: Kind) -> av.VideoFrame:
    """The chart as a frame of that kind."""
    frame = av.VideoFrame(kind.width, kind.height, kind.pixel_format)
    frame.color_range = ColorRange.JPEG if kind.full_range else ColorRange.MPEG
    rows = np.arange(kind.height) * ROWS // kind.height
    columns = np.arange(kind.width) * COLUMNS // kind.width
    bits = VideoFormat(kind.pixel_format).components[0].bits
    for plane, parts in zip(frame.planes, _components(np.array(CHART, float) / 255, kind), strict=True):
        dtype = np.dtype("<u2" if bits > 8 else "u1")
        target = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // dtype.itemsize)
        # Colour may be stored for several pixels; those of the chart are the same over whole parts.
        down, across = math.ceil(kind.height / plane.height), math.ceil(kind.width / plane.width)
        levels = np.round(parts * 2 ** (bits - 8)).astype(dtype)
        target[: plane.height, : plane.width] = levels[rows[::down, None], columns[None, ::across]]
    return frame


def _components(rgb: NDArray[np.float64], kind: Kind) -> list[NDArray[np.float64]]:
    """Y, U and V, or what there is of them, in levels of eight bits: as `rgb`, which is (rows, columns, 3) in 0..1."""
    weights = np.array(_LUMA[kind.matrix])
    luma = rgb @ weights
    blue = (rgb[..., 2] - luma) / (2 - 2 * weights[2])
    red = (rgb[..., 0] - luma) / (2 - 2 * weights[0])
    if kind.full_range:
        # 2^bits - 1 is the most there is; in levels of eight bits it is hardly more than 255.
        return [255 * luma] if kind.grey else [255 * luma, 128 + 255 * blue, 128 + 255 * red]
    return [16 + 219 * luma] if kind.grey else [16 + 219 * luma, 128 + 224 * blue, 128 + 224 * red]


def make_odd_clip(path: Path, kind: Kind, *, shown: tuple[int, ...] = (0, 1, 2)) -> Path:
    """Encode the chart; `path`'s suffix names the container. `shown`: when, in 1/25 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.encoder, rate=25)
        stream.width, stream.height, stream.pix_fmt = kind.width, kind.height, kind.pixel_format
        context = stream.codec_context
        context.time_base = Fraction(1, 25)
        context.color_range = ColorRange.JPEG if kind.full_range else ColorRange.MPEG
        if kind.matrix == "709":
            context.colorspace = Colorspace.ITU709
        stream.options = {**_OPTIONS[kind.encoder], **kind.options}
        frame = chart_frame(kind)
        for time in shown:
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "4"},
    "libx265": {"preset": "ultrafast", "tune": "zerolatency", "crf": "4", "x265-params": "log-level=none"},
    "mjpeg": {"qmin": "1", "qmax": "2", "strict": "unofficial"},
}
