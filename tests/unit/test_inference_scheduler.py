"""Newest frame per camera, shares of the rate by priority, nobody starves."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetygear_inference.scheduler import AHEAD_FRAMES, OLD_EPOCH_GONE_S, FrameKey, FrameScheduler

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
    assert offer(scheduler, key("a", 2), 0.2) == ["1:shed"]
    assert take(scheduler, 0.2) == ("a", 2)
    assert take(scheduler, 0.2) is None


def test_frames_that_come_in_a_burst_are_not_shed() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    for number in range(1, 6):
        offer(scheduler, key("a", number), 0.2 * number)
        assert take(scheduler, 0.2 * number) == ("a", number)
        scheduler.finished("a")
    assert offer(scheduler, key("a", 6), 1.6) == []
    assert offer(scheduler, key("a", 7), 1.61) == ["6:superseded"], "the hub was late, the workers were idle"


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


def test_a_camera_that_is_removed_and_put_in_again_has_no_second_frame_in_analysis() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    offer(scheduler, key("a", 1), 0.0)
    assert take(scheduler, 0.0) == ("a", 1)
    scheduler.forget("a")
    offer(scheduler, key("a", 2, epoch=2), 0.1)
    assert take(scheduler, 0.1) is None
    scheduler.finished("a")
    assert take(scheduler, 0.1) == ("a", 2)
    scheduler.finished("a")
    scheduler.forget("a")
    offer(scheduler, key("a", 3, epoch=3), 0.2)
    assert take(scheduler, 0.2) == ("a", 3)


def test_stale_frames_are_dropped_on_arrival_and_while_waiting() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    assert offer(scheduler, key("a", 1), 5.0, stale_after_s=4.9) == ["1:stale"]
    assert offer(scheduler, key("b", 1), 5.0, stale_after_s=5.5) == []
    chosen, dropped = scheduler.next(5.6)
    assert chosen is None
    assert [reason for _, reason in dropped] == ["shed"]


def test_ids_without_end_do_not_fill_the_memory() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler(max_cameras=2)
    assert [offer(scheduler, key(f"c{i}", 1), 0.0) for i in range(3)] == [[], [], ["1:too-many-cameras"]]


@dataclass(frozen=True)
class Cam:
    fps: float
    priority: float = 1.0
    phase: float = 0.0
    """0..1 of the interval."""


def analysed(
    cameras: Mapping[str, Cam], *, capacity_fps: float, seconds: float, skip_s: float = 0.0, workers: int = 1
) -> tuple[dict[str, int], dict[str, float]]:
    """Frames analysed of each camera from `skip_s` on, and the longest time between two starts of it. Frames come
    evenly, and each of the workers takes the same time for any of them."""
    scheduler: FrameScheduler[int] = FrameScheduler()
    for name, camera in cameras.items():
        scheduler.prioritise(name, camera.priority)
    coming = [
        ((number + camera.phase) / camera.fps, 1, name, number)
        for name, camera in cameras.items()
        for number in range(int(seconds * camera.fps))
    ]
    heapq.heapify(coming)
    taken: dict[str, int] = dict.fromkeys(cameras, 0)
    longest_s: dict[str, float] = dict.fromkeys(cameras, 0.0)
    started_s: dict[str, float] = {}
    idle = workers
    while coming:
        now_s, kind, name, number = heapq.heappop(coming)
        if kind == 0:
            scheduler.finished(name)
            idle += 1
        else:
            offer(scheduler, key(name, number), now_s, stale_after_s=now_s + 60)
        while idle:
            chosen, _ = scheduler.next(now_s)
            if chosen is None:
                break
            camera, idle = chosen.key.camera, idle - 1
            heapq.heappush(coming, (now_s + workers / capacity_fps, 0, camera, 0))
            if now_s >= skip_s:
                taken[camera] += 1
                longest_s[camera] = max(longest_s[camera], now_s - started_s.get(camera, now_s))
            started_s[camera] = now_s
    return taken, longest_s


def fair_shares(cameras: Mapping[str, Cam], capacity_fps: float) -> dict[str, float]:
    """The part of its rate that each camera is to keep: one number times its priority, 1 at most."""
    low, high = 0.0, max(1 / camera.priority for camera in cameras.values())
    for _ in range(60):
        middle = (low + high) / 2
        used = sum(camera.fps * min(1.0, middle * camera.priority) for camera in cameras.values())
        low, high = (middle, high) if used < capacity_fps else (low, middle)
    return {name: min(1.0, high * camera.priority) for name, camera in cameras.items()}


@pytest.mark.parametrize("capacity_fps", [4.0, 9.0, 14.5, 20.0, 30.0])
@pytest.mark.parametrize(
    "cameras",
    [
        {"a": Cam(5), "b": Cam(5), "c": Cam(5), "d": Cam(5)},
        {"plain": Cam(5), "gate": Cam(5, 2), "yard": Cam(5, 0.5), "crane": Cam(5, 4)},
        {"slow": Cam(1), "fast": Cam(20)},
        {"slow": Cam(0.5, 3), "middle": Cam(5, 1, 0.3), "fast": Cam(15, 2, 0.7)},
    ],
)
def test_under_overload_each_camera_keeps_its_share_of_its_rate(cameras: dict[str, Cam], capacity_fps: float) -> None:
    skip_s, seconds = 20.0, 140.0
    taken, _ = analysed(cameras, capacity_fps=capacity_fps, seconds=seconds, skip_s=skip_s)
    shares = fair_shares(cameras, capacity_fps)
    for name, share in shares.items():
        due = share * cameras[name].fps * (seconds - skip_s)
        assert abs(taken[name] - due) <= 2 + 0.02 * due, (name, taken, due)
    # Those that always have a frame waiting when their turn comes stay within a frame of each other, and for good.
    weights = {name: cameras[name].fps * cameras[name].priority for name, share in shares.items() if share < 0.8}
    for one, other in itertools.permutations(weights, 2):
        apart = abs(taken[one] / weights[one] - taken[other] / weights[other])
        assert apart <= 1.1 * (1 / weights[one] + 1 / weights[other])


some_cameras = st.dictionaries(
    st.sampled_from([f"c{number}" for number in range(8)]),
    st.builds(
        Cam,
        fps=st.sampled_from([0.5, 1.0, 2.0, 5.0, 10.0, 25.0]),
        priority=st.sampled_from([0.1, 0.5, 1.0, 2.0, 10.0]),
        phase=st.floats(0, 0.99),
    ),
    min_size=2,
)


@settings(deadline=None, max_examples=60)
@given(some_cameras, st.floats(0.2, 0.95), st.integers(1, 3))
def test_whatever_the_rates_none_starves(cameras: dict[str, Cam], load: float, workers: int) -> None:
    capacity_fps = load * sum(camera.fps for camera in cameras.values())
    _, longest_s = analysed(cameras, capacity_fps=capacity_fps, seconds=60, skip_s=10, workers=workers)
    for name, share in fair_shares(cameras, capacity_fps).items():
        camera = cameras[name]
        # Its interval at its fair share, its frame's arrival, and one analysis of each camera.
        assert longest_s[name] <= 1 / (share * camera.fps) + 2 / camera.fps + len(cameras) * workers / capacity_fps + 1


@settings(deadline=None, max_examples=60)
@given(some_cameras, st.floats(0.2, 0.95), st.randoms(use_true_random=False))
def test_the_order_in_which_cameras_are_named_changes_nothing(
    cameras: dict[str, Cam], load: float, random: Random
) -> None:
    capacity_fps = load * sum(camera.fps for camera in cameras.values())
    shuffled = random.sample(list(cameras.items()), len(cameras))
    assert analysed(cameras, capacity_fps=capacity_fps, seconds=20) == analysed(
        dict(shuffled), capacity_fps=capacity_fps, seconds=20
    )


def test_a_camera_that_was_away_does_not_make_up_for_it() -> None:
    scheduler: FrameScheduler[int] = FrameScheduler()
    order = []
    for tick in range(100):
        now_s = tick * 0.2
        offer(scheduler, key("here", tick), now_s)
        if not 20 <= tick < 60:
            offer(scheduler, key("away", tick), now_s)
        chosen = take(scheduler, now_s)  # room for one of the two
        assert chosen is not None
        order.append(chosen[0])
        scheduler.finished(chosen[0])
    back = order[60:]
    assert 20 <= back.count("away") <= 20 + AHEAD_FRAMES


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
    waiting: Counter[str] = Counter()  # offered, less those taken and those returned as dropped
    taken: set[str] = set()
    due_since: dict[str, Counter[str]] = {}  # waiting and surely due -> how often others were started meanwhile
    for action, camera, passed_s in script:
        now_s += passed_s
        if action == "offer":
            number += 1
            waiting[camera] += 1 - len(offer(scheduler, key(camera, number), now_s, stale_after_s=now_s + 2.0))
        elif action == "finish" and analysing:
            scheduler.finished(analysing.pop(0))
        elif action == "next":
            chosen, dropped = scheduler.next(now_s)
            for stale, _ in dropped:
                due_since.pop(stale.camera, None)
                waiting[stale.camera] -= 1
            if chosen is not None:
                taken.add(chosen.key.camera)
                waiting[chosen.key.camera] -= 1
                analysing.append(chosen.key.camera)
                due_since.pop(chosen.key.camera, None)
                for others in due_since.values():
                    others[chosen.key.camera] += 1
                    assert others[chosen.key.camera] <= 2, "a due camera was passed over again and again"
        for name in "abcd":
            assert waiting[name] in (0, 1)
            if waiting[name] and name not in analysing and name not in taken:
                due_since.setdefault(name, Counter())
        assert waiting.total() == scheduler.waiting()
