"""Blocks as IoT Hub bills them; detections give way first; nothing is forgotten."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import FakeClock, epoch_s
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.health import HealthMessage, QueueHealth
from safetygear_inference.budget_keeper import BudgetKeeper
from safetygear_inference.config import BudgetConfig
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.budget import BudgetRecord, MessageBudget, blocks, blocks_of
from safetygear_inference.publishing.budget_file import FILE_NAME, BudgetFile, BudgetFileError, write_error
from safetygear_inference.publishing.publisher import Publisher
from safetygear_inference.publishing.send_queue import MAX_MESSAGES

MIDNIGHT_S = epoch_s("2026-11-24T00:00:00+00:00")
NOON_S = MIDNIGHT_S + 43_200
DAY_S = 86_400
CONFIG = BudgetConfig(daily_blocks=1000, reserve_percent=10, burst_percent=25)  # detections: 900 a day, 225 ahead


@pytest.mark.parametrize(("size_bytes", "billed"), [(0, 1), (1, 1), (4096, 1), (4097, 2), (8192, 2), (262_144, 64)])
def test_blocks_are_begun_4_kb(size_bytes: int, billed: int) -> None:
    assert blocks_of(size_bytes) == billed


def test_properties_count_too() -> None:
    body = b"x" * 3800
    assert blocks(OutgoingMessage("detections", body)) == 1
    assert blocks(OutgoingMessage("detections", body, {"camera": "c" * 200})) == 2
    assert blocks(OutgoingMessage("detections", body, {"camera": "ü" * 100})) == 2


def admitted(budget: MessageBudget, kind: str, count: int, now_s: float, size_blocks: int = 1) -> int:
    return sum(
        budget.admit(kind, size_blocks, config=CONFIG, now_s=now_s)  # type: ignore[arg-type]  # a table of kinds
        for _ in range(count)
    )


@pytest.mark.parametrize(
    ("share_of_day", "detections"),
    [(0.0, 225), (0.25, 450), (0.5, 675), (0.75, 900), (0.99, 900)],
)
def test_detections_keep_to_the_pace(share_of_day: float, detections: int) -> None:
    assert admitted(MessageBudget(), "detections", 2000, MIDNIGHT_S + share_of_day * DAY_S) == detections


def test_a_quiet_night_is_saved_up() -> None:
    budget = MessageBudget()
    assert admitted(budget, "detections", 2000, NOON_S) == 675
    assert admitted(budget, "detections", 2000, NOON_S) == 0
    assert admitted(budget, "detections", 2000, NOON_S + DAY_S / 10) == 90


def test_the_reserve_is_for_health_and_events() -> None:
    budget = MessageBudget()
    late_s = MIDNIGHT_S + DAY_S - 1
    assert admitted(budget, "detections", 2000, late_s) == 900
    assert admitted(budget, "health", 2000, late_s) == 50
    assert admitted(budget, "events", 2000, late_s) == 2000
    health = budget.health(config=CONFIG, now_s=late_s)
    assert (health.used_blocks, health.shedding, health.shed_messages) == (2950, True, 1100 + 1950)


def test_many_events_leave_no_room_for_detections() -> None:
    budget = MessageBudget()
    admitted(budget, "events", 880, NOON_S)
    assert admitted(budget, "detections", 100, NOON_S) == 20


def test_the_utc_day_starts_anew() -> None:
    budget = MessageBudget()
    admitted(budget, "detections", 2000, MIDNIGHT_S + DAY_S - 1)
    assert admitted(budget, "detections", 2000, MIDNIGHT_S + DAY_S) == 225
    assert budget.health(config=CONFIG, now_s=MIDNIGHT_S + DAY_S).used_blocks == 225


def test_shedding_is_shown_for_a_minute_and_then_over() -> None:
    budget = MessageBudget()
    admitted(budget, "detections", 676, NOON_S)
    assert budget.health(config=CONFIG, now_s=NOON_S + 59).shedding
    assert not budget.health(config=CONFIG, now_s=NOON_S + 61).shedding


def test_a_wrong_clock_that_is_put_right_comes_back_to_its_count() -> None:
    budget = MessageBudget()
    admitted(budget, "detections", 500, NOON_S)
    admitted(budget, "detections", 5, 0.0)  # a device without a clock battery starts in 1970
    assert budget.health(config=CONFIG, now_s=NOON_S).used_blocks == 500


@pytest.mark.parametrize("days", [1, -1, 400])
def test_a_clock_that_is_set_to_another_day_and_back_gives_no_second_day_and_costs_none(days: int) -> None:
    budget, wrong_s = MessageBudget(), NOON_S + days * DAY_S
    assert admitted(budget, "detections", 2000, NOON_S) == 675, "half of it, and a quarter ahead"
    budget.clock_set(wrong_s)
    assert admitted(budget, "detections", 2000, wrong_s) == 0, "for the hub it is the same day"
    assert admitted(budget, "detections", 10, wrong_s + DAY_S / 10) == 10
    budget.clock_set(NOON_S + DAY_S / 10)
    assert budget.health(config=CONFIG, now_s=NOON_S + DAY_S / 10).used_blocks == 685
    assert budget.health(config=CONFIG, now_s=wrong_s).used_blocks == 0, "a day that has not come has used nothing"


def test_what_earlier_processes_counted_stays_with_its_day() -> None:
    earlier = MessageBudget()
    admitted(earlier, "detections", 500, NOON_S)
    budget = MessageBudget(earlier.record())
    admitted(budget, "detections", 5, 0.0)  # a device without a clock battery starts in 1970
    budget.clock_set(NOON_S)
    assert budget.health(config=CONFIG, now_s=NOON_S).used_blocks == 505
    assert admitted(budget, "detections", 2000, NOON_S + DAY_S) == 675, "midnight is no clock that is set"
    budget.clock_set(NOON_S)
    assert budget.health(config=CONFIG, now_s=NOON_S).used_blocks == 505 + 675


def test_the_count_survives_a_restart(tmp_path: Path) -> None:
    budget = MessageBudget()
    admitted(budget, "detections", 500, NOON_S)
    BudgetFile(tmp_path).save(budget.record())
    again = MessageBudget(BudgetFile(tmp_path).load())
    assert admitted(again, "detections", 500, NOON_S) == 175
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_first_start_has_no_record(tmp_path: Path) -> None:
    assert BudgetFile(tmp_path).load() is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"days": 3}', b"\xff"])
def test_an_unreadable_record_counts_as_an_even_share_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(BudgetFileError) as raised:
        BudgetFile(tmp_path).load()
    assert raised.value.code == "data-unreadable"
    budget = MessageBudget()
    budget.assume_share_used(config=CONFIG, now_s=NOON_S)
    assert budget.health(config=CONFIG, now_s=NOON_S).used_blocks == 450


def test_a_lost_count_is_not_stored_as_nothing_used(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"{")
    clock = FakeClock(now_s=NOON_S)
    keeper = BudgetKeeper(tmp_path, Problems(), clock)
    budget = keeper.load()
    keeper.save()  # stopped before the twin was read
    assert (tmp_path / FILE_NAME).read_bytes() == b"{"
    keeper.configured(CONFIG)
    keeper.save()
    assert BudgetFile(tmp_path).load() == budget.record()
    assert budget.health(config=CONFIG, now_s=NOON_S).used_blocks == 450


async def test_what_is_dropped_after_midnight_is_given_back_to_the_day_that_paid_for_it() -> None:
    clock, budget = FakeClock(now_s=MIDNIGHT_S - 1), MessageBudget()
    publisher = Publisher(FakeHub(), clock, budget, run="r")
    message = HealthMessage(
        instance="i",
        period_started_at="",
        period_ended_at="",
        cameras=[],
        queues=QueueHealth(detections=0, outbox=0, evicted={}),
        newest_event_sequence=None,
        budget=budget.health(config=CONFIG, now_s=NOON_S),
        shards_silent=[],
    )
    for _ in range(MAX_MESSAGES["health"]):
        publisher.health(message, shard="default")
    await clock.advance(2.0)
    publisher.health(message, shard="default")  # the oldest has to go for it
    days = budget.record().days
    assert [days[day].other_blocks for day in sorted(days)] == [MAX_MESSAGES["health"] - 1, 1]


def test_a_data_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BudgetFileError, match="SAFETYGEAR_DATA_DIR") as raised:
        BudgetFile(tmp_path / "gone").save(BudgetRecord(days={}))
    assert raised.value.code == "data-missing"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "data-full"),
        (errno.EDQUOT, "data-full"),
        (errno.EACCES, "data-unwritable"),
        (errno.EROFS, "data-unwritable"),
        (errno.ENOENT, "data-missing"),
    ],
)
def test_each_way_a_write_fails_has_its_name(number: int, code: str) -> None:
    assert write_error(OSError(number, "no"), Path("/data/x")).code == code


messages = st.lists(
    st.tuples(
        st.sampled_from(["detections", "health", "events"]),
        st.integers(1, 64),
        st.floats(min_value=0, max_value=DAY_S / 4),
    ),
    max_size=80,
)


@given(messages)
def test_whatever_comes_the_hub_day_holds(script: list[tuple[str, int, float]]) -> None:
    budget, now_s = MessageBudget(), MIDNIGHT_S
    day, detections, events, everything = 0, 0, 0, 0
    for kind, size, passed_s in script:
        now_s += passed_s
        if int((now_s - MIDNIGHT_S) // DAY_S) != day:
            day, detections, events, everything = int((now_s - MIDNIGHT_S) // DAY_S), 0, 0, 0
        allowed = budget.admit(kind, size, config=CONFIG, now_s=now_s)  # type: ignore[arg-type]  # drawn from a list
        assert allowed or kind != "events"
        if allowed:
            everything += size
            detections += size if kind == "detections" else 0
            events += size if kind == "events" else 0
        passed = (now_s % DAY_S) / DAY_S
        assert detections <= 900 * min(1.0, passed + 0.25) + 1e-6
        assert everything - events <= 950
        assert budget.health(config=CONFIG, now_s=now_s).used_blocks == everything
