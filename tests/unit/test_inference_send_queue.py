"""Bounded lanes: events first, the oldest detections go first."""

from __future__ import annotations

from safetygear.hub.port import OutgoingMessage
from safetygear_inference.publishing.send_queue import (
    MAX_AGE_S,
    MAX_DETECTIONS_BYTES,
    MAX_MESSAGES,
    Lane,
    Outgoing,
    SendQueue,
)


def outgoing(lane: Lane, name: str = "", *, size: int = 10, at_s: float = 0.0) -> Outgoing:
    return Outgoing(lane, OutgoingMessage(lane, b"x" * size, message_id=name), 1, at_s)


def names(
    queue: SendQueue, now_s: float = 0.0, lanes: tuple[Lane, ...] = ("events", "health", "detections")
) -> list[str]:
    found = []
    while (taken := queue.take(now_s, lanes=lanes)[0]) is not None:
        found.append(taken.message.message_id or "")
    return found


def test_events_then_health_then_detections() -> None:
    queue = SendQueue()
    for lane, name in (("detections", "d1"), ("health", "h"), ("detections", "d2"), ("events", "e")):
        queue.put(outgoing(lane, name))  # type: ignore[arg-type]  # a table of lanes
    assert names(queue) == ["e", "h", "d1", "d2"]


def test_the_important_lanes_can_be_taken_alone() -> None:
    queue = SendQueue()
    queue.put(outgoing("detections", "d"))
    queue.put(outgoing("health", "h"))
    assert names(queue, lanes=("events", "health")) == ["h"]
    assert queue.depth("detections") == 1


def test_the_oldest_detections_go_first() -> None:
    queue = SendQueue()
    for number in range(MAX_MESSAGES["detections"] + 2):
        taken, evicted = queue.put(outgoing("detections", str(number)))
        assert taken
    assert [lost.outgoing.message.message_id for lost in evicted] == ["1"]
    assert queue.evicted() == {"detections-queue-full": 2}
    assert names(queue)[0] == "2"


def test_detections_are_bounded_in_bytes_too() -> None:
    queue = SendQueue()
    half = MAX_DETECTIONS_BYTES // 2
    for name in ("a", "b", "c"):
        queue.put(outgoing("detections", name, size=half))
    assert names(queue) == ["b", "c"]
    queue.put(outgoing("detections", "d", size=half))
    assert names(queue) == ["d"]


def test_a_full_lane_of_events_refuses_and_drops_nothing() -> None:
    queue = SendQueue()
    for number in range(MAX_MESSAGES["events"]):
        assert queue.put(outgoing("events", str(number)))[0]
    assert queue.put(outgoing("events", "late")) == (False, [])
    assert names(queue)[0] == "0"


def test_what_is_older_than_its_route_keeps_it_is_not_sent() -> None:
    queue = SendQueue()
    queue.put(outgoing("detections", "old", at_s=0.0))
    queue.put(outgoing("detections", "new", at_s=500.0))
    queue.put(outgoing("events", "event", at_s=0.0))
    assert names(queue, now_s=MAX_AGE_S["detections"] + 1) == ["event", "new"]
    assert queue.evicted() == {"detections-expired": 1}
