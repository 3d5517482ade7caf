"""`safetygear.event/1`: one violation episode, sent when it opens, changes and closes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from safetygear.messages.codec import Message
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.frames import CameraId

Severity = Literal["low", "medium", "high"]
EventState = Literal["open", "update", "closed"]
CloseReason = Literal["complied", "left", "track-lost", "camera-lost", "shift-end", "restart"]


class Evidence(Message, frozen=True, kw_only=True):
    """A stored picture."""

    uri: str
    sha256: str
    blurred: bool


class EventMessage(Message, frozen=True, kw_only=True):
    """A violation episode of one person, zone and rule."""

    schema: Literal["safetygear.event/1"] = "safetygear.event/1"
    id: str
    event_sequence: int
    """Gap-free per outbox."""
    dedup_key: str
    """The same for every resend and after a restart."""
    rule: str
    severity: Severity
    state: EventState
    camera: CameraId
    zone: str
    track: str
    opened_at: str
    updated_at: str
    closed_at: str | None = None
    reason: str
    close_reason: CloseReason | None = None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    evidence: Evidence | None = None
    model: ModelIdentity
    config_hash: str
