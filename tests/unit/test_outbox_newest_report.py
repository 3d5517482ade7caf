"""What the module twin keeps of the events' count: seldom told, and read with suspicion."""

from __future__ import annotations

from typing import Any

import pytest

from safetygear_inference.outbox.newest_report import TOLD_EVERY_S, NewestReport, SeenSequence, seen_in
from safetygear_inference.outbox.outbox import OutboxHealth


def health(epoch: str, newest: int | None) -> OutboxHealth:
    return OutboxHealth(
        epoch=epoch, newest_sequence=newest, depth=0, size_bytes=0, capacity_bytes=1, oldest_age_s=None, evicted={},
        copies_dropped=0,
    )  # fmt: skip


def test_it_is_told_at_once_then_seldom_and_with_a_new_epoch_at_once() -> None:
    report = NewestReport()
    assert report.as_document() is None
    for now_s, outbox, told in [
        (0.0, None, None),
        (1.0, health("e1", None), None),
        (2.0, health("e1", 1), ("e1", 1)),
        (3.0, health("e1", 9), ("e1", 1)),
        (2.0 + TOLD_EVERY_S, health("e1", 11), ("e1", 11)),
        (3.0 + TOLD_EVERY_S, health("e2", 1), ("e2", 1)),
        (4.0 + TOLD_EVERY_S, None, ("e2", 1)),
    ]:
        report.update(outbox, now_s)
        document = report.as_document()
        assert (None if document is None else (document["epoch"], document["newestSequence"])) == told


@pytest.mark.parametrize(
    "reported",
    [
        {}, {"outbox": None}, {"outbox": "e1"}, {"outbox": {"epoch": "e1"}}, {"outbox": {"newestSequence": 3}},
        {"outbox": {"epoch": 7, "newestSequence": 3}}, {"outbox": {"epoch": "e1", "newestSequence": True}},
        {"outbox": {"epoch": "e1", "newestSequence": 2.5}}, {"outbox": {"epoch": "e1", "newestSequence": 0}},
    ],
)  # fmt: skip
def test_what_is_no_count_is_not_taken_for_one(reported: dict[str, Any]) -> None:
    assert seen_in(reported) is None


def test_what_was_told_is_read_again() -> None:
    report = NewestReport()
    report.update(health("e1", 7), 0.0)
    assert seen_in({"outbox": report.as_document()}) == SeenSequence("e1", 7)
