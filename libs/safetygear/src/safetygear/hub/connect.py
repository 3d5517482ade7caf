"""The first connection: the SDK doesn't retry it."""

from __future__ import annotations

import logging
from typing import Protocol

from safetygear.clock import Clock
from safetygear.errors import HubError
from safetygear.hub.port import HubHandlers, HubPort

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
