"""Follows the desired properties and keeps the reported ones in step."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from safetygear.clock import Clock
from safetygear.errors import HubError
from safetygear.hub.port import HubPort, Json
from safetygear.twin.desired import DesiredState
from safetygear.twin.fitting import Fitting
from safetygear.twin.reading import FieldError, read_desired
from safetygear.twin.reported import ReportedState

REPORT_EVERY_S = 1.0
REPORT_AGAIN_S = 10.0
"""After the hub refused a patch."""
PATCHES_KEPT = 32

log = logging.getLogger(__name__)


T = TypeVar("T", bound=msgspec.Struct)


def _nothing() -> None:
    pass


class TwinSession(Generic[T]):
    """`kind`: the module's config type. `apply` is called with each new config; `report` makes the whole reported half
    whenever it is looked at."""

    def __init__(
        self,
        kind: type[T],
        hub: HubPort,
        clock: Clock,
        *,
        apply: Callable[[T], None],
        report: Callable[[], dict[str, Json]],
        on_reported: Callable[[], None] = _nothing,
    ) -> None:
        self.errors: tuple[FieldError, ...] = ()
        self._kind = kind
        self._hub = hub
        self._clock = clock
        self._apply = apply
        self._report = report
        self._on_reported = on_reported
        self._patches: asyncio.Queue[Mapping[str, Json]] = asyncio.Queue(PATCHES_KEPT)
        self._desired = DesiredState()
        self._reported = ReportedState()
        self._fitting = Fitting()
        self._config: T | None = None
        self._was_away = False

    @property
    def desired_version(self) -> int:
        """`$version` of the desired properties that are in force."""
        return self._desired.version

    @property
    def reported(self) -> dict[str, Json]:
        """The reported half as the hub has it; after `load`, what an earlier process told."""
        return self._reported.value

    def on_patch(self, patch: Mapping[str, Json]) -> None:
        """The hub's handler: only enqueues. Too many at once are replaced by one that means "read the twin"."""
        if self._patches.full():
            while not self._patches.empty():
                self._patches.get_nowait()
            patch = {}
        self._patches.put_nowait(patch)

    def on_connection(self, connected: bool) -> None:
        """The hub's handler: a hub keeps no patches for a module that is away, so after that the twin is read again."""
        if connected and self._was_away:
            self.on_patch({})
        self._was_away = not connected

    async def load(self) -> None:
        """Read the whole twin and apply it. Raises HubError."""
        twin = await self._hub.read_twin()
        self._desired.load(twin.desired)
        self._reported = ReportedState(twin.reported)
        self._take()

    async def follow(self) -> None:
        """Apply each patch until cancelled; read the twin again where one was missed."""
        while True:
            patch = await self._patches.get()
            if self._desired.patch(patch):
                self._take()
                continue
            try:
                await self.load()
            except HubError as exc:
                log.warning("the twin could not be read (%s); tried again in %.0f s", exc, REPORT_AGAIN_S)
                await self._clock.sleep(REPORT_AGAIN_S)
                self.on_patch({})  # has no version: the twin is read again

    async def keep_reported(self) -> None:
        """Send what has changed of the reported half, at most once a second, until cancelled."""
        while True:
            await self._clock.sleep(REPORT_EVERY_S)
            patch = self._reported.change(self._fitting.fit(self._report()))
            if patch is None:
                continue
            try:
                await self._hub.report(patch)
            except HubError as exc:
                log.warning("reported properties were not taken (%s); tried again in %.0f s", exc, REPORT_AGAIN_S)
                await self._clock.sleep(REPORT_AGAIN_S)
            else:
                self._reported.acknowledged(patch)
                self._on_reported()

    def _take(self) -> None:
        reading = read_desired(self._kind, self._desired.value, last_good=self._config)
        for error in reading.errors:
            if error not in self.errors:
                log.warning(
                    "desired property %s: %s (%s); the last good value stays", error.path, error.message, error.code
                )
        self.errors, self._config = reading.errors, reading.config
        self._apply(reading.config)
