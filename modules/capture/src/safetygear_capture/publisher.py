"""From the mailbox to the hub. What the hub can't take now is dropped and counted: a frame that waited is worthless."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from safetygear.errors import HubError
from safetygear.hub.port import HubPort, OutgoingMessage
from safetygear_capture.handover import Mailbox, messages_of

SEND_TIMEOUT_S: Final = 2.0
"""A hub on the same machine answers within milliseconds. While it doesn't, newer frames replace those that wait."""


class Publisher:
    """One message at a time, so that a camera's frames stay in order; the mailbox bounds what waits meanwhile."""

    def __init__(self, hub: HubPort, mailbox: Mailbox, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        self._hub = hub
        self._mailbox = mailbox
        self._send_timeout_s = send_timeout_s
        self.sent: Counter[str] = Counter()
        """Messages that the hub has taken since the start, by output."""
        self.lost: Counter[str] = Counter()
        """Messages that it has not, by reason: hub-away (not connected), hub-timeout, or a HubError's code."""

    async def run(self) -> None:
        """Send frames as they come, until cancelled."""
        while True:
            for message, items in messages_of(await self._mailbox.take()):
                dropped = await self.send(message)
                for item in items:
                    item.outcome(dropped)

    async def send(self, message: OutgoingMessage) -> str | None:
        """Try once; why it was dropped, or None. Never raises HubError."""
        reason = await self._try(message)
        if reason is None:
            self.sent[message.output] += 1
        else:
            self.lost[reason] += 1
        return reason

    async def _try(self, message: OutgoingMessage) -> str | None:
        # The client keeps what it is given while it is not connected, and sends it late.
        if not self._hub.connected:
            return "hub-away"
        try:
            # Not wait_for: before Python 3.12 it forgets that it was cancelled when the answer comes in the same turn.
            async with asyncio.timeout(self._send_timeout_s):
                await self._hub.send(message)
        except TimeoutError:
            return "hub-timeout"
        except HubError as exc:
            return exc.code
        return None
