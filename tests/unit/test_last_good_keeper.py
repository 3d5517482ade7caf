"""What is in force outlives the process; a disk that fails costs that, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.problems import Problems
from safetygear.synced_files import replace_synced
from safetygear.twin.last_good import packed
from safetygear.twin.last_good_keeper import AGAIN_S, FILE, LastGoodKeeper

OWNER = "site-07/capture"


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    colour: str = "none"
    size_px: int = 0


class Disk:
    """In place of the thread that writes; `error`: what it answers."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.writes = 0

    async def off_loop(self, write: Callable[[Path, bytes], None], path: Path, data: bytes) -> None:
        assert write is replace_synced
        if self.error is not None:
            raise self.error
        self.writes += 1
        write(path, data)


class World:
    def __init__(self, folder: Path, owner: str = OWNER) -> None:
        self.disk, self.clock = Disk(), FakeClock()
        self.problems: Problems[Literal["twin"]] = Problems()
        self.keeper = LastGoodKeeper(Config, folder, owner, self.problems, self.clock, off_loop=self.disk.off_loop)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def keep(self, config: Config) -> None:
        self.keeper.keep(config)
        await self.clock.advance(0)


async def test_what_is_in_force_outlives_the_process_and_is_for_nobody_else(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.keeper.recall() is None
    async with world.running():
        await world.keep(Config(colour="red"))
        await world.keep(Config(colour="blue", size_px=5))
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    again = World(tmp_path)
    assert again.keeper.recall() == Config(colour="blue", size_px=5)
    assert (world.keeper.outcomes, again.keeper.outcomes) == ({"kept": 2}, {"recalled": 1})


async def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    first, second = World(tmp_path), World(tmp_path)
    async with first.running():
        await first.keep(Config(colour="red"))
        await first.keep(Config(colour="red"))
    second.keeper.recall()
    async with second.running():
        await second.keep(Config(colour="red"))
        assert (first.disk.writes, second.disk.writes) == (1, 0)
        await second.keep(Config(colour="blue"))
    assert second.disk.writes == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EROFS, "data-unwritable"), (errno.ENOSPC, "data-full"), (errno.ENOENT, "data-missing")],
)
async def test_a_disk_that_fails_is_a_named_problem_until_it_works(
    tmp_path: Path, number: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    world.disk.error = OSError(number, "no")
    async with world.running():
        await world.keep(Config(colour="red"))
        assert world.problems.as_document()["twin"]["code"] == code
        assert world.problems.as_document()["twin"]["message"].endswith(
            "what is in force now will not outlive a restart"
        )
        await world.keep(Config(colour="blue"))
        await world.clock.advance(3 * AGAIN_S)
        assert len(caplog.records) == 1, "it is said once"
        world.disk.error = None
        await world.clock.advance(AGAIN_S)
        assert world.problems.as_document() == {}
    assert World(tmp_path).keeper.recall() == Config(colour="blue")
    assert world.keeper.outcomes["failed"] >= 3


async def test_a_missing_folder_costs_only_the_memory(tmp_path: Path) -> None:
    world = World(tmp_path / "none")
    assert world.keeper.recall() is None
    async with world.running():
        await world.keep(Config())
        assert world.problems.as_document()["twin"]["code"] == "data-missing"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "damaged"),
        (b'{"layout": "safetygear.last-good-twin/2"}', "other-layout"),
        (packed(Config(colour="red"), "site-08/capture"), "other-module"),
        (b" " * (1 << 21), "too-large"),
        (None, "unreadable"),
    ],
    ids=["damaged", "another layout", "of another device", "far too large", "a folder"],
)
async def test_what_can_not_be_used_is_ignored_with_one_line_and_replaced(
    tmp_path: Path, content: bytes | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    if content is None:
        (tmp_path / FILE).mkdir()
    else:
        (tmp_path / FILE).write_bytes(content)
    world = World(tmp_path)
    assert world.keeper.recall() is None
    assert world.keeper.outcomes == {f"ignored-{reason}": 1}
    (record,) = caplog.records
    assert FILE in record.getMessage() and "ignored" in record.getMessage()
    if content is not None:
        async with world.running():
            await world.keep(Config(colour="blue"))
        assert World(tmp_path).keeper.recall() == Config(colour="blue")


def test_what_this_version_can_not_use_is_left_out_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Newer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
        colour: str = "red"
        size_px: str = "large"
        depth: int = 3

    (tmp_path / FILE).write_bytes(packed(Newer(), OWNER))
    world = World(tmp_path)
    assert world.keeper.recall() == Config(colour="red")
    assert world.keeper.outcomes == {"recalled": 1, "left-out": 1}
    (record,) = caplog.records
    assert "2 values" in record.getMessage() and "first depth" in record.getMessage()


async def test_what_is_too_large_is_told_and_not_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.running():
        await world.keep(Config(colour="x" * (1 << 21)))
        assert world.problems.as_document()["twin"]["code"] == "too-large"
        await world.clock.advance(3 * AGAIN_S)
        assert world.keeper.outcomes == {"failed": 1}
        await world.keep(Config(colour="red"))
        assert world.problems.as_document() == {}
