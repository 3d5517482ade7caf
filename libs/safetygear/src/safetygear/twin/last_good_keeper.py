"""Keeps what is in force on the module's disk. A disk that fails is a named problem: the module goes on without."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Generic, Literal, Protocol, TypeVar

import msgspec

from safetygear.clock import Clock
from safetygear.synced_files import replace_synced, why_not_written
from safetygear.twin.last_good import MAX_KEPT_BYTES, LastGoodError, packed, unpacked

FILE: Final = "last-good-twin.json"
AGAIN_S: Final = 60.0
"""After the disk has refused it."""
_FORGOTTEN: Final = "what is in force now will not outlive a restart"
OUTCOMES_DOC: Final = (
    "Configurations kept for a restart: `kept`, `failed`, `recalled` at the start, recalled and partly `left-out`, "
    "since this version can't use all of it, or `ignored-` by reason"
)

log = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)
OffLoop = Callable[[Callable[[Path, bytes], None], Path, bytes], Awaitable[None]]


class TwinProblems(Protocol):
    """Where a problem with it is told (`Problems`, which have a part `twin`)."""

    def raised(self, part: Literal["twin"], code: str, message: str) -> None: ...

    def solved(self, part: Literal["twin"]) -> None: ...


class LastGoodKeeper(Generic[T]):
    """`<folder>/last-good-twin.json`, for its owner (`DEVICE/MODULE`) alone. Belongs to the event loop."""

    def __init__(
        self,
        kind: type[T],
        folder: Path,
        owner: str,
        problems: TwinProblems,
        clock: Clock,
        *,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self._kind = kind
        self._path = folder / FILE
        self._owner = owner
        self._problems = problems
        self._clock = clock
        self._off_loop = off_loop
        self._wanted: T | None = None
        self._on_disk: bytes | None = None
        self._changed = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        """Since the start, by what OUTCOMES_DOC says."""

    def recall(self) -> T | None:
        """What was in force in the last run; None where nothing was kept, or nothing that can be used (logged).

        Blocks for one small file. Raises nothing.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_KEPT_BYTES + 1)
            reading = unpacked(self._kind, data, self._owner)
        except FileNotFoundError:
            return None
        except OSError as exc:
            self._ignored("unreadable", f"can't be read ({exc.strerror})")
            return None
        except LastGoodError as exc:
            self._ignored(exc.code, str(exc))
            return None
        self._on_disk = data
        self.outcomes["recalled"] += 1
        if reading.errors:
            self.outcomes["left-out"] += 1
            log.warning(
                "%s: %d values don't fit this version and are left out, first %s",
                self._path, len(reading.errors), reading.errors[0].path,
            )  # fmt: skip
        return reading.config

    def keep(self, config: T) -> None:
        """`config` is in force now."""
        self._wanted = config
        self._changed.set()

    async def run(self) -> None:
        """Put on the disk what is in force, in a thread, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not await self._save():
                await self._clock.sleep(AGAIN_S)
                self._changed.set()

    async def _save(self) -> bool:
        """Whether there is nothing to try again."""
        if self._wanted is None:
            return True
        try:
            data = packed(self._wanted, self._owner)
        except LastGoodError as exc:
            self.outcomes["failed"] += 1
            self._problems.raised("twin", exc.code, f"{self._path} {exc}: {_FORGOTTEN}")
            return True
        # Where nothing has changed since the last run, a flash disk is spared the write.
        if data != self._on_disk:
            try:
                await self._off_loop(replace_synced, self._path, data)
            except OSError as exc:
                code, message = why_not_written(exc, self._path)
                self.outcomes["failed"] += 1
                self._problems.raised("twin", code, f"{message}; {_FORGOTTEN}")
                return False
            self._on_disk = data
            self.outcomes["kept"] += 1
        self._problems.solved("twin")
        return True

    def _ignored(self, reason: str, why: str) -> None:
        self.outcomes[f"ignored-{reason}"] += 1
        log.warning("%s %s: ignored, no last good values of an earlier run", self._path, why)
