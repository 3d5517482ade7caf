"""A module follows its desired properties and keeps the reported ones in step, with the fake hub on a fake clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import HubError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers
from safetygear.twin.session import PATCHES_KEPT, REPORT_AGAIN_S, REPORT_EVERY_S, TwinSession


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    colour: str = "none"
    size_px: int = 0


class World:
    def __init__(self) -> None:
        self.hub = FakeHub({"colour": "red"})
        self.clock = FakeClock()
        self.applied: list[Config] = []
        self.state: dict[str, Any] = {"n": 1}
        self.told = 0
        self.session = TwinSession(
            Config, self.hub, self.clock, apply=self.applied.append, report=lambda: self.state, on_reported=self._tell
        )

    def _tell(self) -> None:
        self.told += 1

    @property
    def colours(self) -> list[str]:
        return [config.colour for config in self.applied]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.hub.open(HubHandlers(on_desired_patch=made.session.on_patch, on_connection=made.session.on_connection))
    await made.session.load()
    tasks = [asyncio.create_task(made.session.follow()), asyncio.create_task(made.session.keep_reported())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_whole_twin_first_then_each_patch(world: World) -> None:
    assert world.applied == [Config(colour="red")]
    assert world.session.desired_version == 1
    world.hub.patch_desired({"sizePx": 5})
    world.hub.patch_desired({"colour": None})
    await world.clock.advance(0)
    assert world.applied[1:] == [Config(colour="red", size_px=5), Config(size_px=5)]
    assert world.session.desired_version == 3


async def test_a_bad_value_is_told_and_the_last_good_one_stays(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.hub.patch_desired({"sizePx": 5})
    world.hub.patch_desired({"sizePx": "large", "colour": "blue"})
    world.hub.patch_desired({"colour": "green"})
    await world.clock.advance(0)
    assert world.applied[-1] == Config(colour="green", size_px=5)
    assert [(error.path, error.code) for error in world.session.errors] == [("sizePx", "wrong-type")]
    assert len([r for r in caplog.records if "sizePx" in r.getMessage()]) == 1, "one line, not one per patch"
    world.hub.patch_desired({"sizePx": 6})
    await world.clock.advance(0)
    assert world.session.errors == () and world.applied[-1].size_px == 6


async def test_a_missed_patch_makes_it_read_the_twin_again(world: World) -> None:
    world.hub.set_connected(False)
    world.hub.patch_desired({"colour": "missed"})
    world.hub.set_connected(True)
    world.hub.patch_desired({"sizePx": 7})
    await world.clock.advance(0)
    assert world.applied[-1] == Config(colour="missed", size_px=7)
    assert world.session.desired_version == 3


async def test_a_patch_that_was_missed_is_noticed_when_the_connection_is_back(world: World) -> None:
    world.hub.set_connected(False)
    world.hub.patch_desired({"colour": "missed"})
    world.hub.set_connected(True)
    await world.clock.advance(0)
    assert world.colours == ["red", "missed"]


async def test_a_twin_that_cannot_be_read_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.hub.set_connected(False)
    world.hub.patch_desired({"colour": "blue"})
    world.hub.set_connected(True)
    world.hub.fail_next(HubError("no answer", code="hub-timeout"))
    await world.clock.advance(REPORT_AGAIN_S - 1)
    assert world.colours == ["red"]
    assert "the twin could not be read" in caplog.text
    await world.clock.advance(2)
    assert world.colours == ["red", "blue"]


async def test_too_many_patches_at_once_become_one_reading_of_the_twin(world: World) -> None:
    for number in range(PATCHES_KEPT + 5):
        world.hub.patch_desired({"sizePx": number})
    await world.clock.advance(0)
    assert world.applied[-1].size_px == PATCHES_KEPT + 4
    assert len(world.applied) < 10


async def test_what_would_not_fit_the_hub_is_shortened(world: World) -> None:
    entry = {"state": "streaming", "reason": "ok", "since": "2026-11-25T08:59:14.102Z"}
    world.state = {"cameras": {f"{number:03}".ljust(64, "x"): entry for number in range(256)}}
    await world.clock.advance(REPORT_EVERY_S)
    assert world.hub.reported["shortened"] == {"leftOut": "camera-details", "camerasLeftOut": 0}
    assert len(world.hub.reported["cameras"]) == 256


async def test_only_what_changes_is_reported_at_most_once_a_second(world: World) -> None:
    await world.clock.advance(REPORT_EVERY_S)
    assert (world.hub.reported, world.told) == ({"n": 1}, 1)
    version = (await world.hub.read_twin()).reported["$version"]
    await world.clock.advance(5)
    assert (await world.hub.read_twin()).reported["$version"] == version, "nothing has changed"
    world.state = {"n": 2}
    world.state = {"m": 3}
    await world.clock.advance(REPORT_EVERY_S)
    assert (world.hub.reported, world.told) == ({"m": 3}, 2)
    assert (await world.hub.read_twin()).reported["$version"] == version + 1


async def test_what_the_hub_did_not_take_is_sent_again(world: World) -> None:
    world.hub.fail_next(HubError("no connection", code="hub-unreachable"))
    await world.clock.advance(REPORT_EVERY_S)
    assert (world.hub.reported, world.told) == ({}, 0)
    world.state = {"n": 1, "m": 2}
    await world.clock.advance(REPORT_AGAIN_S + REPORT_EVERY_S)
    assert (world.hub.reported, world.told) == ({"n": 1, "m": 2}, 1)


async def test_what_an_earlier_run_has_left_is_removed() -> None:
    world = World()
    await world.hub.open(HubHandlers())
    await world.hub.report({"old": {"a": 1}, "n": 1})
    await world.session.load()
    task = asyncio.create_task(world.session.keep_reported())
    await world.clock.advance(REPORT_EVERY_S)
    assert world.hub.reported == {"n": 1}
    task.cancel()


async def test_without_a_hub_the_first_reading_fails_for_its_caller() -> None:
    world = World()
    with pytest.raises(HubError, match="not opened"):
        await world.session.load()
    assert world.applied == []
