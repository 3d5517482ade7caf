"""Many events of the real inference module through kills, a lost edgeHub store, and an uplink that is away or full."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage
from support.campaigns import SEED, share
from support.crowd import EVERYBODY_TELLS, PEOPLE, write_crowd
from support.event_stream import check_stream, episodes, missing
from support.inference_process import InferenceProcess, cameras, until
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

pytestmark = pytest.mark.scenario

ROUTES: dict[str, Any] = {
    "events": {"route": "FROM /messages/modules/inference/outputs/events INTO $upstream", "priority": 0},
    "detections": {"route": "FROM /messages/modules/inference/outputs/detections INTO $upstream", "priority": 5},
} | {
    output: {
        "route": f'FROM /messages/modules/capture/outputs/{output} INTO BrokeredEndpoint("/modules/inference/inputs/'
        f'{output}")',
        "timeToLiveSecs": 5,
    }
    for output in ("frames", "cameras")
}
DESIRED = EVERYBODY_TELLS | {"detections": {"policy": "all"}, "budget": {"dailyBlocks": 1_000_000, "burstPercent": 100}}
START_S = 40.0
"""Bounded, not measured: test machines are busy."""


class Site:
    """A hub, and one inference module that sees a crowd of violators."""

    def __init__(self, runtime: RunningRuntime, inference: InferenceProcess) -> None:
        self.runtime, self.inference = runtime, inference

    def events(self) -> list[EventMessage]:
        return [
            decode(json.dumps(entry["body"]).encode(), EventMessage)
            for entry in self.runtime.upstream()
            if entry["output"] == "events"
        ]

    async def until_more(self, count: int) -> None:
        """Until so many more events are at the hub."""
        wanted = len(self.events()) + count
        await until(lambda: len(self.events()) >= wanted, START_S, self.inference.log)

    async def until_all_are_sent(self) -> int:
        """Wait until its outbox is empty; the newest sequence."""

        def status() -> dict[str, Any]:
            answer: dict[str, Any] = self.runtime.call_method("inference", "getStatus")
            return answer.get("payload") or {}

        def sent() -> Any:
            told = status()
            return told if told.get("queued", {}).get("events") == 0 and "outbox" in told else None

        told = await until(sent, START_S, self.inference.log)
        return int(told["outbox"]["newestSequence"])


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    (folder / "frames").mkdir()
    manifest = minimal_manifest(ROUTES, {"capture": {}, "inference": DESIRED})
    with start_runtime(folder, manifest) as runtime:
        inference = InferenceProcess(runtime, folder, "inference", "default", models=write_crowd(folder / "models"))
        try:
            yield Site(runtime, inference)
        finally:
            inference.end()


async def test_kills_of_the_module_lose_and_double_nothing(tmp_path: Path) -> None:
    kills, chance = share(40), random.Random(SEED)
    async with site(tmp_path) as here:
        async with cameras(here.runtime, tmp_path, ("gate", "default")):
            for _ in range(kills):
                await here.until_more(PEOPLE // 2)
                await asyncio.sleep(chance.uniform(0, 1.5))
                here.inference.end()
                here.inference.start()
            await here.until_more(PEOPLE)
        assert here.inference.stop() == 0, here.inference.log()
        here.inference.start()
        await here.until_all_are_sent()
        events = here.events()
        check_stream(events)
        again = len(events) - len({event.dedup_key for event in events})
        print(
            f"{kills} kills: {len(events) - again} events of {len(episodes(events))} episodes, "
            f"{again} came again with an equal dedup key, none lost (seed {SEED})"
        )
        assert "Traceback" not in here.inference.log()


async def test_what_edge_hub_loses_is_noticed_and_sent_again(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        async with cameras(here.runtime, tmp_path, ("gate", "default")):
            await here.until_more(PEOPLE)
            here.runtime.set_upstream("off")
            before = here.runtime.status()["upstream"]["waiting"]
            await until(
                lambda: here.runtime.status()["upstream"]["waiting"] > before + 3 * PEOPLE, START_S, here.inference.log
            )
            # What the hub has acknowledged lies in its store alone: and that is lost with its volume.
            here.runtime.kill()
            with sqlite3.connect(here.runtime.state / "hub.sqlite") as store:
                lost = store.execute("DELETE FROM message").rowcount
            assert lost > 3 * PEOPLE
            here.runtime.start()
            await here.until_more(PEOPLE)
        holes = await until(lambda: missing(here.events()), START_S, here.inference.log)
        for first, last in holes:
            answer = await asyncio.to_thread(
                here.runtime.call_method, "inference", "resendEvents", {"from": first, "to": last}
            )
            assert (answer["status"], answer["payload"]["evicted"], answer["payload"]["notKept"]) == (200, [], [])
        await until(lambda: not missing(here.events()), START_S, here.inference.log)
        check_stream(here.events())


@pytest.mark.parametrize("state", ["off", "quota-exceeded"])
async def test_an_uplink_that_is_away_or_full_gets_everything_events_first(tmp_path: Path, state: str) -> None:
    async with site(tmp_path) as here:
        async with cameras(here.runtime, tmp_path, ("gate", "default")):
            await here.until_more(PEOPLE)
            here.runtime.set_upstream(state)
            had = len(here.runtime.upstream())
            await until(
                lambda: here.runtime.status()["upstream"]["waiting"] > 15 * PEOPLE, 2 * START_S, here.inference.log
            )
            waited = here.runtime.status()["upstream"]["waiting"]
            assert len(here.runtime.upstream()) == had, "nothing came through"
            here.runtime.set_upstream("on")
            await until(lambda: len(here.runtime.upstream()) >= had + waited, START_S, here.inference.log)
        outputs = [entry["output"] for entry in here.runtime.upstream()[had : had + waited]]
        events = outputs.count("events")
        assert events > 5 * PEOPLE
        assert outputs[:events] == ["events"] * events, "a detection came before an event"
        assert (here.runtime.status()["upstream"]["refused"] > 0) == (state == "quota-exceeded")
        check_stream(here.events())
