"""Which frames are handed over: the analysed rate on average, each as soon as it is there, no camera with another."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_capture.sampler import TOLERANCE, Sampler, phase_of


def taken(sampler: Sampler, times_s: list[float]) -> list[float]:
    return [time_s for time_s in times_s if sampler.due(time_s)]


@pytest.mark.parametrize(("camera_fps", "analysed_fps"), [(25, 5), (15, 5), (10, 5), (30, 7.5), (12.5, 5), (25, 25)])
@pytest.mark.parametrize("phase", [0.0, 0.31, 0.99])
def test_the_rate_is_kept_for_any_camera_rate_and_phase(camera_fps: float, analysed_fps: float, phase: float) -> None:
    times_s = [1000 + number / camera_fps for number in range(int(60 * camera_fps))]
    assert len(taken(Sampler(analysed_fps, phase), times_s)) == pytest.approx(60 * analysed_fps, abs=2)


def test_a_camera_slower_than_the_analysed_rate_gives_every_frame() -> None:
    times_s = [1000 + number / 2 for number in range(50)]
    assert taken(Sampler(5, 0.4), times_s) == times_s


@given(st.lists(st.floats(0, 0.02), min_size=100, max_size=100), st.floats(0, 1))
def test_jitter_does_not_change_the_rate(jitter_s: list[float], phase: float) -> None:
    times_s = [1000 + number / 15 + late_s for number, late_s in enumerate(jitter_s)]
    assert len(taken(Sampler(5, phase), times_s)) == pytest.approx(100 / 3, abs=2)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.floats(0.5, 30), st.floats(0, 1))
def test_never_more_than_one_per_interval_and_never_a_gap_while_frames_come(
    pauses_s: list[float], fps: float, phase: float
) -> None:
    now_s, times_s = 1000.0, []
    for pause_s in pauses_s:
        now_s += pause_s
        times_s.append(now_s)
    found = taken(Sampler(fps, phase), times_s)
    assert found[0] == times_s[0], "the first is always taken"
    for first, third in zip(found, found[2:], strict=False):
        assert third - first >= (1 - 2 * TOLERANCE) / fps - 1e-6, "two neighbours may be close, on a grid three may not"
    for before, after in itertools.pairwise(times_s):
        if after - before >= 1 / fps + 1e-6:
            assert after in found


def test_phases_are_spread_and_the_same_after_a_restart() -> None:
    phases = [phase_of(f"camera-{number}") for number in range(40)]
    assert phases == [phase_of(f"camera-{number}") for number in range(40)]
    assert all(0 <= phase < 1 for phase in phases)
    assert {int(4 * phase) for phase in phases} == {0, 1, 2, 3}
