"""Dark and blurred pictures are told from good ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear_inference.config import VisibilityConfig
from safetygear_inference.visibility import measure

LIMITS = VisibilityConfig()


def scene(height: int = 360, width: int = 640) -> NDArray[np.uint8]:
    """Edges and grain, like a site in daylight."""
    noise = np.random.default_rng(1).normal(0, 2, (height, width))
    blocks = np.kron(np.random.default_rng(2).integers(60, 190, (height // 8, width // 8)), np.ones((8, 8)))
    return np.clip(blocks + noise, 0, 255).astype(np.uint8)


def soft(luma: NDArray[np.uint8], times: int = 40) -> NDArray[np.uint8]:
    smooth = luma.astype(np.float32)
    for axis in (0, 1) * times:
        smooth = (np.roll(smooth, 1, axis) + 2 * smooth + np.roll(smooth, -1, axis)) / 4
    return smooth.astype(np.uint8)


@pytest.mark.parametrize(
    ("luma", "dark", "blurred"),
    [
        (scene(), False, False),
        (soft(scene()), False, True),
        ((scene() * 0.1 + 14).astype(np.uint8), True, False),
        (np.full((360, 640), 16, np.uint8), True, False),
        (np.full((360, 640), 128, np.uint8), False, True),
        (np.full((2, 2), 128, np.uint8), False, True),
    ],
    ids=["good", "soft", "night", "black", "grey", "tiny"],
)
def test_what_a_picture_is_called(luma: NDArray[np.uint8], dark: bool, blurred: bool) -> None:
    visibility = measure(luma)
    assert visibility.dark(LIMITS.dark_below) is dark
    assert visibility.blurred(LIMITS.blurred_below, dark_below=LIMITS.dark_below) is blurred


def test_rows_may_be_strided() -> None:
    padded = np.zeros((360, 704), np.uint8)
    padded[:, :640] = scene()
    assert measure(padded[:, :640]) == measure(scene())
