"""What grows is told from what goes up and down."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear_workbench.bench.creep import LEAST_BLOCKS, creep


def wandering(seed: int, likeness: float, count: int = 600) -> NDArray[np.float64]:
    """Noise of deviation about 1 whose neighbours correlate by `likeness`, once a second."""
    random, value, values = np.random.default_rng(seed), 0.0, []
    for step in random.normal(0, 1, count):
        value = likeness * value + step * (1 - likeness**2) ** 0.5
        values.append(value)
    return np.array(values)


AT_S = np.arange(600.0)


@pytest.mark.parametrize(("likeness", "most"), [(0.0, 0.09), (0.9, 0.12), (0.98, 0.30)])
def test_noise_is_seldom_taken_for_growth(likeness: float, most: float) -> None:
    """Of 200 runs of ten minutes; 5 % is what the interval promises for noise without memory."""
    found = [creep(list(AT_S), list(50 + wandering(seed, likeness))) for seed in range(200)]
    assert sum(one is not None and one.is_distinguishable for one in found) / 200 <= most


@pytest.mark.parametrize("per_minute", [0.5, -0.5, 3.0])
def test_growth_is_found_in_noise(per_minute: float) -> None:
    found = creep(list(AT_S), list(50 + per_minute * AT_S / 60 + wandering(7, 0.5)))
    assert found is not None
    assert found.is_distinguishable
    assert found.per_minute == pytest.approx(per_minute, abs=found.give_or_take)


def test_a_few_wild_values_do_not_make_growth() -> None:
    values = 50 + wandering(3, 0.0)
    values[590:595] += 5000
    found = creep(list(AT_S), list(values))
    assert found is not None
    assert abs(found.per_minute) < 0.2


def test_a_level_line_is_level() -> None:
    found = creep(list(AT_S), [42.0] * 600)
    assert found is not None
    assert (found.per_minute, found.give_or_take, found.is_distinguishable) == (0.0, 0.0, False)


def test_a_straight_line_without_noise_is_growth() -> None:
    found = creep(list(AT_S), list(AT_S))
    assert found is not None
    assert found.is_distinguishable
    assert found.as_json()["per_minute"] == pytest.approx(60)


@pytest.mark.parametrize("at_s", [[], [1.0], [1.0, 1.0, 1.0], [float(at) for at in range(LEAST_BLOCKS - 1)]])
def test_too_little_says_nothing(at_s: list[float]) -> None:
    assert creep(at_s, [1.0] * len(at_s)) is None


def test_times_belong_to_values() -> None:
    with pytest.raises(ValueError, match="2 times for 1 values"):
        creep([1, 2], [1])
