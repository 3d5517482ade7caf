"""Seconds watched and blind add up; counters survive a restart of capture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.messages.frames import CamerasMessage, CameraState, CameraStatus
from safetygear.messages.health import BudgetHealth, CameraHealth
from safetygear_inference.coverage import Coverage, percentiles
from safetygear_inference.health import HealthPeriods


def cameras(
    *, started_at: str = "2026-11-24T08:00:00.000Z", names: tuple[str, ...] = ("cam",), decoded: int = 0,
    frozen_s: float = 0.0, dropped: dict[str, int] | None = None, instance: str = "",
    state: CameraState = "streaming", reason: str = "ok",
) -> CamerasMessage:  # fmt: skip
    status = [
        CameraStatus(
            camera=name, state=state, reason=reason, since=started_at, stall_budget_s=10, frames_decoded=decoded,
            frames_sent=0, dropped=dropped or {}, decoded_fps=25, seconds_frozen=frozen_s,
        )
        for name in names
    ]  # fmt: skip
    return CamerasMessage(shard="default", instance=instance, sent_at=started_at, started_at=started_at, cameras=status)


def analysed(coverage: Coverage, now_s: float, *, dark: bool = False, blurred: bool = False) -> None:
    coverage.analysed("cam", "default", dark=dark, blurred=blurred, latency_ms=50.0, now_s=now_s)


def only(healths: list[CameraHealth]) -> CameraHealth:
    assert len(healths) == 1
    return healths[0]


def test_a_steady_camera_is_watched_throughout() -> None:
    coverage = Coverage(0.0)
    for tick in range(300):
        analysed(coverage, tick * 0.2)
    health = only(coverage.close_period(60.0))
    assert (health.seconds_watched, health.seconds_blind, health.analysed) == (60.0, 0.0, 300)


def test_no_camera_is_blind_for_less_than_nothing() -> None:
    coverage = Coverage(0.0)
    for tick in range(52):
        analysed(coverage, tick * 0.2)
    assert str(only(coverage.close_period(10.0006)).seconds_blind) == "0.0", "not -0.0"


def test_a_gap_is_blind_but_for_what_the_last_picture_covers() -> None:
    coverage = Coverage(0.0)
    analysed(coverage, 0.0)
    analysed(coverage, 30.0)
    analysed(coverage, 31.0)
    health = only(coverage.close_period(60.0))
    assert (health.seconds_watched, health.seconds_blind) == (2.0 + 1.0 + 2.0, 55.0)


def test_a_period_goes_on_where_the_last_one_ended() -> None:
    coverage = Coverage(0.0)
    analysed(coverage, 59.5)
    assert only(coverage.close_period(60.0)).seconds_watched == 0.5
    assert only(coverage.close_period(120.0)).seconds_watched == 1.5


def test_dark_and_blurred_are_parts_of_watched() -> None:
    coverage = Coverage(0.0)
    analysed(coverage, 0.0, dark=True)
    analysed(coverage, 1.0, blurred=True)
    analysed(coverage, 1.5)
    health = only(coverage.close_period(10.0))
    assert (health.seconds_dark, health.seconds_blurred, health.seconds_watched) == (1.0, 0.5, 3.5)


def test_a_frozen_dark_picture_is_no_dark_time() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(frozen_s=0.0), 0.0)
    for tick in range(50):
        analysed(coverage, tick * 0.2, dark=True)
    coverage.cameras(cameras(frozen_s=10.0), 10.0)
    health = only(coverage.close_period(10.0))
    assert (health.seconds_watched, health.seconds_dark) == (0.0, 0.0)


def test_a_frozen_picture_watches_nothing() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(frozen_s=100.0), 0.0)
    for tick in range(50):
        analysed(coverage, tick * 0.2)
    coverage.cameras(cameras(frozen_s=104.0), 10.0)
    health = only(coverage.close_period(10.0))
    assert (health.seconds_frozen, health.seconds_watched, health.seconds_blind) == (4.0, 6.0, 4.0)


def test_frozen_time_that_was_not_covered_anyway_is_not_taken_twice() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(frozen_s=0.0), 0.0)
    for tick in range(140):
        analysed(coverage, tick * 0.2)
    coverage.cameras(cameras(frozen_s=29.0), 59.0)
    health = only(coverage.close_period(60.0))
    assert (health.seconds_frozen, health.seconds_watched, health.seconds_blind) == (29.0, 29.8, 30.2)


def test_a_picture_that_was_found_frozen_takes_back_what_an_earlier_period_counted() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(frozen_s=0.0), 0.0)
    for tick in range(100):
        analysed(coverage, tick * 0.2)
    assert only(coverage.close_period(20.0)).seconds_watched == 20.0
    for tick in range(100, 150):
        analysed(coverage, tick * 0.2)
    coverage.cameras(cameras(frozen_s=15.0), 30.0)
    for tick in range(150, 200):
        analysed(coverage, tick * 0.2)
    assert only(coverage.close_period(40.0)).seconds_watched == pytest.approx(20.0 - 15.0)


def test_frames_that_need_no_analysis_cover_as_much() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(), 0.0)
    for tick in range(50):
        gated = tick % 25 != 0
        if gated:
            coverage.gated("cam", "default", dark=tick >= 25, blurred=False, now_s=tick * 0.2)
        else:
            analysed(coverage, tick * 0.2)
    health = only(coverage.close_period(30.0))
    assert (health.analysed, health.gated) == (2, 48)
    assert (health.seconds_watched, health.seconds_blind) == pytest.approx((11.8, 18.2))
    assert health.seconds_dark == pytest.approx(6.6)
    assert only(coverage.close_period(31.0)).gated == 0


def test_a_frozen_picture_takes_back_what_gated_frames_covered() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(frozen_s=0.0), 0.0)
    analysed(coverage, 0.0)
    for tick in range(1, 50):
        coverage.gated("cam", "default", dark=False, blurred=False, now_s=tick * 0.2)
    coverage.cameras(cameras(frozen_s=9.0), 10.0)
    assert only(coverage.close_period(10.0)).seconds_watched == pytest.approx(1.0)


def freezes_at_10_and_is_found_at_20(coverage: Coverage) -> None:
    """Five frames a second; the one of 10.0 is the first that shows what the one before has shown."""
    coverage.cameras(cameras(), 0.0)
    for tick in range(101):
        analysed(coverage, tick * 0.2)
    coverage.cameras(cameras(frozen_s=10.0, reason="frozen"), 20.0)


def test_a_frozen_camera_that_dies_was_watched_until_it_froze() -> None:
    coverage = Coverage(0.0)
    freezes_at_10_and_is_found_at_20(coverage)
    for tick in range(101, 107):
        analysed(coverage, tick * 0.2)
        if tick == 105:
            coverage.cameras(cameras(frozen_s=11.0, reason="frozen"), 21.0)
    coverage.cameras(cameras(frozen_s=11.2, reason="connection-lost", state="backing-off"), 21.3)
    analysed(coverage, 21.4)  # it was on its way
    health = only(coverage.close_period(60.0))
    assert (health.seconds_watched, health.seconds_blind) == pytest.approx((10.0, 50.0))
    assert health.seconds_frozen == pytest.approx(11.2)


def test_a_picture_that_was_frozen_and_moves_again_is_watched_from_then_on() -> None:
    coverage = Coverage(0.0)
    freezes_at_10_and_is_found_at_20(coverage)
    coverage.gated("cam", "default", dark=False, blurred=False, now_s=25.0)
    coverage.cameras(cameras(frozen_s=20.0), 30.0)
    for tick in range(150, 200):
        analysed(coverage, tick * 0.2)
    assert only(coverage.close_period(40.0)).seconds_watched == pytest.approx(10.0 + 10.0)


def test_frames_of_a_camera_that_was_frozen_when_this_module_began_cover_nothing() -> None:
    coverage = Coverage(0.0)
    analysed(coverage, 0.0)
    coverage.cameras(cameras(frozen_s=100.0, reason="frozen"), 0.5)
    analysed(coverage, 0.6)
    assert only(coverage.close_period(10.0)).seconds_watched == 0.5


def test_counters_are_differences_and_survive_a_restart_of_capture() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(decoded=1000, dropped={"not-due": 800}), 1.0)
    coverage.cameras(cameras(decoded=1100, dropped={"not-due": 880}), 2.0)
    coverage.cameras(cameras(decoded=30, dropped={"not-due": 24}, started_at="2026-11-24T08:10:00.000Z"), 3.0)
    coverage.dropped("cam", "default", "stale")
    health = only(coverage.close_period(10.0))
    assert health.frames_in == 130
    assert health.dropped == {"not-due": 104, "stale": 1}
    assert only(coverage.close_period(20.0)).frames_in == 0


def test_a_silent_shard_makes_its_cameras_silent() -> None:
    coverage = Coverage(0.0)
    coverage.expect(("default", "north"), 0.0)
    coverage.cameras(cameras(), 1.0)
    assert coverage.silent_shards(5.5) == ["north"]
    assert coverage.silent_shards(6.5) == ["default", "north"]
    health = only(coverage.close_period(60.0))
    assert (health.state, health.reason) == ("silent", "capture-silent")


def test_a_removed_camera_leaves_the_account() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(names=("a", "b")), 0.0)
    assert coverage.cameras(cameras(names=("b",)), 1.0) == ["a"]
    assert [health.camera for health in coverage.close_period(2.0)] == ["b"]


def test_a_late_frame_of_a_removed_camera_does_not_bring_it_back_for_long() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(names=("b",)), 0.0)
    analysed(coverage, 0.5)
    gone = [coverage.cameras(cameras(names=("b",)), float(second)) for second in range(1, 7)]
    assert gone == [[]] * 5 + [["cam"]]


def test_two_capture_modules_share_a_shard() -> None:
    coverage = Coverage(0.0)
    analysed(coverage, 0.1)
    for second in range(1, 10):
        assert coverage.cameras(cameras(names=("a", "b"), instance="east"), second + 0.2) == []
        assert coverage.cameras(cameras(names=("cam",), instance="west"), second + 0.7) == []
    assert coverage.cameras(cameras(names=("b",), instance="east"), 10.2) == ["a"]
    assert [health.camera for health in coverage.close_period(11.0)] == ["b", "cam"]
    for second in range(11, 20):
        coverage.cameras(cameras(names=("b",), instance="east"), second + 0.2)
    assert coverage.silent_shards(20.0) == ["default"], "one of its two modules is down"
    states = {health.camera: health.state for health in coverage.close_period(20.0)}
    assert states == {"b": "streaming", "cam": "silent"}


def test_a_capture_module_that_got_another_name_is_not_silent_under_its_old_one() -> None:
    coverage = Coverage(0.0)
    coverage.cameras(cameras(instance=""), 0.0)
    for second in range(1, 10):
        coverage.cameras(cameras(instance="capture"), float(second))
    assert coverage.silent_shards(9.5) == []
    assert only(coverage.close_period(9.5)).state == "streaming"


def test_percentiles_by_nearest_rank() -> None:
    assert percentiles([]).p50 is None
    assert (percentiles([7.0]).p50, percentiles([7.0]).p95) == (7.0, 7.0)
    many = percentiles([float(value) for value in range(100, 0, -1)])
    assert (many.p50, many.p95) == (50.0, 95.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.booleans()), max_size=60))
def test_watched_and_blind_always_add_up(frames: list[tuple[float, bool, bool]]) -> None:
    coverage, now_s, frozen_s, period_start_s = Coverage(0.0), 0.0, 0.0, 0.0
    coverage.cameras(cameras(), 0.0)
    for gap_s, is_dark, period_ends in frames:
        now_s += gap_s
        frozen_s += gap_s / 3
        analysed(coverage, now_s, dark=is_dark)
        coverage.cameras(cameras(frozen_s=frozen_s), now_s)
        if period_ends:
            health = only(coverage.close_period(now_s))
            total_s = now_s - period_start_s
            assert health.seconds_watched + health.seconds_blind == pytest.approx(total_s, abs=2e-3)
            assert 0 <= health.seconds_watched <= total_s + 1e-3
            assert health.seconds_dark <= total_s + 1e-3
            period_start_s = now_s


def test_health_counts_evictions_per_period() -> None:
    periods = HealthPeriods("inference", now_s=1_764_000_000.0, monotonic_s=0.0)
    budget = BudgetHealth(daily_blocks=1, used_blocks=0, shedding=False, shed_messages=0)

    def close(evicted: dict[str, int], at_s: float) -> dict[str, int]:
        message = periods.close(
            cameras=[], queued={"detections": 3}, evicted=evicted, budget=budget, silent_shards=[],
            now_s=1_764_000_000.0 + at_s, monotonic_s=at_s,
        )  # fmt: skip
        assert message.queues.detections == 3
        return message.queues.evicted

    assert periods.due_in_s(60.0, 10.0) == 50.0
    assert close({"detections-expired": 5}, 60.0) == {"detections-expired": 5}
    assert close({"detections-expired": 5}, 120.0) == {}
    assert close({"detections-expired": 6}, 180.0) == {"detections-expired": 1}
    assert periods.due_in_s(60.0, 300.0) == 0.0
