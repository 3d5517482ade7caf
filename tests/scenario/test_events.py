"""From the demo clip to events in IoT Hub, through the whole running solution and through the death of inference."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from safetygear.clock import epoch_s
from safetygear.messages.codec import decode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.event import EventMessage
from safetygear.messages.health import HealthMessage
from support.event_stream import check_stream, episodes
from support.simulation import RunningSimulation, run, simulating

pytestmark = pytest.mark.scenario

WATCHED_S = 60.0
"""The clip takes 40 s and runs in a loop: each of its violations is seen once at least, wherever the run begins."""
NEXT_WITHIN_S = 16.0
"""In the clip, who has no helmet comes 8.9 s after who has no vest; an opening may be late on a busy machine."""


def read(simulation: RunningSimulation, output: str, kind: type[Any]) -> list[Any]:
    """Valid against their type, or the test fails."""
    return [decode(json.dumps(record["body"]).encode(), kind) for record in simulation.messages(output)]


def check(events: list[EventMessage]) -> None:
    """What holds for every stream of events, whatever was killed in between."""
    check_stream(events)
    for messages in episodes(events).values():
        assert all((message.closed_at is None) == (message.close_reason is None) for message in messages)
    opened_again = Counter((one[0].camera, one[0].zone, one[0].track, one[0].rule) for one in episodes(events).values())
    for key, count in opened_again.items():
        still_open = [
            one for one in episodes(events).values()
            if (one[0].camera, one[0].zone, one[0].track, one[0].rule) == key and one[-1].state != "closed"
        ]  # fmt: skip
        assert len(still_open) <= 1, (key, count)


def test_the_clip_s_violations_arrive_as_events(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:
        simulation.until_detections()
        first = read(simulation, "detections", DetectionsMessage)[0]

        def seconds_seen() -> float:
            newest = read(simulation, "detections", DetectionsMessage)[-1]
            return epoch_s(newest.captured_at) - epoch_s(first.captured_at)

        simulation.until(lambda: seconds_seen() >= WATCHED_S, 150, f"{WATCHED_S:g} s of the clip")
        assert simulation.stop() == 0
        events = read(simulation, "events", EventMessage)
        assert events, simulation.everything()
        check(events)
        opened = Counter(messages[0].rule for messages in episodes(events).values())
        assert opened["no-helmet"] >= 1, opened
        assert opened["no-vest"] >= 1, opened
        assert set(opened) == {"no-helmet", "no-vest"}
        at_s = sorted((epoch_s(one[0].opened_at), one[0].rule) for one in episodes(events).values())
        watched_to_s = epoch_s(read(simulation, "detections", DetectionsMessage)[-1].captured_at)
        for opened_s, rule in at_s:
            if rule == "no-vest" and opened_s + NEXT_WITHIN_S < watched_to_s:
                assert any(
                    other == "no-helmet" and 0 < other_s - opened_s <= NEXT_WITHIN_S for other_s, other in at_s
                ), at_s
        vests = [opened_s for opened_s, rule in at_s if rule == "no-vest"]
        assert all(later - earlier > 20 for earlier, later in pairwise(vests)), at_s
        properties = [record["properties"] for record in simulation.messages("events")]
        for event, given in zip(events, properties, strict=True):
            assert given == {
                "schema": event.schema, "camera": "demo", "shard": "default", "rule": event.rule,
                "severity": event.severity, "state": event.state,
            }  # fmt: skip
        assert "EVENT  opened no-helmet demo zone=work-area track=" in simulation.output
        assert "violations" in simulation.output
        people = [person for message in read(simulation, "detections", DetectionsMessage) for person in message.people]
        assert {person.status for person in people} == {"compliant", "violation", "indeterminate"}
        health = read(simulation, "health", HealthMessage)[-1]
        assert health.newest_event_sequence is not None
        (zone,) = {entry.zone for entry in health.compliance}
        assert zone == "work-area"


def test_a_killed_inference_loses_and_doubles_no_episode(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:

        def newest() -> list[EventMessage]:
            found = episodes(read(simulation, "events", EventMessage))
            return [messages[-1] for messages in found.values()]

        def one_is_open() -> bool:
            return any(one.state != "closed" for one in newest())

        simulation.until(one_is_open, 120, "an open episode")
        killed = [one.id for one in newest() if one.state != "closed"]
        simulation.kill("inference")
        simulation.until_says("inference was started again", 60)
        simulation.until(
            lambda: {one.id for one in newest() if one.state == "closed"} >= set(killed),
            120,
            "the end of what was open",
        )
        assert simulation.stop() == 0
        events = read(simulation, "events", EventMessage)
        check(events)
        ended = {one.id: one.close_reason for one in newest()}
        assert {ended[name] for name in killed} <= {"restart", "complied", "left", "track-lost"}


def test_methods_close_gaps_and_take_verdicts(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:

        def call(method: str, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            answer = run(
                "method", "call", "inference", method, json.dumps(payload), "--state", str(simulation.state), "--json"
            )
            content = json.loads(answer.stdout)
            return content["status"], content["payload"]

        simulation.until(lambda: simulation.messages("events"), 120, "an event")
        (first, *_) = read(simulation, "events", EventMessage)
        status, answer = call("resendEvents", {"from": 1, "to": 1})
        assert (status, answer["queued"] + answer["waiting"]) == (200, 1)
        simulation.until(
            lambda: sum(one["body"]["eventSequence"] == 1 for one in simulation.messages("events")) >= 2, 60, "it again"
        )
        again = [one for one in read(simulation, "events", EventMessage) if one.event_sequence == 1]
        assert again[1:] == again[:-1]
        assert call("acknowledge", {"eventId": first.id, "verdict": "true"})[0] == 200
        for method, payload, field, expected in (
            ("resendEvents", {"from": 5, "to": 1}, "to", 400),
            ("resendEvents", {"from": "1", "to": 1}, "from", 400),
            ("resendEvents", {"from": 1, "to": 1, "outboxEpoch": "other"}, "outboxEpoch", 404),
            ("acknowledge", {"eventId": first.id, "verdict": "maybe"}, "verdict", 400),
            ("acknowledge", {"eventId": "ep-" + "0" * 24, "verdict": "true"}, "eventId", 404),
            ("acknowledge", {"eventId": first.id, "verdict": "true", "picture": 1}, "picture", 400),
        ):
            status, answer = call(method, payload)
            assert (status, answer["field"]) == (expected, field), answer
