"""An inference module's outbox under load, made to be killed: `python -m support.outbox_process FILE SEED CAPACITY`.

This process only forks: for each line on its standard input one child, which appends events and sends them until it is
killed. Both write to the standard output, one line a write:
`born PID`; `appended EPOCH SEQUENCE KEY` after append has returned; `hub EPOCH SEQUENCE KEY` when the hub has an event,
which is before its PUBACK; `died` after the child's death.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from pathlib import Path
from typing import NoReturn

from safetygear.clock import SystemClock
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, OutgoingMessage
from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.outbox import Outbox
from safetygear_inference.outbox.pump import Pump
from safetygear_inference.publishing.send_queue import Outgoing
from safetygear_inference.publishing.sender import Sender
from support.outbox import event

STATES = ("open", "update", "update", "update", "closed")
SEVERITIES = ("low", "medium", "high")


def main() -> None:
    logging.disable(logging.WARNING)  # the hub comes and goes on purpose
    path, seed, capacity_bytes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    for number, _ in enumerate(sys.stdin):
        pid = os.fork()
        if not pid:
            _work(path, random.Random(f"{seed}-{number}"), capacity_bytes)
        os.waitpid(pid, 0)
        _say("died")


def _work(path: Path, chance: random.Random, capacity_bytes: int) -> NoReturn:
    try:
        _say(f"born {os.getpid()}")
        asyncio.run(_append_and_send(path, chance, capacity_bytes))
    finally:
        os._exit(1)  # never back into the parent's loop


async def _append_and_send(path: Path, chance: random.Random, capacity_bytes: int) -> None:
    # Not made through its type, whose limits are a configuration's: a small one is full within seconds.
    config = OutboxConfig(capacity_bytes=capacity_bytes)
    outbox = Outbox(path, config, SystemClock(), on_problem=lambda code, message: _say(f"problem {code}"))
    hub = _PipeHub()
    await hub.open(HubHandlers())
    sender = Sender(
        hub,
        SystemClock(),
        on_lost=lambda lost: pump.lost(lost.message),
        on_sent=lambda sent: pump.sent(sent.message),
    )
    pump = Pump(
        outbox,
        lambda message: sender.submit(Outgoing("events", message, 1, 0.0)),
        SystemClock(),
        on_problem=lambda code, message: _say(f"problem {code}"),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(sender.run())
        group.create_task(pump.run())
        while True:
            events = [
                event(f"{chance.getrandbits(64):x}", chance.choice(STATES), chance.choice(SEVERITIES))  # type: ignore[arg-type]  # from tuples of texts
                for _ in range(chance.choice((1, 1, 1, 2, 5)))
            ]
            sequences = await asyncio.to_thread(outbox.append_all, events, shard="default")
            for appended, sequence in zip(events, sequences, strict=True):
                _say(f"appended {outbox.health().epoch} {sequence} {appended.dedup_key}")
            pump.wake()
            hub.set_connected(chance.random() < 0.6)
            if chance.random() < 0.03:
                await asyncio.to_thread(outbox.resend, max(1, sequences[-1] - 20), sequences[-1])


class _PipeHub(FakeHub):
    async def send(self, message: OutgoingMessage) -> None:
        await super().send(message)
        stored = decode(message.body, EventMessage)
        _say(f"hub {stored.outbox_epoch} {stored.event_sequence} {stored.dedup_key}")
        await asyncio.sleep(0.002)  # a kill may come between the hub's disk and the PUBACK
        self.sent.clear()


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")  # one write: lines of both processes stay whole


if __name__ == "__main__":
    main()
