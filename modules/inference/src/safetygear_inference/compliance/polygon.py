"""Polygons in 0..1 of the camera's full picture: inside, distance to the edge, share of a box, and what is wrong.

A polygon is a sequence of corners (x, y), closed by itself; its edge counts as inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max."""

MIN_CORNERS: Final = 3
MAX_CORNERS: Final = 64
MIN_AREA: Final = 1e-6
"""Of the picture: less than two pixels of a full HD one."""
_ON_EDGE: Final = 1e-9
_TINY: Final = 1e-300


def faults(corners: Sequence[Point]) -> list[tuple[str, str]]:
    """(code, message) of what makes `corners` no polygon, the first fault only; empty where it is one."""
    for number, (x, y) in enumerate(corners, 1):
        if not (0 <= x <= 1 and 0 <= y <= 1):
            return [("out-of-range", f"corner {number} is ({x:g}, {y:g}): x and y are 0 to 1 of the picture")]
    if not MIN_CORNERS <= len(corners) <= MAX_CORNERS:
        return [("out-of-range", f"has {len(corners)} corners: must be {MIN_CORNERS} to {MAX_CORNERS}")]
    edges = list(pairwise([*corners, corners[0]]))
    for number, (start, end) in enumerate(edges, 1):
        if start == end:
            return [("repeated-corner", f"corners {number} and {number % len(corners) + 1} are the same point")]
    for first in range(len(edges)):
        for second in range(first + 1, len(edges)):
            if _clash(edges, first, second):
                a, b = (f"{index + 1}-{(index + 1) % len(corners) + 1}" for index in (first, second))
                return [("self-intersecting", f"its edges {a} and {b} cross or touch: give the corners in their order")]
    if area(corners) < MIN_AREA:
        return [("no-area", "encloses no area")]
    return []


def area(corners: Sequence[Point]) -> float:
    """Of the picture, 0..1."""
    return abs(_signed_area(corners))


def contains(corners: Sequence[Point], point: Point) -> bool:
    """Whether `point` is inside or on the edge."""
    return depth(corners, point) >= 0


def depth(corners: Sequence[Point], point: Point) -> float:
    """Distance of `point` to the nearest edge: positive inside, 0 on the edge, negative outside.

    From inside, the picture's own border is no edge: nobody can be beyond it. A polygon that is the whole picture has
    an infinite depth.
    """
    return float(depths(np.asarray(corners, np.float64), np.asarray([point], np.float64))[0])


def depths(corners: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """`depth` of many points (n, 2) in the polygon with the corners (m, 2): (n,)."""
    ends = np.roll(corners, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    (x0, y0), (x1, y1) = corners.T, ends.T
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / np.maximum(dx * dx + dy * dy, _TINY), 0, 1)
    distances = np.hypot(x - (x0 + along * dx), y - (y0 + along * dy))
    # A level edge is crossed by no level line; its quotient is not looked at.
    crossing = (y0 > y) != (y1 > y)
    meets_at = x0 + (y - y0) / np.where(dy == 0, 1, dy) * dx
    inside = (crossing & (x < meets_at)).sum(axis=1) % 2 == 1
    nearest = distances.min(axis=1)
    border = ((dx == 0) & ((x0 == 0) | (x0 == 1))) | ((dy == 0) & ((y0 == 0) | (y0 == 1)))
    within = np.where(border, np.inf, distances).min(axis=1)
    return np.asarray(np.where(inside | (nearest <= _ON_EDGE), within, -nearest), np.float64)


def share_inside(corners: Sequence[Point], box: Rectangle) -> float:
    """The part of `box`'s area that lies in the polygon, 0..1; 0 for a box without area."""
    left, top, right, bottom = box
    whole = (right - left) * (bottom - top)
    if right <= left or bottom <= top or whole <= 0:
        return 0.0
    # Sutherland-Hodgman: cutting a concave polygon leaves edges that run forth and back, which enclose nothing.
    rest = list(corners)
    for axis, limit, keeps_above in ((0, left, True), (0, right, False), (1, top, True), (1, bottom, False)):
        rest = _cut(rest, axis, limit, keeps_above)
        if not rest:
            return 0.0
    return min(1.0, area(rest) / whole)


def _signed_area(corners: Sequence[Point]) -> float:
    return math.fsum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]])) / 2


def _cut(corners: list[Point], axis: int, limit: float, keeps_above: bool) -> list[Point]:
    """The part of the polygon on one side of a line across `axis`."""
    kept: list[Point] = []
    if not corners:
        return kept
    for start, end in pairwise([*corners, corners[0]]):
        start_in = start[axis] >= limit if keeps_above else start[axis] <= limit
        end_in = end[axis] >= limit if keeps_above else end[axis] <= limit
        if start_in:
            kept.append(start)
        if start_in != end_in:
            along = (limit - start[axis]) / (end[axis] - start[axis])
            other = start[1 - axis] + along * (end[1 - axis] - start[1 - axis])
            kept.append((limit, other) if axis == 0 else (other, limit))
    return kept


def _clash(edges: Sequence[tuple[Point, Point]], first: int, second: int) -> bool:
    """Whether two edges share more than the corner that neighbours have in common."""
    (a, b), (c, d) = edges[first], edges[second]
    if second == first + 1:
        return _side(a, b, d) == 0 and _between(b, a, d)
    if first == 0 and second == len(edges) - 1:
        return _side(a, b, c) == 0 and _between(a, b, c)
    sides = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    touching = ((sides[0], a, b, c), (sides[1], a, b, d), (sides[2], c, d, a), (sides[3], c, d, b))
    return any(side == 0 and _on_segment(start, end, point) for side, start, end, point in touching)


def _between(corner: Point, end: Point, other: Point) -> bool:
    """Whether two edges on one line leave their common corner to the same side."""
    return (end[0] - corner[0]) * (other[0] - corner[0]) + (end[1] - corner[1]) * (other[1] - corner[1]) > 0


def _on_segment(start: Point, end: Point, point: Point) -> bool:
    """Whether a point on the line through `start` and `end` is between them."""
    return min(start[0], end[0]) <= point[0] <= max(start[0], end[0]) and min(start[1], end[1]) <= point[1] <= max(
        start[1], end[1]
    )


def _side(a: Point, b: Point, c: Point) -> int:
    """1 where a, b, c turn left, -1 right, 0 on one line; exact."""
    turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if abs(turn) > 1e-12:  # far above the rounding of numbers in 0..1
        return 1 if turn > 0 else -1
    ax, ay, bx, by, cx, cy = (Fraction(value) for value in (*a, *b, *c))
    exact = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    return (exact > 0) - (exact < 0)
