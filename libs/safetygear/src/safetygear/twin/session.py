"""Follows the desired properties and keeps the reported ones in step."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from safetygear.clock import Clock
from safetygear.errors import HubError
from safetygear.hub.port import HubPort, Json
from safetygear.twin.desired import DesiredState
from safetygear.twin.fitting import Fitting
from safetygear.twin.last_good import OF_EARLIER_RUN, told
from safetygear.twin.reading import FieldError, read_desired
from safetygear.twin.reported import ReportedState

REPORT_EVERY_S = 1.0
REPORT_AGAIN_S = 10.0
"""After the hub refused a patch."""
PATCHES_KEPT = 32
TWIN_WITHIN_S = 10.0
"""So long a start waits for the twin where it has something else to begin with."""
UNREAD: Final = FieldError(
    path="",
    code="twin-unread",
    message="the twin could not be read since the start: what was in force in the earlier run is, until it can",
)

log = logging.getLogger(__name__)


T = TypeVar("T", bound=msgspec.Struct)


class LastGood(Protocol[T]):
    """Where a config outlives the process (`LastGoodKeeper`)."""

    def recall(self) -> T | None: ...

    def keep(self, config: T) -> None: ...


def _nothing() -> None:
    pass


class TwinSession(Generic[T]):
    """`kind`: the module's config type. `apply` is called with each new config; `report` makes the whole reported half
    whenever it is looked at. Without `last_good` what was in force is forgotten with the process."""

    def __init__(
        self,
        kind: type[T],
        hub: HubPort,
        clock: Clock,
        *,
        apply: Callable[[T], None],
        report: Callable[[], dict[str, Json]],
        on_reported: Callable[[], None] = _nothing,
        last_good: LastGood[T] | None = None,
    ) -> None:
        self.errors: tuple[FieldError, ...] = ()
        self._kind = kind
        self._hub = hub
        self._clock = clock
        self._apply = apply
        self._report = report
        self._on_reported = on_reported
        self._last_good = last_good
        self._patches: asyncio.Queue[Mapping[str, Json]] = asyncio.Queue(PATCHES_KEPT)
        self._desired = DesiredState()
        self._reported = ReportedState()
        self._fitting = Fitting()
        self._config: T | None = None
        self._of_earlier_run: frozenset[str] | None = None
        """What still has the value of an earlier run; None before the first twin of this one."""
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

    async def begin(self) -> None:
        """The first config. Where the hub does not tell the twin, it is that of the earlier run, until `follow` has
        read it. Raises HubError where there is none, or where only a restart helps."""
        self._config = self._last_good.recall() if self._last_good is not None else None
        if self._config is None:
            await self.load()
            return
        try:
            await self._load_in_time()
        except HubError as exc:
            if not exc.retryable:
                raise
            log.warning("the twin can't be read yet (%s): what was in force in the earlier run is until then", exc)
            self.errors = (UNREAD,)
            self._apply(self._config)
            self.on_patch({})  # has no version: the twin is read again

    async def load(self) -> None:
        """Read the whole twin and apply it. Raises HubError."""
        twin = await self._hub.read_twin()
        # An edgeHub that is offline and has not stored the twin answers with an empty one; a real one has a version.
        unknown = "$version" not in twin.desired
        if unknown and self._config is not None:
            raise HubError("edgeHub does not know this module's twin yet", code="twin-unknown")
        self._desired.load(twin.desired)
        self._reported = ReportedState(twin.reported)
        self._take()
        if unknown:
            self.on_patch({})

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
            if self._of_earlier_run is None:
                continue  # what an earlier process told is not known yet
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

    async def _load_in_time(self) -> None:
        """`load`. Raises HubError where it takes longer than a start may wait."""
        reading = asyncio.ensure_future(self.load())
        late = asyncio.ensure_future(self._clock.sleep(TWIN_WITHIN_S))
        try:
            await asyncio.wait((reading, late), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                raise HubError(f"no answer in {TWIN_WITHIN_S:g} s", code="hub-timeout")
            await reading
        finally:
            late.cancel()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, HubError):
                await reading

    def _take(self) -> None:
        earlier = self._config is not None and self._of_earlier_run is None
        reading = read_desired(self._kind, self._desired.value, last_good=self._config)
        # What was wrong at the start and has been wrong ever since.
        known = self._of_earlier_run or frozenset()
        self._of_earlier_run = reading.stays if earlier else reading.stays & known
        errors = told(reading.errors, self._of_earlier_run)
        for error in errors:
            if error not in self.errors:
                stays = "" if error.message.endswith(OF_EARLIER_RUN) else "; the last good value stays"
                log.warning("desired property %s: %s (%s)%s", error.path, error.message, error.code, stays)
        self.errors, self._config = errors, reading.config
        self._apply(reading.config)
        if self._last_good is not None and self._desired.version:
            self._last_good.keep(reading.config)
