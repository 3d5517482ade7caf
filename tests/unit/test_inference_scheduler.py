"""Newest frame per camera, earliest deadline first, nobody starves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_inference.scheduler import OLD_EPOCH_GONE_S, FrameKey, FrameScheduler

FAR_S = 1e9


def key(camera: str, number: int, *, epoch: int = 1, decoded_s: float = 0.0) -> FrameKey:
    return FrameKey(camera, epoch, number, decoded_s)


def offer(scheduler: FrameScheduler[int], frame: FrameKey, now_s: float, stale_after_s: float = FAR_S) -> list[str]:
    dropped = scheduler.offer(frame, frame.number, now_s=now_s, stale_after_s=stale_after_s)
    return [f"{dropped_key.number}:{reason}" for dropped_key, reason in dropped]


def take(scheduler: FrameScheduler[int], now_s: float) -> tuple[str, int] | None:
    chosen, _ = scheduler.next(now_s)
    return None if chosen is None else (chosen.key.camera, chosen.frame)


def test_a_newer_frame_supersedes_the_waiting_one() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    assert offer(scheduler, key("a", 1), 0.0) == []
    assert offer(scheduler, key("a", 2), 0.1) == ["1:superseded"]
    assert take(scheduler, 0.2) == ("a", 2)
    assert take(scheduler, 0.2) is None


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (key("a", 5, decoded_s=10.0), "5:duplicate"),
        (key("a", 4, decoded_s=9.0), "4:out-of-order"),
        (key("a", 900, epoch=7, decoded_s=8.0), "900:out-of-order"),
        (key("a", 0, epoch=9, decoded_s=11.0), None),
    ],
)
def test_what_arrives_late_is_dropped_but_a_restarted_capture_is_not(late: FrameKey, reason: str | None) -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    offer(scheduler, key("a", 5, decoded_s=10.0), 0.0)
    take(scheduler, 0.0)
    scheduler.finished("a")
    assert offer(scheduler, late, 0.1) == ([] if reason is None else [reason])


def test_a_writer_that_starts_after_the_wall_clock_was_set_back_is_heard_again() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    offer(scheduler, key("a", 500, decoded_s=3600.0), 0.0)
    take(scheduler, 0.0)
    scheduler.finished("a")
    assert offer(scheduler, key("a", 1, epoch=2, decoded_s=5.0), OLD_EPOCH_GONE_S - 0.1) == ["1:out-of-order"]
    assert offer(scheduler, key("a", 2, epoch=2, decoded_s=5.2), OLD_EPOCH_GONE_S) == []
    assert offer(scheduler, key("a", 3, epoch=2, decoded_s=5.4), OLD_EPOCH_GONE_S + 0.2) == ["2:superseded"]


def test_a_camera_has_one_frame_in_analysis_at_a_time() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    offer(scheduler, key("a", 1), 0.0)
    assert take(scheduler, 0.0) == ("a", 1)
    offer(scheduler, key("a", 2), 0.1)
    assert take(scheduler, 0.1) is None
    scheduler.finished("a")
    assert take(scheduler, 0.2) == ("a", 2)


def test_stale_frames_are_dropped_on_arrival_and_while_waiting() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    assert offer(scheduler, key("a", 1), 5.0, stale_after_s=4.9) == ["1:stale"]
    assert offer(scheduler, key("b", 1), 5.0, stale_after_s=5.5) == []
    chosen, dropped = scheduler.next(5.6)
    assert chosen is None
    assert [reason for _, reason in dropped] == ["stale"]


def test_ids_without_end_do_not_fill_the_memory() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler(max_cameras=2)
    assert [offer(scheduler, key(f"c{i}", 1), 0.0) for i in range(3)] == [[], [], ["1:too-many-cameras"]]


def test_under_overload_a_slow_camera_keeps_its_rate_beside_a_fast_one() -> None:
    """Room for 5 analyses a second; `fast` sends 20 a second, `slow` one."""
    scheduler: FrameScheduler[int] = FrameScheduler()
    taken: Counter[str] = Counter()
    for tick in range(600):  # 30 s in steps of 50 ms
        now_s = tick * 0.05
        offer(scheduler, key("fast", tick), now_s)
        if tick % 20 == 0:
            offer(scheduler, key("slow", tick), now_s)
        if tick % 4 == 0:
            chosen = take(scheduler, now_s)
            if chosen is not None:
                taken[chosen[0]] += 1
                scheduler.finished(chosen[0])
    assert taken["slow"] >= 28
    assert taken["fast"] >= 115


def test_equal_cameras_share_equally() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    taken: Counter[str] = Counter()
    for tick in range(400):
        for camera in "abcdefgh":
            offer(scheduler, key(camera, tick), tick * 0.2)
        for part in range(3):  # 3 of 8 can be analysed
            chosen = take(scheduler, tick * 0.2 + part * 0.06)
            assert chosen is not None
            taken[chosen[0]] += 1
            scheduler.finished(chosen[0])
    assert max(taken.values()) - min(taken.values()) <= 1


Step = tuple[str, str, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(["offer", "next", "finish"]),
        st.sampled_from("abcd"),
        st.floats(min_value=0.0, max_value=3.0, allow_nan=False),
    ),
    max_size=120,
)


@given(steps)
def test_every_frame_is_counted_once_and_no_due_camera_is_passed_over_twice(script: list[Step]) -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    now_s, number = 0.0, 0
    analysing: list[str] = []
    due_since: dict[str, Counter[str]] = {}  # waiting and surely due -> how often others were started meanwhile
    for action, camera, passed_s in script:
        now_s += passed_s
        if action == "offer":
            number += 1
            offer(scheduler, key(camera, number), now_s, stale_after_s=now_s + 2.0)
        elif action == "finish" and analysing:
            scheduler.finished(analysing.pop(0))
        elif action == "next":
            chosen, dropped = scheduler.next(now_s)
            for stale, _ in dropped:
                due_since.pop(stale.camera, None)
            if chosen is not None:
                analysing.append(chosen.key.camera)
                due_since.pop(chosen.key.camera, None)
                for others in due_since.values():
                    others[chosen.key.camera] += 1
                    assert others[chosen.key.camera] <= 2, "a due camera was passed over again and again"
        for name in "abcd":
            tally = scheduler.tally(name)
            waiting = tally.offered - tally.taken - sum(tally.dropped.values())
            assert waiting in (0, 1)
            if waiting and name not in analysing and tally.taken == 0:
                due_since.setdefault(name, Counter())
    assert (
        sum(tally.offered - tally.taken - sum(tally.dropped.values()) for tally in map(scheduler.tally, "abcd"))
        == scheduler.waiting()
    )
