"""Sends what is queued to the hub, several messages at a time, and tries again where that may help."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.errors import HubError
from safetygear.hub.port import HubPort
from safetygear_inference.publishing.send_queue import MAX_AGE_S, PRIORITY, Evicted, Lane, Outgoing, SendQueue

IN_FLIGHT = 8
"""Sends waiting for their PUBACK at a time: at edgeHub's tail of 50 ms that still is 160 messages a second."""
FIRST_RETRY_S, RETRY_CEILING_S = 0.2, 2.0

log = logging.getLogger(__name__)


class Sender:
    """Owns the queue.

    `on_lost` is told of each message that will never be sent, so that its budget is given back; `on_sent` of each that
    the hub has taken (PUBACK), so that the outbox stops offering it.
    """

    def __init__(
        self,
        hub: HubPort,
        clock: Clock,
        *,
        on_lost: Callable[[Outgoing], None],
        on_sent: Callable[[Outgoing], None] = lambda outgoing: None,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._on_lost = on_lost
        self._on_sent = on_sent
        self._queue = SendQueue()
        self._wake = asyncio.Event()
        self._failing_since_s: float | None = None
        self._busy = 0
        self.sent: Counter[str] = Counter()
        """Messages the hub has taken, by lane, since the start; so are the next three."""
        self.retries = 0
        self.maybe_duplicated = 0
        """Messages sent again although the hub may have taken them the first time."""
        self.refused: Counter[str] = Counter()
        """Messages the hub will never take, by error code."""

    def submit(self, outgoing: Outgoing) -> bool:
        """Queue a message. False: the lane of events is full, and the caller keeps the message."""
        taken, evicted = self._queue.put(outgoing)
        self._lose(evicted)
        self._wake.set()
        return taken

    async def run(self) -> None:
        """Send until cancelled. One of the senders leaves detections alone: events never wait behind them.

        Raises an ExceptionGroup of HubError where the connection is beyond repair.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_from(("events", "health")), name="send-important")
            for number in range(IN_FLIGHT - 1):
                group.create_task(self._send_from(PRIORITY), name=f"send-{number}")

    async def drain(self, timeout_s: float) -> int:
        """Wait until everything is sent, at most `timeout_s`; returns the number of messages left behind."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while (len(self._queue) or self._busy) and self._clock.monotonic_s() < deadline_s:
            await self._clock.sleep(0.02)
        return len(self._queue) + self._busy

    def depth(self, lane: Lane) -> int:
        """Messages waiting in a lane, those in flight not counted."""
        return self._queue.depth(lane)

    def evicted(self) -> dict[str, int]:
        """Since the start, by `<lane>-<reason>`."""
        return self._queue.evicted() | {f"refused-{code}": count for code, count in self.refused.items()}

    async def _send_from(self, lanes: tuple[Lane, ...]) -> None:
        while True:
            outgoing, expired = self._queue.take(self._clock.monotonic_s(), lanes=lanes)
            self._lose(expired)
            if outgoing is None:
                # No await between the look into the queue and this: a put in between can't be missed.
                self._wake.clear()
                await self._wake.wait()
                continue
            self._busy += 1
            try:
                await self._send(outgoing)
            finally:
                self._busy -= 1

    async def _send(self, outgoing: Outgoing) -> None:
        backoff = Backoff(first_s=FIRST_RETRY_S, ceiling_s=RETRY_CEILING_S, random=random.Random())
        attempts = 0
        while True:
            try:
                if not self._hub.connected:
                    raise HubError("no connection to edgeHub", code="hub-unreachable")
                attempts += 1
                await self._hub.send(outgoing.message)
            except HubError as exc:
                if exc.code == "message-too-large":
                    self.refused[exc.code] += 1
                    self._on_lost(outgoing)
                    log.warning("a message to %s can't be sent: %s", outgoing.message.output, exc)
                    return
                if not exc.retryable:
                    raise  # no message will ever pass: the module ends, and edgeAgent starts it again
                self._note_failure(exc)
                if self._clock.monotonic_s() - outgoing.queued_s > MAX_AGE_S[outgoing.lane]:
                    self.refused["expired"] += 1
                    self._on_lost(outgoing)
                    return
                await self._clock.sleep(backoff.next_s())
            else:
                self.sent[outgoing.lane] += 1
                # Each earlier attempt was made on a connection: the hub may hold the message although no PUBACK came.
                self.retries += attempts - 1
                self.maybe_duplicated += attempts > 1
                self._note_success()
                self._on_sent(outgoing)
                return

    def _note_failure(self, exc: HubError) -> None:
        if self._failing_since_s is None:
            self._failing_since_s = self._clock.monotonic_s()
            log.warning("the hub takes no messages (%s); they wait, and the oldest detections go first", exc)

    def _note_success(self) -> None:
        if self._failing_since_s is not None:
            log.info("the hub takes messages again after %.1f s", self._clock.monotonic_s() - self._failing_since_s)
            self._failing_since_s = None

    def _lose(self, evicted: list[Evicted]) -> None:
        for lost in evicted:
            self._on_lost(lost.outgoing)
