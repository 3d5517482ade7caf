"""Whatever a camera's pictures are made of, the network gets their colours, at their places: decoder, planes, ring or
JPEG, resizing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear.frames.ring import FrameRingReader
from safetygear.geometry import Letterbox, as_xyxy
from safetygear_capture.camera_ring import CameraRing
from safetygear_capture.decoded_planes import planes_of
from safetygear_capture.jpeg_sink import JpegSink
from safetygear_capture.source import FrameMoment
from safetygear_inference.detectors.format import NetworkInput
from safetygear_inference.detectors.preprocess import Preprocessor
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import decode_jpeg
from support.odd_clips import COLUMNS, ROWS, WHITE, Kind, colour, make_odd_clip, part_norm

INPUT = NetworkInput(
    name="images", dtype="float", layout="nchw", size=(640, 384), channels="rgb", scale=1, offset=0.0, fit="center"
)
LEVELS_OFF = 4
"""Of 255: a change of range, two roundings and the encoder; seen were two."""
JPEG_LEVELS_OFF = 12

KINDS: dict[str, Kind] = {
    "h264": Kind(),
    "h264-full-range": Kind(pixel_format="yuvj420p", full_range=True),
    "h264-flagged-full-range": Kind(full_range=True),
    "h264-422": Kind(pixel_format="yuv422p"),
    "h264-422-full-range": Kind(pixel_format="yuvj422p", full_range=True),
    "h264-444": Kind(pixel_format="yuv444p"),
    "h264-444-full-range": Kind(pixel_format="yuvj444p", full_range=True),
    "h264-odd-size": Kind(pixel_format="yuv444p", width=641, height=361),
    "h264-ten-bits": Kind(pixel_format="yuv420p10le"),
    "h264-422-ten-bits": Kind(pixel_format="yuv422p10le"),
    "h264-grey": Kind(pixel_format="gray"),
    "h264-grey-full-range": Kind(pixel_format="gray", full_range=True),
    "h264-portrait": Kind(width=360, height=640),
    "h264-interlaced": Kind(height=192, options={"x264-params": "interlaced=1"}),
    "h264-4k": Kind(width=3840, height=2160),
    "hevc": Kind("libx265"),
    "hevc-full-range": Kind("libx265", full_range=True),
    "hevc-ten-bits": Kind("libx265", "yuv420p10le"),
    "hevc-ten-bits-full-range": Kind("libx265", "yuv420p10le", full_range=True),
    "hevc-444-twelve-bits": Kind("libx265", "yuv444p12le"),
    "hevc-odd-size": Kind("libx265", "yuv444p", width=641, height=361),
    "hevc-grey": Kind("libx265", "gray"),
    "hevc-grey-full-range": Kind("libx265", "gray", full_range=True),
    "hevc-grey-ten-bits": Kind("libx265", "gray10le"),
    "mjpeg": Kind("mjpeg", "yuvj420p", full_range=True),
    "mjpeg-422": Kind("mjpeg", "yuvj422p", full_range=True),
    "mjpeg-odd-size": Kind("mjpeg", "yuvj420p", width=641, height=361, full_range=True),
    "mjpeg-video-range": Kind("mjpeg", "yuv420p"),
}


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def by_ring(frame: av.VideoFrame, ring: CameraRing, reader: FrameRingReader) -> Picture:
    moment = FrameMoment(1, frame.width, frame.height, 0.0, "arrival", 0.0, 0.0)
    reference, _ = ring.hand_over(planes_of(frame), moment)
    view = reader.view(reference)
    view.check()
    return Picture.from_view(view)


def by_jpeg(frame: av.VideoFrame) -> Picture:
    moment = FrameMoment(1, frame.width, frame.height, 0.0, "arrival", 0.0, 0.0)
    _, jpeg = JpegSink("gate").hand_over(planes_of(frame), moment)
    return decode_jpeg(jpeg)


def assert_is_chart(picture: Picture, kind: Kind, levels_off: float) -> None:
    """What the network gets of `picture` has the chart's colours, and its white part where it is."""
    tensor, letterbox = Preprocessor(INPUT)(picture)
    rgb = tensor[0].transpose(1, 2, 0)
    for row in range(ROWS):
        for column in range(COLUMNS):
            seen = in_the_middle(rgb, letterbox, row, column)
            assert seen == pytest.approx(colour(row, column, kind), abs=levels_off), (row, column)
    inner = np.zeros(rgb.shape[:2], bool)
    inner[letterbox.top_px :, letterbox.left_px :][: letterbox.inner_height_px, : letterbox.inner_width_px] = True
    down, across = np.nonzero(inner & (rgb.min(axis=2) > 225))
    found = letterbox.to_source_norm(as_xyxy([(across.min(), down.min(), across.max() + 1, down.max() + 1)]))
    # Of the network's pixels: an edge is smeared over about two, of which colour has a quarter as many.
    near_norm = 2.5 / min(letterbox.inner_width_px, letterbox.inner_height_px)
    assert found == pytest.approx(part_norm(*WHITE), abs=near_norm)


