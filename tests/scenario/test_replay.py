"""What is recorded of a real run, judged again by the same rules, gives the events that were sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.clock import epoch_s
from safetygear_workbench.simulation.options import DEMO_ZONES
from support.simulation import run, simulating

pytestmark = pytest.mark.scenario

SAME_S = 1.0
"""Live judging goes by the time of decoding, on a busy machine; a recording by the camera's."""


def episodes_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest message of each episode, in the order in which they opened."""
    newest: dict[str, dict[str, Any]] = {}
    for event in sorted(events, key=lambda event: event["eventSequence"]):
        newest[event["id"]] = event
    return sorted(newest.values(), key=lambda event: event["openedAt"])


def test_a_recording_gives_the_events_that_were_sent(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:

        def sent_so_far() -> list[dict[str, Any]]:
            return episodes_of([record["body"] for record in simulation.messages("events")])

        def enough() -> bool:
            return len(sent_so_far()) >= 2 and any(event["closedAt"] for event in sent_so_far())

        simulation.until(enough, 90, "two episodes, one of them over")
        assert simulation.stop() == 0, simulation.everything()
        sent = sent_so_far()
    config = tmp_path / "twin.json"
    config.write_text(json.dumps({"zones": {"demo": DEMO_ZONES}}))
    done = run("replay", str(tmp_path / "run" / "messages.jsonl"), "--config", str(config), "--json")
    assert done.returncode == 0, done.stderr
    replayed = json.loads(done.stdout)["episodes"]
    names = ("camera", "zone", "rule", "severity", "reason")
    # The run's end may cut the last one off on either side.
    count = min(len(sent), len(replayed))
    assert count >= 1
    assert abs(len(sent) - len(replayed)) <= 1, (sent, replayed)
    for live, again in zip(sent[:count], replayed[:count], strict=True):
        assert {name: live[name] for name in names} == {name: again[name] for name in names}
        assert abs(epoch_s(live["openedAt"]) - epoch_s(again["openedAt"])) <= SAME_S, (live, again)
        if live["closedAt"] and again["closedAt"]:
            assert live["closeReason"] == again["closeReason"]
            assert abs(epoch_s(live["closedAt"]) - epoch_s(again["closedAt"])) <= SAME_S, (live, again)
