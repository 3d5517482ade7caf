"""A part of a picture: the same pixels as in the whole, in each pixel format, without a copy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_inference.picture import Picture
from safetygear_inference.pixels import to_bgr


def picture(pixel_format: str, width: int, height: int) -> Picture:
    draw = np.random.default_rng(width * height)
    half_w, half_h = (width + 1) // 2, (height + 1) // 2
    # Chroma without detail: where a resize takes its neighbours from is not what is asked here.
    luma = draw.integers(16, 236, (height, width), np.uint8)
    if pixel_format == "i420":
        planes = (luma, np.full((half_h, half_w), 90, np.uint8), np.full((half_h, half_w), 160, np.uint8))
    elif pixel_format == "nv12":
        planes = (luma, np.tile(np.array([90, 160], np.uint8), (half_h, half_w)))
    else:
        planes = (draw.integers(0, 256, (height, width, 3), np.uint8),)
    return Picture(planes, width, height, pixel_format)  # type: ignore[arg-type]  # one of the three


@pytest.mark.parametrize("pixel_format", ["i420", "nv12", "bgr"])
@given(st.integers(1, 20), st.integers(1, 15), st.integers(0, 9), st.integers(0, 7))
def test_a_part_shows_what_the_whole_shows_there(
    pixel_format: str, width: int, height: int, left: int, top: int
) -> None:
    whole = picture(pixel_format, 41, 31)
    left, top = 2 * left, 2 * top
    part = whole.part(left, top, left + width, top + height)
    assert (part.width, part.height) == (width, height)
    assert np.shares_memory(part.planes[0], whole.planes[0])
    assert (part.planes[0] == whole.planes[0][top : top + height, left : left + width]).all()
    shown, expected = to_bgr(part), to_bgr(whole)[top : top + height, left : left + width]
    assert np.abs(shown.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("box", [(1, 0, 9, 9), (0, 3, 9, 9), (0, 0, 42, 9), (0, 0, 9, 32), (8, 0, 8, 9), (-2, 0, 9, 9)])
def test_what_is_no_part_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="part"):
        picture("i420", 41, 31).part(*box)
