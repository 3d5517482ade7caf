"""What `replay --json` prints. Pure."""

from __future__ import annotations

from typing import Any

from safetygear.clock import rfc3339
from safetygear_inference.compliance.kpi import KpiHour
from safetygear_workbench.replay.difference import Difference
from safetygear_workbench.replay.judging import Replayed, ReplayedEpisode
from safetygear_workbench.replay.recording import Recording

Document = dict[str, Any]


def recording_document(recording: Recording) -> Document:
    return {
        "cameras": list(recording.cameras),
        "frames": len(recording.frames),
        "seconds": round(recording.frames[-1].now_s - recording.began_s, 3),
        "duplicates": recording.duplicates,
        "missing": recording.missing,
    }


def replayed_document(replayed: Replayed) -> Document:
    return {
        "episodes": [episode_document(episode) for episode in replayed.episodes],
        "kpi": [kpi_document(hour) for hour in replayed.kpi],
    }


def episode_document(episode: ReplayedEpisode) -> Document:
    opened, newest = episode.opened, episode.newest
    return {
        "id": opened.id,
        "camera": opened.camera,
        "zone": opened.zone,
        "rule": opened.rule,
        "severity": opened.severity,
        "state": newest.state if episode.closed else "open",
        "track": opened.track,
        "beganAt": rfc3339(opened.began_at_s),
        "openedAt": rfc3339(opened.opened_at_s),
        "closedAt": None if newest.closed_at_s is None else rfc3339(newest.closed_at_s),
        "seconds": round(episode.ended_at_s - opened.opened_at_s, 3),
        "reason": opened.reason,
        "closeReason": newest.close_reason,
        "confidence": round(newest.confidence, 4),
    }


def kpi_document(hour: KpiHour) -> Document:
    return {
        "camera": hour.camera,
        "zone": hour.zone,
        "hour": rfc3339(hour.hour_s),
        "secondsCompliant": round(hour.compliant_s, 3),
        "secondsViolating": round(hour.violating_s, 3),
        "secondsIndeterminate": round(hour.indeterminate_s, 3),
        "compliance": None if hour.compliance is None else round(hour.compliance, 4),
    }


def difference_document(found: Difference) -> Document:
    """By the names of the options: `config` is the first, `against` the second."""
    return {
        "onlyConfig": [episode_document(episode) for episode in found.only_first],
        "onlyAgainst": [episode_document(episode) for episode in found.only_second],
        "changed": [
            {
                "config": episode_document(changed.first),
                "against": episode_document(changed.second),
                "fields": sorted(changed.fields),
            }
            for changed in found.changed
        ],
        "same": found.same,
    }
