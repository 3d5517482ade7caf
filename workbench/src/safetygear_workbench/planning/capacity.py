"""From cameras to cores, memory, messages and disk. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from safetygear_workbench.planning import constants as measured
from safetygear_workbench.planning.constants import Policy, Stream

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Site:
    """What is to be watched."""

    cameras: int
    analysed_fps: float = 5.0
    stream: Stream = "sub"
    camera_fps: float = 25.0
    key_frames: bool = True
    """Where the sub-stream is analysed, the main stream is opened for key frames."""
    policy: Policy = "changes"
    detector_ms: float = measured.DETECTOR_MS
    """Of the network on the machine to be bought, one thread."""
    people_share: float = 0.4
    """Part of the day in which somebody is in the picture."""
    events_per_camera_day: float = 20.0
    evidence: bool = True
    health_interval_s: float = 60.0


@dataclass(frozen=True)
class Plan:
    """What that takes."""

    cpu_percent: float
    """Of one core, all day; of a machine on which the network takes `detector_ms`."""
    cores: int
    ram_mb: float
    shared_memory_mb: float
    """The tmpfs for frames; part of the memory too."""
    lan_mbit_s: float
    messages_per_day: int
    blocks_per_day: int
    s1_units: int
    uplink_mb_per_day: float
    disk_mb: float
    """Events kept for the time that the outbox keeps them, and their pictures."""

    def as_json(self) -> dict[str, Any]:
        return {
            "cpuPercent": round(self.cpu_percent, 1),
            "cores": self.cores,
            "ramMb": round(self.ram_mb),
            "sharedMemoryMb": round(self.shared_memory_mb, 1),
            "lanMbitS": round(self.lan_mbit_s, 1),
            "messagesPerDay": self.messages_per_day,
            "blocksPerDay": self.blocks_per_day,
            "s1Units": self.s1_units,
            "uplinkMbPerDay": round(self.uplink_mb_per_day, 1),
            "diskMb": round(self.disk_mb),
        }


def plan(site: Site) -> Plan:
    """What `site` takes, with the measured constants scaled by the detector's time."""
    scale = site.detector_ms / measured.DETECTOR_MS
    per_camera_ms = site.camera_fps * measured.DECODED_MS[site.stream] * scale + site.analysed_fps * (
        measured.ANALYSED_MS[site.stream] * scale + site.detector_ms
    )
    # With the sub-stream, where it is opened, the main stream's key frames.
    main = site.cameras if site.stream == "sub" and site.key_frames else 0
    cpu_percent = measured.IDLE_PERCENT * scale + site.cameras * per_camera_ms / 10
    cpu_percent += main * measured.KEY_FRAMES_PERCENT * scale
    cores = max(1, math.ceil(cpu_percent / measured.FULL_PERCENT))
    shared_mb = site.cameras * measured.SLOTS * measured.SLOT_BYTES[site.stream] / 1e6
    shared_mb += main * measured.KEY_FRAMES_SLOTS * measured.SLOT_BYTES["main"] / 1e6
    messages, blocks, sent_bytes = _messages(site)
    events = site.cameras * site.events_per_camera_day * measured.EVENTS_KEPT_DAYS
    event_bytes = measured.MESSAGES_PER_EVENT * measured.EVENT_BYTES
    evidence_bytes = measured.EVIDENCE_BYTES if site.evidence else 0
    return Plan(
        cpu_percent=cpu_percent,
        cores=cores,
        ram_mb=measured.EDGE_MB
        + measured.BASE_MB
        + cores * measured.WORKER_MB
        + site.cameras * measured.CAMERA_MB[site.stream]
        + main * measured.KEY_FRAMES_MB
        + shared_mb,
        shared_memory_mb=shared_mb,
        lan_mbit_s=(site.cameras * measured.STREAM_BITS_PER_S[site.stream] + main * measured.STREAM_BITS_PER_S["main"])
        / 1e6,
        messages_per_day=messages,
        blocks_per_day=blocks,
        s1_units=max(1, math.ceil(blocks / measured.S1_BLOCKS)),
        uplink_mb_per_day=sent_bytes / 1e6,
        disk_mb=events * (event_bytes + evidence_bytes) / 1e6,
    )


def _messages(site: Site) -> tuple[int, int, float]:
    """Messages, billed blocks and bytes per day."""
    detections = site.cameras * _detections_per_camera_day(site)
    health = SECONDS_PER_DAY / site.health_interval_s
    events = site.cameras * site.events_per_camera_day * measured.MESSAGES_PER_EVENT
    health_bytes = measured.HEALTH_BYTES + site.cameras * measured.HEALTH_CAMERA_BYTES
    kinds = (
        (detections, measured.DETECTIONS_BYTES),
        (health, health_bytes),
        (events, measured.EVENT_BYTES),
    )
    return (
        round(sum(number for number, _ in kinds)),
        round(sum(number * math.ceil(size / measured.BLOCK_BYTES) for number, size in kinds)),
        sum(number * size for number, size in kinds),
    )


def _detections_per_camera_day(site: Site) -> float:
    """Under changes: what moves, at most once a second while somebody is there, and once a minute in any case."""
    if site.policy == "all":
        return site.analysed_fps * SECONDS_PER_DAY
    if site.policy == "interval":
        return min(1.0, site.analysed_fps) * SECONDS_PER_DAY
    moving = min(1.0, site.analysed_fps * measured.CHANGES_SHARE) * SECONDS_PER_DAY * site.people_share
    return moving + SECONDS_PER_DAY / 60 * (1 - site.people_share)
