"""Pixels in and out: resizing planes, colour, JPEG. The only file that imports cv2.

YUV is taken as BT.601 with video range (16..235): capture makes that of what a camera sends in full range.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import FrameError
from safetygear.geometry import Boxes
from safetygear_inference.gating.gate import SKETCH_WIDTH, Sketch
from safetygear_inference.picture import Bgr, Picture, Plane

MOST_PIXELS: Final = 2**26
# Before the import, which reads it: a picture of a few KB may claim to be gigapixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))

import cv2  # noqa: E402 - the limit above must be set by then

# One thread per worker is the rule; OpenCV's own pool would let the workers fight for the cores.
cv2.setNumThreads(1)
cv2.ocl.setUseOpenCL(False)

JPEG_START: Final = b"\xff\xd8"
TOO_MANY_PIXELS: Final = "picture-too-large"
CELLS_ACROSS: Final = 4
"""Of a region that is made unrecognisable: a face in it is left with four values across at most."""
SKETCHED_ROWS: Final = 360
DETAIL_ACROSS: Final = 6
"""Pixels across a face in which nobody can be recognised; `detail` measures what is there beyond them."""
HASHED_ACROSS: Final = 32
"""Pixels on each side of what a perceptual hash is made of."""


class BgrScaler:
    """Resizes pictures to `width_px` x `height_px` BGR. Keeps its scratch buffers, so not for two threads.

    Y, U and V are resized (linear, each from its own resolution) before the one colour conversion: a third of the cost
    of converting first.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        self._width, self._height = width_px, height_px
        # 4:2:0 needs even sides; an odd picture is converted one pixel larger and cut.
        self._even_w, self._even_h = width_px + width_px % 2, height_px + height_px % 2
        self._yuv: Plane | None = None
        self._bgr: Bgr | None = None

    def scale(self, picture: Picture, into: Bgr) -> None:
        """Fill `into`, (height, width, 3) uint8, whose rows may be strided."""
        if picture.pixel_format == "bgr":
            _resize(picture.planes[0], self._width, self._height, into)
            return
        yuv = self._fill_yuv(picture)
        code = cv2.COLOR_YUV2BGR_I420 if picture.pixel_format == "i420" else cv2.COLOR_YUV2BGR_NV12
        if (self._even_w, self._even_h) == (self._width, self._height):
            cv2.cvtColor(yuv, code, dst=into)
            return
        if self._bgr is None:
            self._bgr = np.empty((self._even_h, self._even_w, 3), np.uint8)
        cv2.cvtColor(yuv, code, dst=self._bgr)
        np.copyto(into, self._bgr[: self._height, : self._width])

    def _fill_yuv(self, picture: Picture) -> Plane:
        if self._yuv is None:
            self._yuv = np.zeros((self._even_h * 3 // 2, self._even_w), np.uint8)
        chroma_w, chroma_h = self._even_w // 2, self._even_h // 2
        chroma = self._yuv[self._even_h :].reshape(-1)
        luma = self._yuv[: self._even_h]
        _resize(picture.planes[0], self._width, self._height, luma[: self._height, : self._width])
        if picture.pixel_format == "i420":
            for index, plane in enumerate(picture.planes[1:]):
                part = chroma[index * chroma_w * chroma_h : (index + 1) * chroma_w * chroma_h]
                _resize(plane, chroma_w, chroma_h, part.reshape(chroma_h, chroma_w))
        else:
            # U and V lie side by side: two channels of one plane.
            rows, row_bytes = picture.planes[1].shape
            pairs = picture.planes[1].reshape(rows, row_bytes // 2, 2)
            _resize(pairs, chroma_w, chroma_h, chroma.reshape(chroma_h, chroma_w, 2))
        return self._yuv


def luma_sketch(picture: Picture) -> Sketch:
    """Mean luma of cells, `SKETCH_WIDTH` across and about as high as they are wide: (rows, SKETCH_WIDTH) uint8."""
    size = SKETCH_WIDTH, max(3, round(SKETCH_WIDTH * picture.height / picture.width))
    plane = picture.planes[0]
    # Some rows tell a cell's mean well enough, and the cost is the same for every size of picture.
    plane = plane[:: max(1, plane.shape[0] // SKETCHED_ROWS)]
    small = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small if picture.pixel_format != "bgr" else Picture.from_bgr(small).luma()


def split_channels(bgr: Bgr, into: NDArray[np.uint8]) -> None:
    """B, G and R of (height, width, 3) into `into`, (3, height, width), in that order; its planes are contiguous."""
    cv2.split(bgr, list(into))


def to_bgr(picture: Picture, *, max_width_px: int | None = None) -> Bgr:
    """The picture as (height, width, 3) uint8 BGR, scaled down to at most `max_width_px` in its own aspect ratio."""
    width, height = picture.width, picture.height
    if max_width_px is not None and width > max_width_px:
        width, height = max_width_px, max(1, round(height * max_width_px / width))
    bgr = np.empty((height, width, 3), np.uint8)
    BgrScaler(width, height).scale(picture, bgr)
    return bgr


def black_out(bgr: Bgr, polygons: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Fill polygons, corners in 0..1 of the picture, with black, in place: `bgr` is (height, width, 3) uint8."""
    height, width = bgr.shape[:2]
    for polygon in polygons:
        # Outwards to whole pixels is not defined for a polygon; the line around it covers what rounding leaves over.
        corners = np.round(np.asarray(polygon) * (width, height)).astype(np.int32)
        cv2.fillPoly(bgr, [corners], (0, 0, 0))
        cv2.polylines(bgr, [corners], True, (0, 0, 0), 2)


def make_unrecognisable(bgr: Bgr, regions_norm: Boxes) -> None:
    """Leave of each region only `CELLS_ACROSS` averages along its longer side, in place. What is between them is
    interpolated, so that no edge is left either.

    `bgr`: (height, width, 3) uint8; `regions_norm`: (n, 4) xyxy in 0..1 of it, outwards to whole pixels.
    """
    height, width = bgr.shape[:2]
    for left, top, right, bottom in (np.asarray(regions_norm, float) * (width, height, width, height)).tolist():
        x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
        x1, y1 = min(width, math.ceil(right)), min(height, math.ceil(bottom))
        if x1 <= x0 or y1 <= y0:
            continue
        part = bgr[y0:y1, x0:x1]
        cell = max(1.0, max(x1 - x0, y1 - y0) / CELLS_ACROSS)
        few = (max(1, round((x1 - x0) / cell)), max(1, round((y1 - y0) / cell)))
        # The mean over each cell: nothing of what it was made of can be worked out again.
        part[:] = cv2.resize(cv2.resize(part, few, interpolation=cv2.INTER_AREA), part.shape[1::-1])


def sharpness(bgr: Bgr) -> float:
    """Variance of the Laplacian of the grey picture, (height, width, 3) uint8: little where it is smeared."""
    return float(cv2.Laplacian(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var())


def detail(bgr: Bgr) -> float:
    """What a picture of one face, (height, width, 3) uint8, shows beyond `DETAIL_ACROSS` pixels across: the root mean
    square difference, in grey levels, between it and itself enlarged from so few pixels, whatever its size.
    """
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    few = (min(width, DETAIL_ACROSS), min(height, max(1, round(height * DETAIL_ACROSS / width))))
    coarse = cv2.resize(cv2.resize(grey, few, interpolation=cv2.INTER_AREA), (width, height))
    return float(np.sqrt(np.mean((grey.astype(np.float32) - coarse) ** 2)))


def perceptual_hash(bgr: Bgr) -> int:
    """64 bits that stay nearly the same where a picture, (height, width, 3) uint8, is scaled, brightened or compressed:
    which of the 8x8 lowest frequencies are above their median, the lowest first.

    As `phash` of the package ImageHash, but for the resampling. Source: C. Zauner, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", 2010.
    """
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    few = cv2.resize(grey, (HASHED_ACROSS, HASHED_ACROSS), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(few)[:8, :8].ravel()
    return int("".join("1" if above else "0" for above in (low > np.median(low)).tolist()), 2)


def encode_jpeg(bgr: Bgr, quality: int) -> bytes:
    """(height, width, 3) uint8 BGR as JPEG. Raises FrameError where OpenCV can't."""
    try:
        done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as exc:
        raise FrameError(f"the picture can't be encoded: {_reason(exc)}", code="jpeg-failed") from exc
    if not done:
        raise FrameError("the picture can't be encoded", code="jpeg-failed")
    return bytes(data)


def decode_jpeg(data: bytes) -> Picture:
    """The picture in a JPEG. Raises FrameError (`jpeg-invalid`)."""
    if data[:2] != JPEG_START:
        raise FrameError("the message's body is no JPEG", code="jpeg-invalid")
    return decode_picture(data)


def decode_picture(data: bytes) -> Picture:
    """The picture in a JPEG, PNG, BMP, WebP or TIFF, turned as its EXIF says.

    Raises FrameError: `jpeg-invalid`, `picture-too-large`.
    """
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as exc:
        if "MAX_IMAGE" in _reason(exc):
            raise FrameError(f"the picture has more than {MOST_PIXELS >> 20} megapixels", code=TOO_MANY_PIXELS) from exc
        raise FrameError(f"the picture can't be decoded: {_reason(exc)}", code="jpeg-invalid") from exc
    if bgr is None:
        raise FrameError("it is not a picture, or a damaged one", code="jpeg-invalid")
    return Picture.from_bgr(np.asarray(bgr, np.uint8))


def draw_box(bgr: Bgr, xyxy_px: tuple[float, float, float, float], text: str, colour: tuple[int, int, int]) -> None:
    """Draw a box and its text on `bgr`, in place; `colour` is B, G, R. Text is ASCII: OpenCV's font has no more."""
    left, top, right, bottom = (round(value) for value in xyxy_px)
    thickness = max(1, round(min(bgr.shape[:2]) / 400))
    scale = max(0.4, min(bgr.shape[:2]) / 1400)
    cv2.rectangle(bgr, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)
    (text_w, text_h), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    # Below the box: a person's, his helmet's and his vest's upper edges lie close together, their lower ones don't.
    base = min(bgr.shape[0], bottom + text_h + below)
    cv2.rectangle(bgr, (left, base - text_h - below), (left + text_w, base), colour, cv2.FILLED)
    cv2.putText(bgr, text, (left, base - below // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)


def _resize(source: NDArray[np.uint8], width: int, height: int, into: NDArray[np.uint8]) -> None:
    cv2.resize(source, (width, height), dst=into, interpolation=cv2.INTER_LINEAR)


def _reason(exc: cv2.error) -> str:
    return str(getattr(exc, "err", "") or exc).strip().splitlines()[0]
