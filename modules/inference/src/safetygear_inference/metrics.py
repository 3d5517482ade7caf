"""What the module counts for /metrics. Names begin with `safetygear_inference_`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import get_args

from safetygear.messages.detections import LatencyMs, Status
from safetygear.messages.health import BudgetHealth, EvidenceHealth, HealthMessage, LearningHealth
from safetygear.telemetry import CounterFamily, ModuleMetrics
from safetygear.twin.last_good_keeper import OUTCOMES_DOC
from safetygear_inference.outbox.outbox import OutboxHealth

LATENCY_BUCKETS_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class InferenceMetrics:
    """All metrics of the module, and how they are fed."""

    def __init__(self, metrics: ModuleMetrics) -> None:
        self._metrics = metrics
        self._received = metrics.counter("frames_received_total", "Frame references that came in", ["camera"])
        self._analysed = metrics.counter("frames_analysed_total", "Frames that were analysed", ["camera"])
        self._gated = metrics.counter(
            "frames_gated_total", "Frames that needed no analysis: nothing had moved", ["camera"]
        )
        self._dropped = metrics.counter("frames_dropped_total", "Frames not analysed, by reason", ["camera", "reason"])
        self._inference = metrics.histogram(
            "inference_seconds", "Time in the detector per frame", buckets=LATENCY_BUCKETS_S
        )
        self._latency = metrics.histogram(
            "capture_to_message_seconds", "Frame taken to message handed over", ["camera"], buckets=LATENCY_BUCKETS_S
        )
        self._outcomes = metrics.counter(
            "frames_published_total", "Analysed frames by reason to send, `unchanged` or `shed`", ["outcome"]
        )
        self._sent = metrics.counter("messages_sent_total", "Messages that the hub has taken", ["lane"])
        self._retries = metrics.counter("send_retries_total", "Messages sent again after a failure")
        self._maybe_duplicated = metrics.counter(
            "maybe_duplicated_total", "Messages sent again that the hub may have taken before"
        )
        self._lost = metrics.counter("messages_dropped_total", "Messages in and out that were dropped", ["reason"])
        self._queued = metrics.gauge("send_queue_messages", "Messages waiting to be sent", ["lane"])
        self._waiting = metrics.gauge("frames_waiting", "Frames waiting for a worker; one per camera at most")
        self._budget_daily = metrics.gauge("budget_daily_blocks", "4 KB blocks that may be used per UTC day")
        self._budget_used = metrics.gauge("budget_used_blocks", "4 KB blocks used since 00:00 UTC")
        self._shedding = metrics.gauge("budget_shedding", "1 while the budget sheds detections")
        self._problem = metrics.gauge("problem", "1 for each named problem", ["part", "code"])
        self._last_good = metrics.counter("last_good_twin_total", OUTCOMES_DOC, ["outcome"])
        self._watched = metrics.gauge("camera_watched_ratio", "Watched share of the last health period", ["camera"])
        self._silent = metrics.gauge("silent_shards", "Capture shards from which nothing is heard")
        self._people = metrics.gauge("people", "People seen in the newest judged frame", ["camera", "status"])
        self._open = metrics.gauge("open_episodes", "Violation episodes that are open", ["camera"])
        self._events = metrics.counter("events_total", "Event messages made", ["rule", "severity", "state"])
        self._outbox_depth = metrics.gauge("outbox_messages", "Event messages that the hub has not taken", ["where"])
        self._outbox_bytes = metrics.gauge("outbox_bytes", "Event messages kept on the disk, sent ones too")
        self._pictures = metrics.gauge("evidence_pictures", "Pictures of violations on the disk")
        self._picture_bytes = metrics.gauge("evidence_bytes", "Their size")
        self._uploads_waiting = metrics.gauge("evidence_uploads_waiting", "Pictures that are still to be uploaded")
        self._picture_outcomes = metrics.counter(
            "evidence_total", "Pictures `stored`, `uploaded`, `failed-` and `evicted-` by reason", ["outcome"]
        )
        self._examples = metrics.gauge("learning_examples", "Pictures to learn from on the disk")
        self._example_bytes = metrics.gauge("learning_bytes", "Their size, and that of those that wait for a verdict")
        self._example_outcomes = metrics.counter(
            "learning_total",
            "Pictures `taken-` by first reason, `uploaded`, `failed-` and `evicted-`; frames `refused-` by reason",
            ["example"],
        )
        self._drift = metrics.gauge(
            "learning_drift_index",
            "Population stability index of a label's probabilities, above 0.1",
            ["camera", "label"],
        )
        self._predictions = metrics.counter(
            "prediction_requests_total",
            "Requests to the prediction API: `answered`, `unauthorized`, `refused`, `busy`, `unavailable`, `failed`, "
            "or the caller was `gone`",
            ["outcome"],
        )
        self._looks = metrics.counter(
            "second_looks_total",
            "Second looks by gear and answer: `yes`, `no`, `unclear`, `not-found`, `failed`",
            ["gear", "answer"],
        )
        self._key_frames = metrics.counter(
            "key_frames_total",
            "Key frames of main streams `received`, why not, `picture` for each that a picture was taken from, and why "
            "one was not",
            ["outcome"],
        )
        self._counted: Counter[tuple[object, str]] = Counter()

    def received(self, camera: str) -> None:
        """A frame reference came in."""
        self._received.add(camera=camera)

    def analysed(self, camera: str, latency: LatencyMs) -> None:
        """A frame was analysed and its message made."""
        self._analysed.add(camera=camera)
        self._inference.observe(latency.inference / 1000)
        self._latency.observe(latency.total / 1000, camera=camera)

    def gated(self, camera: str) -> None:
        """A frame needed no analysis."""
        self._gated.add(camera=camera)

    def dropped(self, camera: str, reason: str) -> None:
        """A frame was not analysed."""
        self._dropped.add(camera=camera, reason=reason)

    def health(self, message: HealthMessage) -> None:
        """A health period has ended."""
        self._watched.clear()
        for camera in message.cameras:
            period_s = camera.seconds_watched + camera.seconds_blind
            self._watched.set(camera.seconds_watched / period_s if period_s else 0.0, camera=camera.camera)
        self._silent.set(len(message.shards_silent))

    def tick(
        self,
        *,
        cameras: Collection[str],
        budget: BudgetHealth,
        outcomes: Mapping[str, int],
        sent: Mapping[str, int],
        lost: Mapping[str, int],
        retries: int,
        maybe_duplicated: int,
        queued: Mapping[str, int],
        waiting: int,
        problems: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Once a second: counts since the start, and what stands now. Of cameras other than `cameras` nothing is served
        any more."""
        self._metrics.show_cameras(cameras)
        self._raise_to(self._outcomes, "outcome", outcomes)
        self._raise_to(self._sent, "lane", sent)
        self._raise_to(self._lost, "reason", lost)
        self._raise_one(self._retries, retries)
        self._raise_one(self._maybe_duplicated, maybe_duplicated)
        for lane, depth in queued.items():
            self._queued.set(depth, lane=lane)
        self._waiting.set(waiting)
        self._budget_daily.set(budget.daily_blocks)
        self._budget_used.set(budget.used_blocks)
        self._shedding.set(budget.shedding)
        self._problem.clear()
        for part, problem in problems.items():
            self._problem.set(1, part=part, code=problem["code"])

    def judging(
        self,
        *,
        people: Mapping[str, Mapping[Status, int]],
        open_episodes: Mapping[str, int],
        events: Mapping[tuple[str, str, str], int],
        outbox: OutboxHealth | None,
        in_memory: int,
    ) -> None:
        """Once a second, likewise. `events` by rule, severity and state; `in_memory`: not on the disk yet."""
        self._people.clear()
        for camera, by_status in people.items():
            for status in get_args(Status):
                self._people.set(by_status.get(status, 0), camera=camera, status=status)
        self._open.clear()
        for camera in people.keys() | open_episodes.keys():
            self._open.set(open_episodes.get(camera, 0), camera=camera)
        for (rule, severity, state), count in events.items():
            key = (self._events, f"{rule}/{severity}/{state}")
            if count > self._counted[key]:
                self._events.add(count - self._counted[key], rule=rule, severity=severity, state=state)
                self._counted[key] = count
        self._outbox_depth.set(in_memory, where="memory")
        if outbox is not None:
            self._outbox_depth.set(outbox.depth, where="disk")
            self._outbox_bytes.set(outbox.size_bytes)

    def last_good(self, outcomes: Mapping[str, int]) -> None:
        """Once a second, likewise: what became of the values kept for a restart."""
        self._raise_to(self._last_good, "outcome", outcomes)

    def second_looks(self, outcomes: Mapping[tuple[str, str], int]) -> None:
        """Once a second, likewise: since the start, by gear and answer."""
        for (gear, answer), count in outcomes.items():
            self._raise_one(self._looks, count, gear=gear, answer=answer)

    def evidence(self, health: EvidenceHealth) -> None:
        """Once a second, likewise."""
        self._pictures.set(health.pictures)
        self._picture_bytes.set(health.bytes)
        self._uploads_waiting.set(health.waiting_for_upload)
        outcomes = {"stored": health.stored, "uploaded": health.uploaded}
        outcomes |= {f"failed-{reason}": count for reason, count in health.failed.items()}
        outcomes |= {f"evicted-{reason}": count for reason, count in health.evicted.items()}
        self._raise_to(self._picture_outcomes, "outcome", outcomes)

    def key_frames(self, outcomes: Mapping[str, int]) -> None:
        """Once a second, likewise."""
        self._raise_to(self._key_frames, "outcome", outcomes)

    def prediction(self, outcomes: Mapping[str, int]) -> None:
        """Once a second, likewise: requests since the start, by what became of them."""
        self._raise_to(self._predictions, "outcome", outcomes)

    def learning(self, health: LearningHealth | None) -> None:
        """Once a second, likewise; None: nothing is learned from."""
        if health is None:
            return
        self._examples.set(health.examples)
        self._example_bytes.set(health.bytes)
        outcomes = {f"taken-{reason}": count for reason, count in health.taken.items()}
        outcomes |= {f"refused-{reason}": count for reason, count in health.refused.items()}
        outcomes["uploaded"] = health.uploaded
        outcomes |= {f"failed-{reason}": count for reason, count in health.failed.items()}
        outcomes |= {f"evicted-{reason}": count for reason, count in health.evicted.items()}
        self._raise_to(self._example_outcomes, "example", outcomes)
        self._drift.clear()
        for one in health.drift:
            self._drift.set(one.stability_index, camera=one.camera, label=one.label)

    def _raise_to(self, family: CounterFamily, label: str, counts: Mapping[str, int]) -> None:
        for value, count in counts.items():
            self._raise_one(family, count, **{label: value})

    def _raise_one(self, family: CounterFamily, count: int, **label: str) -> None:
        key = (family, "".join(label.values()))
        gained = count - self._counted[key]
        if gained > 0:
            family.add(gained, **label)
            self._counted[key] = count
