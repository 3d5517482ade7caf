"""Events and their pictures: the picture first, then the event; in order, in time, and whatever the pictures do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage, EventState, Evidence
from safetygear_inference.compliance.episode import EpisodeChange
from safetygear_inference.event_keeper import PICTURES_WAIT_S, EventKeeper
from safetygear_inference.judging.judges import Judges
from safetygear_inference.problems import Problems
from support.outbox import inline


def change(name: str, state: EventState = "open") -> EpisodeChange:
    return EpisodeChange(
        state=state, id=name, dedup_key=f"{name}:{state}", camera="gate", zone="default", rule="no-helmet",
        severity="medium", track="t", seen_as="t", reason="missing-helmet", confidence=0.9, began_at_s=1.0,
        opened_at_s=2.0, updated_at_s=3.0, closed_at_s=3.0 if state == "closed" else None,
        close_reason="left" if state == "closed" else None, violating_s=1.0,
    )  # fmt: skip


class Pictures:
    """Has a picture of an episode once it is `ready`; otherwise it takes all the time there is."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.ready: set[str] = set()
        self.stored: dict[str, Evidence] = {}
        self.waited_s: list[float] = []

    def known(self, episode: str) -> Evidence | None:
        return self.stored.get(episode)

    async def attach(self, event: EventMessage, *, until_s: float) -> EventMessage:
        self.waited_s.append(until_s - self.clock.monotonic_s())
        while event.id not in self.ready and self.clock.monotonic_s() < until_s:
            await self.clock.sleep(0.1)
        if event.id not in self.ready:
            return msgspec.structs.replace(event, evidence_missing="late")
        self.stored[event.id] = Evidence(uri=f"/evidence/{event.id}.jpg", sha256="0" * 64, blurred=True)
        return msgspec.structs.replace(event, evidence=self.stored[event.id])


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.pictures = Pictures(self.clock)
        self.taken: list[OutgoingMessage] = []
        self.shown: list[EventMessage] = []
        self.too_early: list[str] = []
        self.keeper = EventKeeper(
            folder, Judges(origin="d/i", token="a"), self._submit, Problems(), self.clock, shard="default",
            off_loop=inline,
        )  # fmt: skip
        self.keeper.pictures = self.pictures
        self.keeper.on_event = self.shown.append
        self.task: asyncio.Task[None] | None = None

    def _submit(self, message: OutgoingMessage) -> bool:
        self.taken.append(message)
        event = decode(message.body, EventMessage)
        if event.evidence is not None and event.evidence not in self.pictures.stored.values():
            self.too_early.append(event.id)
        asyncio.get_running_loop().call_soon(self.keeper.pump.sent, message)
        return True

    def events(self) -> list[tuple[str, str, bool, str | None]]:
        found = [decode(message.body, EventMessage) for message in self.taken]
        found.sort(key=lambda event: event.event_sequence)
        return [(event.id, event.state, event.evidence is not None, event.evidence_missing) for event in found]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.keeper.begin()
    made.task = asyncio.create_task(made.keeper.run())
    await made.clock.advance(0.1)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)
    made.keeper._outbox.close()


async def test_an_event_is_stored_after_its_picture(world: World) -> None:
    world.keeper.tell([change("a")])
    await world.clock.advance(0.5)
    assert world.events() == []
    world.pictures.ready.add("a")
    await world.clock.advance(0.2)
    assert world.events() == [("a", "open", True, None)]
    assert world.too_early == []
    assert [(event.id, event.evidence is not None) for event in world.shown] == [("a", False), ("a", True)]


async def test_a_picture_that_does_not_come_holds_events_up_for_so_long_and_all_together(world: World) -> None:
    world.keeper.tell([change(name) for name in "abc"])
    await world.clock.advance(PICTURES_WAIT_S + 0.3)
    assert world.events() == [(name, "open", False, "late") for name in "abc"]
    assert max(world.pictures.waited_s) == pytest.approx(PICTURES_WAIT_S)
    assert world.pictures.waited_s[-1] <= 0.2


async def test_what_is_told_meanwhile_keeps_its_order_and_gets_its_picture(world: World) -> None:
    world.keeper.tell([change("a")])
    await world.clock.advance(0.2)
    world.keeper.tell([change("a", "closed"), change("b")])
    world.pictures.ready |= {"a", "b"}
    await world.clock.advance(0.5)
    assert world.events() == [("a", "open", True, None), ("a", "closed", True, None), ("b", "open", True, None)]


async def test_a_later_event_names_the_picture_from_the_start(world: World) -> None:
    world.pictures.ready.add("a")
    world.keeper.tell([change("a")])
    await world.clock.advance(0.3)
    world.keeper.tell([change("a", "update")])
    assert world.shown[-1].evidence is not None


async def test_a_module_that_stops_waits_for_no_picture(world: World) -> None:
    assert world.task is not None
    world.task.cancel()
    await asyncio.gather(world.task, return_exceptions=True)
    world.keeper.tell([change("a")])
    await asyncio.wait_for(world.keeper.stop(), 5)
    health = world.keeper.health
    assert health is not None
    assert health.depth == 1
