"""The row of an event. Pure."""

from __future__ import annotations

from safetygear.messages.codec import encode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox.order import eviction_rank, send_rank
from safetygear_inference.outbox.store import EventKey, StoredEvent

ROW_BYTES = 320
"""What a row takes beside its body and properties, indexes included."""


def row_of(event: EventMessage, *, shard: str, appended_s: float) -> StoredEvent:
    """The row of an event that has its sequence and epoch; it waits for the hub."""
    body = encode(event)
    properties = {
        "schema": event.schema,
        "camera": event.camera,
        "shard": shard,
        "rule": event.rule,
        "severity": event.severity,
        "state": event.state,
    }
    return StoredEvent(
        key=EventKey(event.outbox_epoch, event.event_sequence),
        label=f"{event.state}-{event.severity}",
        send_rank=send_rank(event.state, event.severity),
        eviction_rank=eviction_rank(event.state, event.severity),
        size_bytes=ROW_BYTES + len(body) + sum(len(name) + len(value) for name, value in properties.items()),
        appended_s=appended_s,
        properties=properties,
        body=body,
    )
