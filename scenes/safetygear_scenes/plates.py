"""A frame out of a still background and small pictures of people, shadows included. Linear light.

The yard is rendered twice: once with its costly ground, once with a plain one. A rectangle with people is rendered over
the plain ground; shadow is its quotient with the plain plate, and goes onto the costly one.
"""

from __future__ import annotations

import numpy as np

from safetygear_scenes.pictures import Coverage, Picture

_FEATHER_PX = 6
_LUMINANCE = np.array([0.25, 0.6, 0.15], np.float32)


def compose(
    people: Picture, cover: Coverage, plain: Picture, detailed: Picture, open_edges: tuple[bool, bool, bool, bool]
) -> Picture:
    """All of one rectangle's size. `cover`: how far people cover each pixel. `open_edges`: left, top, right, bottom,
    whether the picture goes on there, so that shadows have to fade out."""
    ratio: Picture = np.clip(people / np.maximum(plain, 1e-3), 0, 1.02)
    free = (cover < 0.01).astype(np.float32)[..., None]
    # Under people the shadow is filled in from around them.
    total, weight = _blurred(ratio * free, 2), _blurred(free, 2)
    filled = np.where(weight > 0.04, total / np.maximum(weight, 0.04), 1.0)
    ratio = filled * (1 - free) + ratio * free
    # Small differences are noise, not shadow.
    keep = np.clip((1 - ratio @ _LUMINANCE - 0.03) / 0.06, 0, 1)
    keep = (keep * keep * (3 - 2 * keep) * _feather(cover.shape, open_edges))[..., None]
    ratio = (1 - keep) + ratio * keep
    share = cover[..., None]
    found = np.where(share < 0.01, detailed * ratio, people + (1 - share) * (detailed - plain) * ratio)
    return np.asarray(np.maximum(found, 0), np.float32)


def _feather(shape: tuple[int, ...], open_edges: tuple[bool, bool, bool, bool]) -> Coverage:
    height, width = shape
    rows, columns = np.arange(height), np.arange(width)
    left, top, right, bottom = (0 if is_open else 10**6 for is_open in open_edges)
    aside = np.minimum(columns + left, columns[::-1] + right)
    above = np.minimum(rows + top, rows[::-1] + bottom)
    return np.clip(np.minimum(above[:, None], aside[None]) / _FEATHER_PX, 0, 1).astype(np.float32)


def _blurred(values: Picture, radius_px: int) -> Picture:
    """A box blur along both axes, twice."""
    for axis in (0, 1, 0, 1):
        ends = [(0, 0)] * values.ndim
        ends[axis] = (radius_px + 1, radius_px)
        total = np.cumsum(np.pad(values, ends, mode="edge"), axis, dtype=np.float64)
        length, window = values.shape[axis], 2 * radius_px + 1
        upper, lower = total.take(range(window, window + length), axis), total.take(range(length), axis)
        values = ((upper - lower) / window).astype(np.float32)
    return values
