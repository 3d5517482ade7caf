"""Direct methods about events: `resendEvents` closes gaps, `acknowledge` keeps what a person says of one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from safetygear.errors import UserError
from safetygear.hub.methods import MethodArgumentError, MethodError, Methods, read_arguments
from safetygear.hub.port import Json
from safetygear_inference.compliance.kpi import Verdict
from safetygear_inference.event_keeper import EventKeeper

Sequence = Annotated[int, Meta(ge=1, le=2**53)]


class ResendEvents(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Send `from..to` again."""

    first: Sequence = msgspec.field(name="from")
    last: Sequence = msgspec.field(name="to")
    outbox_epoch: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a person says of an event."""

    event_id: Annotated[str, Meta(pattern=r"^ep-[0-9a-f]{24}$")]
    verdict: Verdict
    note: Annotated[str, Meta(max_length=200)] = ""


def resend_events(payload: Json) -> ResendEvents:
    """Raises MethodArgumentError."""
    asked = read_arguments(ResendEvents, payload)
    if asked.last < asked.first:
        raise MethodArgumentError("to", f"must not be less than from ({asked.first})")
    return asked


def acknowledge(payload: Json) -> Acknowledge:
    """Raises MethodArgumentError."""
    return read_arguments(Acknowledge, payload)


class EventMethods:
    """Answers them out of the keeper. An outbox that fails is answered with 503."""

    def __init__(self, events: EventKeeper) -> None:
        self._events = events

    def add_to(self, methods: Methods) -> None:
        methods.add("resendEvents", self.resend)
        methods.add("acknowledge", self.acknowledge)

    async def resend(self, payload: Json) -> Json:
        """Raises MethodError, OutboxError."""
        asked = resend_events(payload)
        try:
            resend = await self._events.resend(asked.first, asked.last, asked.outbox_epoch)
        except UserError as exc:
            raise MethodError(str(exc), status=404, code="unknown-epoch", field="outboxEpoch") from exc
        return {
            "outboxEpoch": resend.epoch,
            "queued": resend.queued,
            "waiting": resend.waiting,
            "evicted": [list(span) for span in resend.evicted],
            "notKept": [list(span) for span in resend.not_kept],
            "notGiven": [list(span) for span in resend.not_given],
        }

    async def acknowledge(self, payload: Json) -> Json:
        """Raises MethodError, OutboxError."""
        said = acknowledge(payload)
        if not await self._events.acknowledge(said.event_id, said.verdict, said.note):
            raise MethodError("no such event is open or kept here", status=404, code="unknown-event", field="eventId")
        return {"eventId": said.event_id, "verdict": said.verdict}
