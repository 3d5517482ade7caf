"""A module follows its desired properties and keeps the reported ones in step, with the fake hub on a fake clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import HubError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, Twin
from safetygear.twin.last_good import OF_EARLIER_RUN
from safetygear.twin.session import (
    PATCHES_KEPT,
    REPORT_AGAIN_S,
    REPORT_EVERY_S,
    TWIN_WITHIN_S,
    UNREAD,
    TwinSession,
)


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    colour: str = "none"
    size_px: int = 0


class Memory:
    """What outlives a run."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config

    def recall(self) -> Config | None:
        return self.config

    def keep(self, config: Config) -> None:
        self.config = config


class SlowHub(FakeHub):
    """An edgeHub that may be slow to tell the twin, fail to, or not know it."""

    def __init__(self, desired: dict[str, Any]) -> None:
        super().__init__(desired)
        self.answers = asyncio.Event()
        self.answers.set()
        self.knows = True
        self.error: HubError | None = None

    async def read_twin(self) -> Twin:
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return await super().read_twin() if self.knows else Twin(desired={}, reported={})


class World:
    def __init__(self, desired: dict[str, Any] | None = None, memory: Memory | None = None) -> None:
        self.hub = SlowHub({"colour": "red"} if desired is None else desired)
        self.clock = FakeClock()
        self.applied: list[Config] = []
        self.state: dict[str, Any] = {"n": 1}
        self.told = 0
        self.session = TwinSession(
            Config,
            self.hub,
            self.clock,
            apply=self.applied.append,
            report=lambda: self.state,
            on_reported=self._tell,
            last_good=memory,
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


# Over a restart


@contextlib.asynccontextmanager
async def run_of(world: World) -> AsyncIterator[World]:
    """A run of the module, from its start to its end."""
    session = world.session
    await world.hub.open(HubHandlers(on_desired_patch=session.on_patch, on_connection=session.on_connection))
    beginning = asyncio.create_task(session.begin())
    await world.clock.advance(0)
    if not beginning.done():
        await world.clock.advance(TWIN_WITHIN_S)
    if not beginning.done():
        beginning.cancel()
        raise AssertionError("the start waits for the twin")
    await beginning
    tasks = [asyncio.create_task(session.follow()), asyncio.create_task(session.keep_reported())]
    try:
        yield world
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_still_wrong_after_a_restart_has_the_value_of_the_run_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory()
    async with run_of(World({"colour": "red", "sizePx": 5}, memory)) as world:
        world.hub.patch_desired({"sizePx": "large"})
        await world.clock.advance(0)
        assert OF_EARLIER_RUN not in world.session.errors[0].message
    caplog.clear()
    async with run_of(World({"colour": "blue", "sizePx": "large"}, memory)) as world:
        assert world.applied == [Config(colour="blue", size_px=5)]
        (error,) = world.session.errors
        assert (error.path, error.code) == ("sizePx", "wrong-type")
        assert error.message == f'must be a whole number, not "large"{OF_EARLIER_RUN}'
        world.hub.patch_desired({"colour": "green"})
        await world.clock.advance(0)
        assert world.session.errors == (error,)
        assert len([r for r in caplog.records if "sizePx" in r.getMessage()]) == 1, "one line, not one per patch"
        world.hub.patch_desired({"sizePx": 6})
        world.hub.patch_desired({"sizePx": "huge"})
        await world.clock.advance(0)
        assert world.applied[-1] == Config(colour="green", size_px=6)
        assert OF_EARLIER_RUN not in world.session.errors[0].message, "it is of this run"
    assert memory.config == Config(colour="green", size_px=6)


async def test_what_is_right_after_a_restart_is_taken_and_what_is_gone_has_its_default() -> None:
    memory = Memory(Config(colour="red", size_px=5))
    async with run_of(World({"colour": "blue"}, memory)) as world:
        assert world.applied == [Config(colour="blue")]
        assert world.session.errors == ()
    assert memory.config == Config(colour="blue")


@pytest.mark.parametrize("how", ["fails", "is late", "does not know it"])
async def test_without_the_twin_it_starts_with_what_was_in_force(how: str, caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory(Config(colour="red", size_px=5))
    world = World({"colour": "blue"}, memory)
    if how == "fails":
        world.hub.error = HubError("no answer", code="hub-timeout")
    elif how == "is late":
        world.hub.answers.clear()
    else:
        world.hub.knows = False
    async with run_of(world):
        assert world.applied == [Config(colour="red", size_px=5)]
        assert (world.session.errors, world.session.desired_version) == ((UNREAD,), 0)
        assert "what was in force in the earlier run" in caplog.text
        assert memory.config == Config(colour="red", size_px=5)
        await world.clock.advance(REPORT_EVERY_S + 1)
        assert world.hub.reported == {}, "what is reported there is not known yet"
        world.hub.answers.set()
        world.hub.knows, world.hub.error = True, None
        await world.clock.advance(REPORT_AGAIN_S + REPORT_EVERY_S + 1)
        assert world.applied[1:] == [Config(colour="blue")]
        assert (world.session.errors, world.hub.reported) == ((), {"n": 1})
    assert memory.config == Config(colour="blue")


async def test_with_the_twin_in_force_an_edge_hub_that_has_forgotten_it_changes_nothing() -> None:
    memory = Memory()
    async with run_of(World({"colour": "red"}, memory)) as world:
        world.hub.knows = False
        world.hub.set_connected(False)
        world.hub.set_connected(True)
        await world.clock.advance(REPORT_AGAIN_S + 1)
        assert world.colours == ["red"]
        world.hub.knows = True
        world.hub.patch_desired({"colour": "blue"})
        await world.clock.advance(REPORT_AGAIN_S + 1)
        assert world.colours[-1] == "blue"
    assert memory.config == Config(colour="blue")


async def test_with_nothing_kept_an_unknown_twin_is_the_defaults_until_it_is_known() -> None:
    memory = Memory()
    world = World({"colour": "red"}, memory)
    world.hub.knows = False
    async with run_of(world):
        assert world.applied == [Config()]
        assert memory.config is None, "these were nobody's wish"
        world.hub.knows = True
        await world.clock.advance(REPORT_AGAIN_S + 1)
        assert world.applied[1:] == [Config(colour="red")]


@pytest.mark.parametrize(
    ("memory", "retryable"), [(Memory(), True), (Memory(Config(colour="red")), False), (None, True)]
)
async def test_with_nothing_kept_or_where_only_a_restart_helps_the_start_fails(
    memory: Memory | None, retryable: bool
) -> None:
    world = World(memory=memory)
    await world.hub.open(HubHandlers())
    world.hub.error = HubError("no", code="hub-timeout", retryable=retryable)
    with pytest.raises(HubError, match="no"):
        await world.session.begin()
    assert world.applied == []
