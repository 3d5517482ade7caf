"""Pictures that tests make or take from the site scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from safetygear_inference.picture import Picture
from support import site_scene


def yuv_of(bgr: tuple[int, int, int]) -> tuple[int, int, int]:
    """BT.601, video range, by the standard's formula."""
    blue, green, red = (value / 255 for value in bgr)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )


def plain(
    width: int, height: int, bgr: tuple[int, int, int], pixel_format: Literal["i420", "nv12", "bgr"] = "i420"
) -> Picture:
    """A picture of one colour."""
    if pixel_format == "bgr":
        return Picture.from_bgr(np.full((height, width, 3), bgr, np.uint8))
    y, u, v = yuv_of(bgr)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    luma = np.full((height, width), y, np.uint8)
    if pixel_format == "i420":
        return Picture((luma, np.full(chroma, u, np.uint8), np.full(chroma, v, np.uint8)), width, height, "i420")
    pairs = np.empty((*chroma, 2), np.uint8)
    pairs[..., 0], pairs[..., 1] = u, v
    return Picture((luma, pairs.reshape(chroma[0], -1)), width, height, "nv12")


def with_white_box(picture: Picture, xyxy_px: tuple[int, int, int, int]) -> Picture:
    """`picture`, which must be grey, with a white rectangle; even coordinates."""
    left, top, right, bottom = xyxy_px
    first = picture.planes[0].copy()
    first[top:bottom, left:right] = 255 if picture.pixel_format == "bgr" else 235
    return Picture((first, *picture.planes[1:]), picture.width, picture.height, picture.pixel_format)


def scene_frames(numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
    """Those frames of the site scene, as the decoder gives them: I420 with padded rows."""
    with av.open(str(site_scene.CLIP)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                yield number, Picture(tuple(map(plane_view, frame.planes)), frame.width, frame.height, "i420")
            if number >= max(numbers):
                return


def plane_view(plane: Any) -> NDArray[np.uint8]:
    """The used part of a decoded plane."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
