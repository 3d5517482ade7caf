"""`safetygear.health/1`: each minute, what was really watched. "No violations" is not "not looking"."""

from __future__ import annotations

from typing import Literal

from safetygear.messages.codec import Message
from safetygear.messages.frames import CameraId, CameraState


class LatencyPercentiles(Message, frozen=True, kw_only=True):
    """Capture to message, milliseconds; null where no frame was analysed."""

    p50: float | None = None
    p95: float | None = None


class CameraHealth(Message, frozen=True, kw_only=True):
    """One camera over the period. Seconds watched and blind add up to the period."""

    camera: CameraId
    state: CameraState
    reason: str
    seconds_watched: float
    seconds_blind: float
    seconds_frozen: float
    seconds_dark: float
    seconds_blurred: float
    frames_in: int
    analysed: int
    dropped: dict[str, int]
    latency_ms: LatencyPercentiles


class QueueHealth(Message, frozen=True, kw_only=True):
    """Depth of the send queues, and what they had to drop over the period."""

    detections: int
    outbox: int
    evicted: dict[str, int]


class BudgetHealth(Message, frozen=True, kw_only=True):
    """IoT Hub's daily message quota as it is used by this module, in 4 KB blocks since 00:00 UTC."""

    daily_blocks: int
    used_blocks: int
    shedding: bool
    shed_messages: int


class HealthMessage(Message, frozen=True, kw_only=True):
    """The period's account."""

    schema: Literal["safetygear.health/1"] = "safetygear.health/1"
    instance: str
    period_started_at: str
    period_ended_at: str
    cameras: list[CameraHealth]
    queues: QueueHealth
    newest_event_sequence: int | None
    budget: BudgetHealth
    shards_silent: list[str]
    """Capture shards from which nothing was heard for 5 s."""
