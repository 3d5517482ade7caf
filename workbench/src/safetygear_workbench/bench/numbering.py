"""Frame numbers that are burnt into a picture, so that a detector can read them and a message can tell them. Pure.

A row of squares near the lower edge: one that is always white, the number's bits (least first), an even parity. A side
is a fortieth of the picture's width, 16 px at 640: wide enough for any bitrate and any size a detector is fed with.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

BITS = 15
SQUARES = BITS + 2
"""Mark, bits, parity."""
SQUARES_PER_WIDTH = 40
LABELS = ("number-mark", *(f"number-bit-{bit}" for bit in range(BITS)), "number-parity")
"""A square's label where it is white."""
BLACK, WHITE = 16, 235
"""Video range."""


def square_px(width_px: int) -> int:
    """A square's side."""
    return width_px // SQUARES_PER_WIDTH


def square_xyxy_px(square: int, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Where a square lies: left, top, right, bottom."""
    side = square_px(width_px)
    left = (2 + square) * side
    return left, height_px - 2 * side, left + side, height_px - side


def squares_of(number: int) -> list[bool]:
    """Which squares are white. Raises ValueError for a number that does not fit."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"{number} does not fit {BITS} bits")
    bits = [bool(number >> bit & 1) for bit in range(BITS)]
    return [True, *bits, sum(bits) % 2 == 1]


def stamp(luma: NDArray[np.uint8], number: int) -> None:
    """Burn `number` into a Y plane, (height, width) uint8, in place."""
    height_px, width_px = luma.shape
    for square, white in enumerate(squares_of(number)):
        left, top, right, bottom = square_xyxy_px(square, width_px, height_px)
        luma[top:bottom, left:right] = WHITE if white else BLACK


def number_in(labels: Iterable[str]) -> int | None:
    """The number that a message's labels tell; None where it was not read, or the parity is wrong."""
    seen = set(labels)
    if LABELS[0] not in seen:
        return None
    bits = [label in seen for label in LABELS[1:-1]]
    if (sum(bits) % 2 == 1) != (LABELS[-1] in seen):
        return None
    return sum(1 << bit for bit, white in enumerate(bits) if white)
