"""Moves events from the outbox into the sender's lane, and notes what the hub has taken.

Only a few are handed over at a time, so that an open that comes now does not wait behind a night's updates. An event
counts as in flight until its PUBACK has been *noted*: where the disk fails meanwhile it is not sent again, but the note
is tried again. After the process's death it is sent again, with the same dedup key.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.hub.port import OutgoingMessage
from safetygear_inference.outbox.outbox import Outbox
from safetygear_inference.outbox.store import EventKey, OutboxError, StoredEvent

OUTPUT = "events"
WINDOW = 16
"""Twice what the sender has in flight: it never waits for the disk."""
FIRST_RETRY_S, RETRY_CEILING_S = 0.5, 30.0
LANE_FULL_PAUSE_S = 1.0
EXPIRE_EVERY_S = 600.0

T = TypeVar("T")


class OffLoop(Protocol):
    """Runs a blocking call elsewhere (asyncio.to_thread)."""

    def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Awaitable[T]: ...


class Pump:
    """`submit` takes a message into the lane of events, or refuses it (the lane is full).

    `on_problem(code, message)`: the disk fails, and it is tried again; `on_solved()`: it works again.
    """

    def __init__(
        self,
        outbox: Outbox,
        submit: Callable[[OutgoingMessage], bool],
        clock: Clock,
        *,
        on_problem: Callable[[str, str], None] = lambda code, message: None,
        on_solved: Callable[[], None] = lambda: None,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self._outbox = outbox
        self._submit = submit
        self._clock = clock
        self._on_problem = on_problem
        self._on_solved = on_solved
        self._off_loop = off_loop
        self._in_flight: dict[str, EventKey] = {}
        self._taken: set[str] = set()
        self._refused: set[str] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    def sent(self, message: OutgoingMessage) -> None:
        """The hub has taken `message`."""
        self._note(message, self._taken)

    def lost(self, message: OutgoingMessage) -> None:
        """The hub will never take `message`."""
        self._note(message, self._refused)

    async def run(self) -> None:
        """Work until cancelled, through every failure of the disk."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._through_failures(self._move, None), name="outbox-move")
            group.create_task(self._through_failures(self._outbox_expire, EXPIRE_EVERY_S), name="outbox-expire")

    async def flush(self) -> None:
        """Note what the hub has taken since the last turn, before the module ends. Raises OutboxError."""
        await self._note_outcomes()

    async def _through_failures(self, turn: Callable[[], Awaitable[None]], every_s: float | None) -> None:
        backoff = Backoff(first_s=FIRST_RETRY_S, ceiling_s=RETRY_CEILING_S, random=random.Random())
        failing = False
        while True:
            try:
                await turn()
            except OutboxError as exc:
                failing = True
                self._on_problem(exc.code, str(exc))
                await self._clock.sleep(backoff.next_s())
                continue
            if failing:
                failing = False
                backoff.reset()
                self._on_solved()
            if every_s is None:
                await self._wake.wait()
            else:
                await self._clock.sleep(every_s)

    async def _move(self) -> None:
        # Cleared first: what comes during the turn wakes the next one.
        self._wake.clear()
        await self._note_outcomes()
        room = WINDOW - len(self._in_flight)
        if room <= 0:
            return
        for event in await self._off_loop(self._outbox.next_unsent, room, exclude=frozenset(self._in_flight.values())):
            message = outgoing(event)
            assert message.message_id is not None
            if not self._submit(message):
                await self._clock.sleep(LANE_FULL_PAUSE_S)
                self._wake.set()
                return
            self._in_flight[message.message_id] = event.key

    async def _note_outcomes(self) -> None:
        for outcome, note in ((self._taken, self._outbox.acknowledged), (self._refused, self._outbox.refused)):
            noted = tuple(outcome)
            if noted:
                await self._off_loop(note, [self._in_flight[message_id] for message_id in noted])
                for message_id in noted:
                    outcome.discard(message_id)
                    del self._in_flight[message_id]

    async def _outbox_expire(self) -> None:
        while await self._off_loop(self._outbox.expire):
            pass

    def _note(self, message: OutgoingMessage, outcome: set[str]) -> None:
        if message.message_id in self._in_flight:
            outcome.add(message.message_id)
            self._wake.set()


def outgoing(event: StoredEvent) -> OutgoingMessage:
    """The message for the hub: each resend of the event has the same id and the same bytes."""
    return OutgoingMessage(OUTPUT, event.body, event.properties, message_id=f"{event.key.epoch}-{event.key.sequence}")
