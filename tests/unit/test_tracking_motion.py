"""Where people are expected, how sure that is, and which box is whose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_inference.tracking.assignment import assign, costs
from safetygear_inference.tracking.motion import KEEPS_COURSE_S, SPEED_PER_S, Motion, whole

ASPECT = 16 / 9
PERSON = [0.5, 0.4, 0.6, 0.7]


def floats(*rows: list[float]) -> np.ndarray:  # type: ignore[type-arg]  # (n, 4) float64
    return np.array(rows, np.float64).reshape(-1, 4)


def person(way: float = 0.0, scale: float = 1.0) -> np.ndarray:  # type: ignore[type-arg]  # (1, 4) float64
    """PERSON, `way` farther right."""
    return (floats(PERSON) + np.array([way, 0, way, 0])) * scale


def walking(speed: float, *, seen: int = 10, fps: float = 10.0) -> Motion:
    """Somebody seen `seen` times, going right with `speed` (heights of the picture a second)."""
    motion = Motion.of(person())
    for step in range(1, seen):
        motion.advance(1 / fps)
        motion.see(np.array([0]), person(speed * step / fps), np.array([1 / fps]))
    return motion


@given(st.lists(st.floats(0, 3), min_size=1, max_size=8))
def test_a_gap_is_the_same_in_one_step_or_in_many(gaps_s: list[float]) -> None:
    once, often = walking(0.2), walking(0.2)
    once.advance(sum(gaps_s))
    for gap_s in gaps_s:
        often.advance(gap_s)
    for name, value in vars(once).items():
        np.testing.assert_allclose(getattr(often, name), value, rtol=1e-9, atol=1e-12)


def test_a_walk_is_continued_at_its_speed_and_in_the_long_run_nobody_is_believed_to_go_on() -> None:
    motion = walking(0.2)
    assert motion.velocity[0] == pytest.approx([0.2, 0], abs=0.04)
    assert motion.velocity_var[0] < (SPEED_PER_S * 0.3 / 2) ** 2
    before = motion.place[0, 0]
    motion.advance(0.5)
    assert motion.place[0, 0] - before == pytest.approx(0.1, abs=0.03)
    motion.advance(10 * KEEPS_COURSE_S)
    assert motion.velocity[0] == pytest.approx([0, 0], abs=1e-3)
    assert motion.velocity_var[0] == pytest.approx((SPEED_PER_S * 0.3) ** 2, rel=1e-3)


def test_uncertainty_grows_with_the_gap_and_shrinks_when_the_person_is_seen() -> None:
    motion, spread = walking(0.0), []
    for _ in range(5):
        spread.append(float(motion.place_var[0]))
        motion.advance(0.5)
    assert spread == sorted(spread)
    assert spread[-1] > 100 * spread[0]
    motion.see(np.array([0]), person(), np.array([2.5]))
    assert motion.place_var[0] < 4 * spread[0]


def test_far_people_are_as_near_people_at_a_smaller_scale() -> None:
    near, far = Motion.of(person()), Motion.of(person(scale=0.25))
    for motion in (near, far):
        motion.advance(0.5)
    near_cost = costs(near, np.array([0.5]), person(0.1), ASPECT)
    far_cost = costs(far, np.array([0.5]), person(0.1, 0.25), ASPECT)
    np.testing.assert_allclose(near_cost, far_cost)


@pytest.mark.parametrize(
    ("box", "continued"),
    [
        (PERSON, PERSON),
        ([0.0, 0.4, 0.04, 0.7], [-0.08, 0.4, 0.04, 0.7]),
        ([1.70, 0.4, ASPECT, 0.7], [1.70, 0.4, 1.82, 0.7]),
        ([0.5, 0.9, 0.62, 1.0], [0.5, 0.9, 0.62, 1.2]),
        ([0.5, 0.0, 0.62, 0.1], [0.5, -0.2, 0.62, 0.1]),
        ([0.0, 0.4, 0.2, 0.7], [0.0, 0.4, 0.2, 0.7]),
        ([0.0, 0.9, 0.04, 1.0], [-0.08, 0.9, 0.04, 1.2]),
    ],
)
def test_what_the_edge_cuts_is_continued_beyond_it(box: list[float], continued: list[float]) -> None:
    np.testing.assert_allclose(whole(floats(box), np.array([[0.12, 0.3]]), ASPECT), floats(continued), atol=1e-9)


def test_who_was_only_seen_cut_is_taken_to_be_as_wide_as_people_are() -> None:
    box = floats([0.0, 0.4, 0.02, 0.7])
    np.testing.assert_allclose(whole(box, np.array([[0.02, 0.3]]), ASPECT), floats([-0.07, 0.4, 0.02, 0.7]))


@pytest.mark.parametrize(
    ("offset", "gap_s", "possible"),
    [(0.1, 0.1, True), (1.0, 0.1, False), (1.0, 0.5, True), (3.0, 0.5, False), (3.0, 3.0, True), (9.0, 3.0, False)],
)
def test_how_far_a_person_may_be_grows_with_the_gap(offset: float, gap_s: float, possible: bool) -> None:
    """`offset` in heights of the person."""
    motion = Motion.of(person())
    motion.advance(gap_s)
    cost = costs(motion, np.array([gap_s]), person(offset * 0.3), ASPECT)
    assert bool(np.isfinite(cost[0, 0])) == possible


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        # Equally wide, and half as wide: the overlap tells.
        ([0.5, 0.4, 0.6, 0.7], [0.525, 0.4, 0.575, 0.7]),
        # Half as wide, and half as high: the overlaps are equal, and arms move but people do not shrink.
        ([0.525, 0.4, 0.575, 0.7], [0.5, 0.4, 0.6, 0.55]),
        # Nearer.
        ([0.51, 0.4, 0.61, 0.7], [0.53, 0.4, 0.63, 0.7]),
    ],
)
def test_of_two_boxes_one_fits_better(better: list[float], worse: list[float]) -> None:
    motion = Motion.of(person())
    motion.advance(0.2)
    fits = costs(motion, np.array([0.2]), floats(better, worse), ASPECT)[0]
    assert fits[0] < fits[1] - 0.1


def test_the_expected_size_follows_the_boxes_and_not_at_once() -> None:
    motion, sizes = Motion.of(person()), []
    for _ in range(20):
        motion.advance(0.2)
        motion.see(np.array([0]), floats([0.5, 0.4, 0.7, 1.0]), np.array([0.2]))
        sizes.append(motion.size[0].tolist())
    assert 0.11 < sizes[0][0] < 0.19
    assert sizes[-1] == pytest.approx([0.2, 0.6], rel=1e-3)
    np.testing.assert_allclose(motion.boxes(), floats([0.5, 0.4, 0.7, 1.0]), atol=1e-2)


@pytest.mark.parametrize(
    ("cost", "pairs"),
    [
        ([[1.0, 2.0], [2.0, 9.0]], [(0, 1), (1, 0)]),
        ([[1.0, 4.0], [np.inf, np.inf]], [(0, 0)]),
        ([[4.9, 5.0]], [(0, 0)]),
        ([[5.0, np.inf]], []),
        # Two good pairs are better than the best one alone.
        ([[0.0, 2.0], [2.0, np.inf]], [(0, 1), (1, 0)]),
        # And a very good one alone is better than two bad ones.
        ([[0.0, 4.0], [4.0, np.inf]], [(0, 0)]),
        ([[-3.0], [-5.0], [1.0]], [(1, 0)]),
    ],
)
def test_the_pairs_of_least_cost_are_chosen_and_none_at_the_limit(
    cost: list[list[float]], pairs: list[tuple[int, int]]
) -> None:
    rows, columns = assign(np.array(cost), max_cost=5.0)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_or_nothing_gives_no_pairs(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape), max_cost=5.0)
    assert (len(rows), len(columns)) == (0, 0)