def in_the_middle(rgb: NDArray[Any], letterbox: Letterbox, row: int, column: int) -> list[float]:
    size = (letterbox.source_width_px, letterbox.source_height_px) * 2
    left, top, right, bottom = letterbox.to_network(part_norm(row, column) * np.array(size, np.float32))[0]
    x, y = int(left + right) // 2, int(top + bottom) // 2
    return [float(value) for value in rgb[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))]


@pytest.mark.parametrize("name", KINDS)
def test_the_networks_input_has_the_pictures_colours_and_places(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    frames = decoded(make_odd_clip(tmp_path / "clip.mkv", kind))
    assert [(frame.width, frame.height) for frame in frames] == [(kind.width, kind.height)] * 3
    ring = CameraRing(tmp_path, "gate", 1.0)
    try:
        assert_is_chart(by_ring(frames[-1], ring, FrameRingReader(tmp_path)), kind, LEVELS_OFF)
    finally:
        ring.close()
    assert_is_chart(by_jpeg(frames[-1]), kind, JPEG_LEVELS_OFF)


def test_interlaced_clips_are_interlaced_and_ten_bits_are_ten(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    frames = decoded(make_odd_clip(tmp_path / "fields.mkv", KINDS["h264-interlaced"]))
    assert frames[-1].interlaced_frame
    formats = {
        name: decoded(make_odd_clip(tmp_path / f"{name}.mkv", KINDS[name]))[-1].format.name
        for name in ("h264-ten-bits", "hevc-grey", "hevc-grey-ten-bits", "h264-422", "mjpeg-422")
    }
    assert formats == {
        "h264-ten-bits": "yuv420p10le",
        "hevc-grey": "gray",
        "hevc-grey-ten-bits": "gray10le",
        "h264-422": "yuv422p",
        "mjpeg-422": "yuvj422p",
    }


def test_a_stream_that_changes_its_size_and_format_goes_on(tmp_path: Path) -> None:
    """Parameter sets in the stream, as cameras send them when somebody changes their settings."""
    names = ("h264", "h264-portrait", "h264-444", "h264-odd-size", "h264", "h264-422-full-range")
    kinds = [KINDS[name] for name in names]
    stream = tmp_path / "all.h264"
    stream.write_bytes(
        b"".join(make_odd_clip(tmp_path / f"{n}.h264", kind).read_bytes() for n, kind in enumerate(kinds))
    )
    frames = decoded(stream)
    assert len(frames) == 3 * len(kinds)
    ring, reader = CameraRing(tmp_path, "gate", 5.0), FrameRingReader(tmp_path)
    try:
        for number, frame in enumerate(frames):
            assert_is_chart(by_ring(frame, ring, reader), kinds[number // 3], LEVELS_OFF)
    finally:
        ring.close()


def test_colours_of_high_definitions_matrix_are_a_little_off(tmp_path: Path) -> None:
    """They are taken for those of BT.601, as OpenCV's capture takes them; docs/reliability.md says so."""
    kind = Kind(matrix="709")
    ring = CameraRing(tmp_path, "gate", 5.0)
    try:
        frames = decoded(make_odd_clip(tmp_path / "clip.mkv", kind))
        picture = by_ring(frames[-1], ring, FrameRingReader(tmp_path))
        assert_is_chart(picture, kind, 25)
    finally:
        ring.close()
