"""Squares of a picture as the network takes them: resized to its side, what lies outside of the picture in grey."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safetygear_inference.picture import Picture
from safetygear_inference.pixels import BgrScaler

PAD_GREY = 114


def crops(picture: Picture, squares_px: Sequence[tuple[float, float, float]], side_px: int) -> NDArray[np.uint8]:
    """(n, side_px, side_px, 3) BGR uint8 of squares (centre x, centre y, side in px of the picture).

    A square is widened to even pixels, because colour is stored for two by two of them: by 2 px a side at most. Raises
    ValueError where one has no part in the picture.
    """
    tiles = np.full((len(squares_px), side_px, side_px, 3), PAD_GREY, np.uint8)
    for tile, (x, y, side) in zip(tiles, squares_px, strict=True):
        left, top = (math.floor((at - side / 2) / 2) * 2 for at in (x, y))
        length = math.ceil(side / 2) * 2
        right, bottom = left + length, top + length
        inside = max(0, left), max(0, top), min(picture.width, right), min(picture.height, bottom)
        part = picture.part(*inside)
        scale = side_px / length
        into = [round((at - start) * scale) for at, start in zip(inside, (left, top, left, top), strict=True)]
        width, height = max(1, into[2] - into[0]), max(1, into[3] - into[1])
        column, row = min(into[0], side_px - width), min(into[1], side_px - height)
        BgrScaler(width, height).scale(part, tile[row : row + height, column : column + width])
    return tiles
