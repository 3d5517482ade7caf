"""`safetygear.event/1`: one violation episode, sent when it opens, changes and closes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from safetygear.messages.codec import Message, Sha256, UtcTime
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.frames import CameraId

Severity = Literal["low", "medium", "high"]
EventState = Literal["open", "update", "closed"]
CloseReason = Literal["complied", "left", "track-lost", "camera-lost", "shift-end", "restart"]


class Evidence(Message, frozen=True, kw_only=True):
    """A stored picture."""

    uri: str
    """Where it is: a blob's address, which may be named before the picture has arrived there, or a path on the device's
    live page."""
    sha256: Sha256
    """Digest of the file."""
    blurred: bool
    """Whether faces are made unrecognisable in it."""


class EventMessage(Message, frozen=True, kw_only=True):
    """A violation episode of one person, zone and rule."""

    schema: Literal["safetygear.event/1"] = "safetygear.event/1"
    """Names this layout."""
    id: str
    """The episode: the same in its open, update and closed messages."""
    event_sequence: int
    """Counts the messages of an outbox's epoch from 1 without a gap: a missing number is a lost message."""
    outbox_epoch: str
    """Which count `eventSequence` belongs to: another one begins when the outbox's file was lost or replaced."""
    dedup_key: str
    """The same for every resend of this message, after a restart too: keep the first one, drop the rest."""
    rule: str
    """What was broken: `no-helmet`, `no-vest`, or `no-` and another label."""
    severity: Severity
    """How much it matters, as the rule's configuration says."""
    state: EventState
    """Whether the episode opens with this message, goes on, or is over."""
    camera: CameraId
    """The camera's id in capture's module twin."""
    zone: str
    """The zone's id in the configuration."""
    track: str
    """The person's track when the episode opened: no identity, only the same person from frame to frame."""
    track_now: str | None = None
    """The track that the person has by now: another one after being lost and found again."""
    began_at: UtcTime | None = None
    """When the violation was first seen; `openedAt` less this is the minimum duration and what it took to be sure."""
    opened_at: UtcTime
    """When the episode opened."""
    updated_at: UtcTime
    """When the episode was last seen to go on."""
    closed_at: UtcTime | None = None
    """When the episode closed; null until then."""
    reason: str
    """Why it opened: `missing-` or `carried-` and the gear."""
    close_reason: CloseReason | None = None
    """Why it closed; null until then."""
    seconds_violating: float = 0.0
    """Person-seconds that were seen as a violation so far, those before it opened included."""
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How sure the vote over the episode's frames is."""
    evidence: Evidence | None = None
    """The best picture of it so far; null where there is none."""
    evidence_missing: str | None = None
    """Why there is none: `off`, `late` (the event did not wait for it), `evicted`, or what failed (`data-full`,
    `overwritten`, `side-busy`, …). Null where there is one."""
    model: ModelIdentity
    """Which weights saw it."""
    config_hash: str
    """Digest of the rules in force: two events with the same hash were judged alike."""
