"""Pictures go into the network's input where the letterbox says, in the right colours and range."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear.errors import FrameError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.format import NetworkInput, pixel_count_size
from safetygear_inference.detectors.preprocess import SIZES_KEPT, Preprocessor
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pixels import decode_jpeg, decode_picture, encode_jpeg, to_bgr
from support.pictures import plain, with_white_box, yuv_of

GREY, BLUE_GREEN_RED = (114, 114, 114), (30, 110, 200)
PixelFormat = Literal["i420", "nv12", "bgr"]
FORMATS: tuple[PixelFormat, ...] = ("i420", "nv12", "bgr")


def takes(**changes: Any) -> NetworkInput:
    fields: dict[str, Any] = {
        "name": "images", "dtype": "float", "layout": "nchw", "size": (640, 384), "channels": "bgr", "scale": 1.0,
        "offset": 0.0, "fit": "top-left",
    }  # fmt: skip
    return NetworkInput(**{**fields, **changes})


def channels_last(tensor: NDArray[Any], layout: str) -> NDArray[np.float32]:
    image = tensor[0].transpose(1, 2, 0) if layout == "nchw" else tensor[0]
    return np.asarray(image, np.float32)


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (640, 480), (704, 576), (480, 800), (641, 361), (333, 97)])
def test_a_thing_lies_where_the_letterbox_says(size: tuple[int, int], pixel_format: PixelFormat) -> None:
    width, height = size
    box = (width // 4 * 2, height // 4, width // 4 * 3, height // 4 * 3)
    box = tuple(value // 2 * 2 for value in box)  # type: ignore[assignment]  # still four
    picture = with_white_box(plain(width, height, (20, 20, 20), pixel_format), box)
    tensor, letterbox = Preprocessor(takes())(picture)
    image = channels_last(tensor, "nchw").mean(axis=2)
    inner = image[: letterbox.inner_height_px, : letterbox.inner_width_px]
    rows, columns = np.nonzero(inner > 137)
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
    expected = letterbox.to_network(as_xyxy([box]))[0]
    assert np.abs(seen - expected).max() <= 1.5
    back = letterbox.to_source_norm(as_xyxy([seen]))[0] * np.array([width, height] * 2)
    assert np.abs(back - np.array(box)).max() <= 1.5 / min(letterbox.scale_x, letterbox.scale_y)


@pytest.mark.parametrize("size", [(640, 480), (480, 800), (704, 576)])
def test_the_rest_is_grey_also_after_other_pictures(size: tuple[int, int]) -> None:
    preprocess = Preprocessor(takes(scale=1 / 255))
    for _ in range(2):
        tensor, letterbox = preprocess(plain(*size, (250, 250, 250)))
        image = channels_last(tensor, "nchw")
        rest = np.ones(image.shape[:2], bool)
        rest[: letterbox.inner_height_px, : letterbox.inner_width_px] = False
        assert rest.any()
        assert np.allclose(image[rest], 114 / 255)
        assert image[: letterbox.inner_height_px, : letterbox.inner_width_px].min() > 0.9
        preprocess(plain(1280, 720, (0, 0, 0)))


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(1280, 720), (703, 575)])
@pytest.mark.parametrize("channels", ["bgr", "rgb"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        ("float", 1.0, 0.0),
        ("float", 1 / 255, 0.0),
        ("float", 2 / 255, -1.0),
        ("float16", 1 / 255, 0.0),
        ("float16", 1.0, 0.0),
        ("uint8", 1.0, 0.0),
    ],
)
def test_colours_and_range(
    pixel_format: PixelFormat,
    size: tuple[int, int],
    channels: str,
    layout: str,
    dtype: str,
    scale: float,
    offset: float,
) -> None:
    preprocess = Preprocessor(takes(channels=channels, layout=layout, dtype=dtype, scale=scale, offset=offset))
    for _ in range(2):
        tensor, letterbox = preprocess(plain(*size, BLUE_GREEN_RED, pixel_format))
        assert tensor.dtype == {"float": np.float32, "float16": np.float16, "uint8": np.uint8}[dtype]
        assert tensor.shape == ((1, 3, 384, 640) if layout == "nchw" else (1, 384, 640, 3))
        assert tensor.flags.c_contiguous
        image = channels_last(tensor, layout)[: letterbox.inner_height_px, : letterbox.inner_width_px]
        expected = np.array(BLUE_GREEN_RED if channels == "bgr" else BLUE_GREEN_RED[::-1])
        assert np.abs((image - offset) / scale - expected).max() <= 3  # YUV keeps no more


@pytest.mark.parametrize(
    ("source", "network"),
    [
        # object_detection.py of the export: sides * sqrt(512 * 512 / w / h), cut to whole px, up to a multiple of 32.
        ((1280, 720), (704, 384)),
        ((1920, 1080), (704, 384)),
        ((640, 480), (608, 448)),
        ((720, 1280), (384, 704)),
        ((512, 512), (512, 512)),
        ((4000, 20), (7264, 64)),
    ],
)
def test_the_size_custom_vision_chooses(source: tuple[int, int], network: tuple[int, int]) -> None:
    assert pixel_count_size(source) == network


def test_a_free_network_is_fed_each_picture_in_its_own_proportions() -> None:
    preprocess = Preprocessor(takes(size=None, fit="pixel-count"))
    assert preprocess(plain(1280, 720, GREY))[0].shape == (1, 3, 384, 704)
    tensor, letterbox = preprocess(plain(640, 480, GREY))
    assert tensor.shape == (1, 3, 448, 608)
    assert letterbox.to_source_norm(as_xyxy([(0, 0, 608, 448)])).tolist() == [[0, 0, 1, 1]]


def test_a_stretched_network_sees_the_whole_picture() -> None:
    _, letterbox = Preprocessor(takes(size=(416, 416), fit="stretch"))(plain(1280, 720, GREY))
    assert letterbox.to_source_norm(as_xyxy([(208, 104, 416, 416)])).tolist() == [[0.5, 0.25, 1, 1]]


def test_buffers_are_reused_and_bounded() -> None:
    preprocess = Preprocessor(takes())
    first, _ = preprocess(plain(1280, 720, GREY))
    again, _ = preprocess(plain(1280, 720, GREY))
    assert again is first
    for width in range(100, 100 + SIZES_KEPT):
        preprocess(plain(width, 100, GREY))
    assert preprocess(plain(1280, 720, GREY))[0] is not first


def test_the_source_is_not_written_to() -> None:
    picture = plain(320, 240, BLUE_GREEN_RED)
    before = [plane.copy() for plane in picture.planes]
    for plane in picture.planes:
        plane.flags.writeable = False  # as in the ring
    Preprocessor(takes())(picture)
    to_bgr(picture)
    picture.luma()
    assert all(np.array_equal(*pair) for pair in zip(before, picture.planes, strict=True))


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_luma_is_in_video_range(pixel_format: PixelFormat) -> None:
    for colour in (BLUE_GREEN_RED, (0, 0, 0), (255, 255, 255)):
        luma = plain(64, 48, colour, pixel_format).luma()
        assert luma.shape == (48, 64)
        assert np.abs(luma.astype(int) - yuv_of(colour)[0]).max() <= 1


@pytest.mark.parametrize(
    ("size", "max_width_px", "expected"),
    [
        ((1280, 720), 960, (540, 960)),
        ((640, 360), 960, (360, 640)),
        ((1279, 719), 641, (360, 641)),
        ((9, 3), 2, (1, 2)),
    ],
)
def test_the_page_gets_pictures_no_wider_than_it_wants(
    size: tuple[int, int], max_width_px: int, expected: tuple[int, int]
) -> None:
    bgr = to_bgr(plain(*size, BLUE_GREEN_RED), max_width_px=max_width_px)
    assert bgr.shape == (*expected, 3)
    assert np.abs(bgr.astype(int) - np.array(BLUE_GREEN_RED)).max() <= 3


def test_jpeg_there_and_back() -> None:
    data = encode_jpeg(to_bgr(plain(320, 240, BLUE_GREEN_RED)), 90)
    picture = decode_jpeg(data)
    assert (picture.width, picture.height, picture.pixel_format) == (320, 240, "bgr")
    assert np.abs(picture.planes[0].astype(int) - np.array(BLUE_GREEN_RED)).max() <= 5


def black_png(width: int, height: int) -> bytes:
    """A whole PNG of one bit per pixel: large pictures are small files."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_small_file_can_not_fill_the_memory() -> None:
    assert decode_picture(black_png(800, 600)).width == 800
    with pytest.raises(FrameError, match="more than 64 megapixels") as raised:
        decode_picture(black_png(8200, 8200))
    assert raised.value.code == "picture-too-large"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0nonsense", b"not a picture"])
def test_what_is_no_picture_is_a_named_drop(data: bytes) -> None:
    for decode in (decode_jpeg, decode_picture):
        with pytest.raises(FrameError) as raised:
            decode(data)
        assert raised.value.code == "jpeg-invalid"
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("shapes", [((2, 3), (2,), (2,)), ((2, 4), (3,), (2,)), ((2, 4), (2,), (1,))])
def test_boxes_that_do_not_fit_together_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="fit"):
        DetectedBoxes(np.zeros(shapes[0], np.float32), np.zeros(shapes[1], np.int64), np.zeros(shapes[2], np.float32))


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="BGR"):
        Picture.from_bgr(np.zeros((4, 4), np.uint8))
