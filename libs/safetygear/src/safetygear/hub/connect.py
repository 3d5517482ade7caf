"""The first connection: the SDK doesn't retry it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final, Protocol

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.errors import HubError
from safetygear.hub.port import HubHandlers, HubPort

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0

log = logging.getLogger(__name__)


class Delays(Protocol):
    """Where the pauses between attempts come from (`backoff.Backoff`)."""

    def next_s(self) -> float: ...


async def open_with_retry(
    hub: HubPort, handlers: HubHandlers, *, clock: Clock, backoff: Delays, give_up_s: float = 300.0
) -> None:
    """Open the hub, one clear line per failed attempt.

    Raises HubError at once where retrying can't help, else after `give_up_s`: the module then ends, and edgeAgent
    decides.
    """
    started_s = clock.monotonic_s()
    while True:
        try:
            await hub.open(handlers)
        except HubError as exc:
            waited_s = clock.monotonic_s() - started_s
            if not exc.retryable or waited_s >= give_up_s:
                raise
            pause_s = backoff.next_s()
            log.warning("edgeHub can't be reached (%s); next attempt in %.1f s", exc, pause_s)
            await clock.sleep(pause_s)
        else:
            log.info("connected to edgeHub after %.1f s", clock.monotonic_s() - started_s)
            return


async def open_unless_stopped(hub: HubPort, handlers: HubHandlers, stopping: asyncio.Event, clock: Clock) -> bool:
    """`open_with_retry` for a module that may be told to stop meanwhile: False then. Raises HubError."""
    backoff = Backoff(first_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S)
    connecting = asyncio.create_task(open_with_retry(hub, handlers, clock=clock, backoff=backoff))
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((connecting, told), return_when=asyncio.FIRST_COMPLETED)
        if connecting.done():
            await connecting
            return True
        return False
    finally:
        told.cancel()
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError, HubError):
            await connecting
