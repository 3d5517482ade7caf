"""The `safetygear.event/1` message of a change of an episode. Pure."""

from __future__ import annotations

from safetygear.clock import rfc3339
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage, Evidence
from safetygear_inference.compliance.episode import EpisodeChange


def event_message(
    change: EpisodeChange, *, model: ModelIdentity, config_hash: str, evidence: Evidence | None = None
) -> EventMessage:
    """Without sequence and epoch: the outbox gives them. `evidence`: the best stored picture of the episode so far."""
    return EventMessage(
        id=change.id,
        event_sequence=0,
        outbox_epoch="",
        dedup_key=change.dedup_key,
        rule=change.rule,
        severity=change.severity,
        state=change.state,
        camera=change.camera,
        zone=change.zone,
        track=change.track,
        track_now=change.seen_as,
        began_at=rfc3339(change.began_at_s),
        opened_at=rfc3339(change.opened_at_s),
        updated_at=rfc3339(change.updated_at_s),
        closed_at=None if change.closed_at_s is None else rfc3339(change.closed_at_s),
        reason=change.reason,
        close_reason=change.close_reason,
        seconds_violating=change.violating_s,
        confidence=round(change.confidence, 4),
        evidence=evidence,
        model=model,
        config_hash=config_hash,
    )
