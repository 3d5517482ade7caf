"""The health message: what was really watched over the last period, and what had to be dropped. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from safetygear.clock import rfc3339
from safetygear.messages.health import (
    BudgetHealth,
    CameraHealth,
    EvidenceHealth,
    HealthMessage,
    LearningHealth,
    QueueHealth,
    ZoneCompliance,
)
from safetygear_inference.compliance.kpi import HOUR_S, ComplianceKpi
from safetygear_inference.outbox.outbox import OutboxHealth

EARLIEST_AFTER_S = 0.5
"""A twin change that shortens the interval does not make messages closer than this."""


class HealthPeriods:
    """Cuts the time since the start into periods without gaps, and turns running counts into counts per period."""

    def __init__(self, instance: str, *, now_s: float, monotonic_s: float) -> None:
        self._instance = instance
        self._started_s = now_s
        self._started_monotonic_s = monotonic_s
        self._evicted_before: dict[str, int] = {}

    def due_in_s(self, interval_s: float, monotonic_s: float) -> float:
        """Seconds until the period is over; 0 when it is."""
        return max(0.0, self._started_monotonic_s + max(interval_s, EARLIEST_AFTER_S) - monotonic_s)

    def elapsed_s(self, monotonic_s: float) -> float:
        """Seconds of the current period so far; never 0."""
        return max(1e-3, monotonic_s - self._started_monotonic_s)

    def close(
        self,
        *,
        cameras: list[CameraHealth],
        queued: Mapping[str, int],
        evicted: Mapping[str, int],
        budget: BudgetHealth,
        silent_shards: list[str],
        now_s: float,
        monotonic_s: float,
        outbox: OutboxHealth | None = None,
        open_episodes: int = 0,
        kpi: ComplianceKpi | None = None,
        evidence: EvidenceHealth | None = None,
        learning: LearningHealth | None = None,
    ) -> HealthMessage:
        """The message for the period that ends now. `evicted`: counts since the start; `queued`: depth by lane."""
        message = HealthMessage(
            instance=self._instance,
            period_started_at=rfc3339(self._started_s),
            period_ended_at=rfc3339(now_s),
            cameras=cameras,
            queues=QueueHealth(
                detections=queued.get("detections", 0),
                outbox=queued.get("events", 0),
                evicted={
                    name: count - self._evicted_before.get(name, 0)
                    for name, count in sorted(evicted.items())
                    if count > self._evicted_before.get(name, 0)
                },
            ),
            newest_event_sequence=None if outbox is None else outbox.newest_sequence,
            outbox_epoch=None if outbox is None else outbox.epoch,
            open_episodes=open_episodes,
            compliance=[] if kpi is None else compliance(kpi, now_s=now_s),
            evidence=evidence,
            learning=learning,
            budget=budget,
            shards_silent=silent_shards,
        )
        self._evicted_before = dict(evicted)
        self._started_s, self._started_monotonic_s = now_s, monotonic_s
        return message


def compliance(kpi: ComplianceKpi, *, now_s: float) -> list[ZoneCompliance]:
    """Every zone in the hour that runs and the one before. `now_s`: wall clock."""
    since_s = int(now_s // HOUR_S) * HOUR_S - HOUR_S
    return [
        ZoneCompliance(
            camera=row.camera,
            zone=row.zone,
            hour=rfc3339(row.hour_s),
            seconds_compliant=round(row.compliant_s, 1),
            seconds_violating=round(row.violating_s, 1),
            seconds_indeterminate=round(row.indeterminate_s, 1),
            precision=kpi.precision(row.camera, row.zone),
        )
        for row in kpi.hours()
        if since_s <= row.hour_s <= now_s
    ]
