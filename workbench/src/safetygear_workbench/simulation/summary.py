"""The end of a run in numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safetygear_workbench.simulation.narrator import Processes
from safetygear_workbench.simulation.received import Received
from safetygear_workbench.simulation.totals import Totals

OVERWRITTEN = "overwritten"
"""The drop reason of a slot that was used again before or while it was read. Each slot is checked after reading: what
was torn is never analysed (frames/ring.py, whose tests show it; it can't be measured from here)."""


@dataclass(frozen=True)
class Summary:
    """Counts since the start of the run."""

    seconds: float
    first_detection_s: float | None
    """From the start of the command."""
    frames_decoded: int
    frames_analysed: int
    frames_dropped: Mapping[str, int]
    """By reason: frames that were handed over and not analysed."""
    frames_overwritten: int
    """Slots used again before or while they were read; they are among the dropped."""
    messages: Mapping[str, int]
    duplicates: int
    not_sent: Mapping[str, int]
    """Analysed frames for which no message was meant to be sent: `unchanged` (policy), `shed` (budget)."""
    missing: int
    """Gaps in the sequence of detections beside these."""
    waiting: int
    """Messages that still wait for IoT Hub."""
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    restarts: Mapping[str, int]
    recoveries_s: Sequence[tuple[str, float]] = field(default_factory=tuple)
    episodes_opened: Mapping[str, int] = field(default_factory=dict)
    """By rule."""
    episodes_closed: Mapping[str, int] = field(default_factory=dict)
    """By reason."""
    episodes_open: int = 0
    """At the end of the run."""

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "firstDetectionS": self.first_detection_s,
            "frames": {
                "decoded": self.frames_decoded,
                "analysed": self.frames_analysed,
                "dropped": dict(self.frames_dropped),
                "overwritten": self.frames_overwritten,
            },
            "messages": dict(self.messages),
            "notSent": dict(self.not_sent),
            "duplicates": self.duplicates,
            "missing": self.missing,
            "waiting": self.waiting,
            "latencyMs": {"p50": self.latency_p50_ms, "p95": self.latency_p95_ms},
            "restarts": dict(self.restarts),
            "episodes": {
                "opened": dict(self.episodes_opened),
                "closed": dict(self.episodes_closed),
                "open": self.episodes_open,
            },
            "recoveriesS": [{"process": process, "seconds": seconds} for process, seconds in self.recoveries_s],
        }

    def rows(self) -> list[tuple[str, str]]:
        """Name and value, for people."""
        latency = "none" if self.latency_p50_ms is None else (
            f"p50 {self.latency_p50_ms:.0f} ms, p95 {self.latency_p95_ms:.0f} ms (capture to message)"
        )  # fmt: skip
        first = "none came" if self.first_detection_s is None else f"{self.first_detection_s:.1f} s after the start"
        rows = [
            ("time", f"{self.seconds:.0f} s; first detection {first}"),
            ("frames decoded", str(self.frames_decoded)),
            ("frames analysed", str(self.frames_analysed)),
            ("frames dropped", listed(self.frames_dropped)),
            ("frames torn", f"none analysed; {self.frames_overwritten} overwritten and dropped"),
            ("messages to IoT Hub", listed(self.messages)),
            ("violations", self._violations()),
            ("duplicates", str(self.duplicates)),
            ("missing", str(self.missing)),
            ("latency", latency),
            ("restarts", listed(self.restarts)),
        ]
        if self.waiting:
            rows.insert(9, ("still waiting", f"{self.waiting} messages for IoT Hub"))
        if self.not_sent:
            rows.insert(6, ("not to be sent", listed(self.not_sent)))
        if self.recoveries_s:
            recovered = ", ".join(f"{process} {seconds:.1f} s" for process, seconds in self.recoveries_s)
            rows.append(("recovered after", recovered))
        return rows

    def _violations(self) -> str:
        if not self.episodes_opened and not self.episodes_closed:
            return "no episode opened"
        return (
            f"opened {listed(self.episodes_opened)}; closed {listed(self.episodes_closed)}; {self.episodes_open} open"
        )


def summarise(
    received: Received, processes: Processes, totals: Totals, *, started_s: float, ended_s: float, waiting: int
) -> Summary:
    """`started_s` and `ended_s`: monotonic seconds."""
    dropped = totals.by("safetygear_inference_frames_dropped_total", "reason")
    outcomes = totals.by("safetygear_inference_frames_published_total", "outcome")
    not_sent = {name: outcomes[name] for name in ("unchanged", "shed") if outcomes[name]}
    first_s = received.first_detection_s
    return Summary(
        seconds=round(ended_s - started_s, 1),
        first_detection_s=None if first_s is None else round(first_s - started_s, 1),
        frames_decoded=totals.sum("safetygear_capture_frames_decoded_total"),
        # Counters are read once a second: the messages may know of more.
        frames_analysed=max(totals.sum("safetygear_inference_frames_analysed_total"), received.analysed),
        frames_dropped=dict(sorted((dropped + totals.by("safetygear_capture_frames_dropped_total", "reason")).items())),
        frames_overwritten=dropped[OVERWRITTEN],
        messages=dict(sorted(received.by_kind.items())),
        duplicates=received.duplicates,
        not_sent=not_sent,
        missing=max(0, received.missing - sum(not_sent.values())),
        waiting=waiting,
        latency_p50_ms=received.latency_ms(50),
        latency_p95_ms=received.latency_ms(95),
        restarts=dict(sorted(processes.restarts.items())),
        recoveries_s=tuple(processes.recoveries_s),
        episodes_opened=dict(sorted(received.opened.items())),
        episodes_closed=dict(sorted(received.closed.items())),
        episodes_open=len(received.still_open),
    )


def listed(counts: Mapping[str, int]) -> str:
    """`none`, or `3 health, 290 detections`."""
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
