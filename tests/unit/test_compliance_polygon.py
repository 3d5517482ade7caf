"""Polygons: inside, depth, share of a box, and what is no polygon; against a plain reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from safetygear_inference.compliance.polygon import Point, area, contains, depth, faults, share_inside

SQUARE: list[Point] = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
# Open to the right: the notch is outside.
NOTCHED: list[Point] = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.4), (0.4, 0.4), (0.4, 0.6), (0.9, 0.6), (0.9, 0.9), (0.1, 0.9)]
WHOLE: list[Point] = [(0, 0), (1, 0), (1, 1), (0, 1)]


@pytest.mark.parametrize(
    ("corners", "point", "inside"),
    [
        (SQUARE, (0.5, 0.5), True),
        (SQUARE, (0.2, 0.5), True),
        (SQUARE, (0.8, 0.8), True),
        (SQUARE, (0.81, 0.5), False),
        (SQUARE, (0.1, 0.2), False),
        (NOTCHED, (0.7, 0.5), False),
        (NOTCHED, (0.7, 0.4), True),
        (NOTCHED, (0.3, 0.5), True),
        (NOTCHED, (0.7, 0.7), True),
        (WHOLE, (0.5, 1.0), True),
        (WHOLE, (1.0, 0.3), True),
        (WHOLE, (0.0, 0.0), True),
    ],
)
def test_inside(corners: list[Point], point: Point, inside: bool) -> None:
    assert contains(corners, point) is inside
    assert contains(corners[::-1], point) is inside, "the direction does not matter"


@pytest.mark.parametrize(
    ("corners", "point", "expected"),
    [
        (SQUARE, (0.5, 0.3), 0.1),
        (SQUARE, (0.5, 0.1), -0.1),
        (SQUARE, (0.2, 0.5), 0.0),
        (SQUARE, (0.1, 0.1), -math.hypot(0.1, 0.1)),
        (NOTCHED, (0.7, 0.5), -0.1),
        (WHOLE, (0.5, 1.0), math.inf),
        ([(0, 0.5), (1, 0.5), (1, 1), (0, 1)], (0.02, 0.9), 0.4),
        ([(0, 0.5), (1, 0.5), (1, 1), (0, 1)], (0.02, 0.4), -0.1),
    ],
)
def test_depth(corners: list[Point], point: Point, expected: float) -> None:
    assert depth(corners, point) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("corners", "code"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "self-intersecting"),
        ([(0, 0), (1, 0), (0.5, 0), (0.5, 1)], "self-intersecting"),
        ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], "self-intersecting"),
        # Two triangles that share a corner.
        ([(0, 0), (0.5, 0.5), (1, 0), (1, 1), (0.5, 0.5), (0, 1)], "self-intersecting"),
        ([(0, 0), (0.5, 0.5), (1, 1)], "self-intersecting"),
        ([(0.1, 0.1), (0.1, 0.1), (0.5, 0.5), (0, 1)], "repeated-corner"),
        ([(0.1, 0.1), (0.5, 0.5), (0, 1), (0.1, 0.1)], "repeated-corner"),
        ([(0, 0), (1, 1)], "out-of-range"),
        ([(0, 0), (1.01, 0), (1, 1)], "out-of-range"),
        ([(0, 0), (float("nan"), 0), (1, 1)], "out-of-range"),
        ([(0.5, 0.5), (0.5001, 0.5), (0.5, 0.5001)], "no-area"),
        ([(math.cos(i) / 2 + 0.5, math.sin(i) / 2 + 0.5) for i in np.linspace(0, 6, 65)], "out-of-range"),
    ],
)
def test_what_is_no_polygon(corners: list[Point], code: str) -> None:
    assert [found for found, _ in faults(corners)] == [code]


@pytest.mark.parametrize("corners", [SQUARE, NOTCHED, WHOLE, [(0, 0), (0.5, 0), (1, 0), (1, 1)]])
def test_what_is_one(corners: list[Point]) -> None:
    assert faults(corners) == [] == faults(corners[::-1])


def test_a_fault_names_where_it_is() -> None:
    assert "corner 2 is (1.5, 0)" in faults([(0, 0), (1.5, 0), (1, 1)])[0][1]
    assert "edges 1-2 and 3-4 cross" in faults([(0, 0), (1, 1), (1, 0), (0, 1)])[0][1]


@pytest.mark.parametrize(
    ("corners", "box", "share"),
    [
        (SQUARE, (0.3, 0.3, 0.5, 0.5), 1),
        (SQUARE, (0.1, 0.3, 0.3, 0.5), 0.5),
        (SQUARE, (0.0, 0.0, 0.1, 0.1), 0),
        (SQUARE, (0.0, 0.0, 1.0, 1.0), 0.36),
        (NOTCHED, (0.4, 0.4, 0.9, 0.6), 0),
        (NOTCHED, (0.6, 0.3, 0.8, 0.7), 0.5),
        (SQUARE, (0.5, 0.5, 0.5, 0.7), 0),
        (SQUARE, (0.7, 0.5, 0.5, 0.7), 0),
        (WHOLE, (-0.5, 0.0, 0.5, 1.0), 0.5),
    ],
)
def test_share_of_a_box(corners: list[Point], box: tuple[float, float, float, float], share: float) -> None:
    assert share_inside(corners, box) == pytest.approx(share)


coordinates = st.integers(0, 40).map(lambda step: step / 40)
points = st.tuples(coordinates, coordinates)


@st.composite
def stars(draw: st.DrawFn) -> list[Point]:
    """Corners around a centre in order of their angle: mostly concave, never crossing."""
    count = draw(st.integers(3, 9))
    radii = draw(st.lists(st.floats(0.05, 0.45), min_size=count, max_size=count))
    turn = draw(st.floats(0, math.tau))
    angles = [turn + math.tau * index / count for index in range(count)]
    return [(0.5 + r * math.cos(a), 0.5 + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def winds_around(corners: list[Point], point: Point) -> bool:
    """The reference: the angles under which the edges are seen add up to a whole turn."""
    turn = 0.0
    for index, start in enumerate(corners):
        end = corners[(index + 1) % len(corners)]
        first = math.atan2(start[1] - point[1], start[0] - point[0])
        second = math.atan2(end[1] - point[1], end[0] - point[0])
        turn += math.remainder(second - first, math.tau)
    return abs(turn) > math.pi


@given(stars(), points)
def test_inside_as_the_reference_says(corners: list[Point], point: Point) -> None:
    assert faults(corners) == []
    assume(abs(depth(corners, point)) > 1e-6)
    assert contains(corners, point) is winds_around(corners, point)


@given(stars(), points, points)
def test_depth_changes_no_faster_than_the_way(corners: list[Point], one: Point, other: Point) -> None:
    assert abs(depth(corners, one) - depth(corners, other)) <= math.dist(one, other) + 1e-9


@given(stars(), points, points)
def test_share_as_counted_on_a_grid(corners: list[Point], one: Point, other: Point) -> None:
    box = (min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1]))
    assume(box[2] - box[0] > 0.1 and box[3] - box[1] > 0.1)
    steps = (np.arange(30) + 0.5) / 30
    grid = [(box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])) for x in steps for y in steps]
    counted = sum(contains(corners, point) for point in grid) / len(grid)
    assert share_inside(corners, box) == pytest.approx(counted, abs=0.07)


@given(st.lists(points, min_size=3, max_size=7))
def test_what_is_taken_has_the_area_its_grid_has(corners: list[Point]) -> None:
    if faults(corners):
        return
    steps = (np.arange(40) + 0.5) / 40
    counted = sum(winds_around(corners, (float(x), float(y))) for x in steps for y in steps) / 1600
    assert area(corners) == pytest.approx(counted, abs=0.1)


@given(st.lists(points, min_size=4, max_size=7, unique=True))
def test_crossing_as_the_reference_says(corners: list[Point]) -> None:
    """The reference: proper crossings by solving for the meeting point of each pair of edges."""
    count = len(corners)
    crosses = False
    for i in range(count):
        for j in range(i + 2, count):
            if (i, j) == (0, count - 1):
                continue
            a, b, c, d = corners[i], corners[i + 1], corners[j], corners[(j + 1) % count]
            matrix = np.array([[b[0] - a[0], c[0] - d[0]], [b[1] - a[1], c[1] - d[1]]])
            if abs(np.linalg.det(matrix)) < 1e-9:
                continue
            t, u = np.linalg.solve(matrix, np.array([c[0] - a[0], c[1] - a[1]]))
            crosses = crosses or (1e-9 < t < 1 - 1e-9 and 1e-9 < u < 1 - 1e-9)
    if crosses:
        assert [code for code, _ in faults(corners)] == ["self-intersecting"]
