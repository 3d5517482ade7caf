"""The rendered stories of scenes/clips, judged frame by frame under the zones and the shift that their truth names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig, ZoneConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.camera_judge import CameraJudge, JudgingConfig
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.tracking import TrackIds
from support.scored_episodes import score, who

CLIPS = Path(__file__).parents[2] / "scenes" / "clips"
KNOWN = frozenset({"person", "helmet", "vest", "head", "no-vest"})
SHIFT_END_S = datetime(2026, 11, 23, 14, tzinfo=UTC).timestamp()
"""A Monday's; a story with a shift begins so long before that it ends when its truth says."""


def zones_of(clip: dict[str, Any]) -> tuple[dict[str, ZoneConfig], float]:
    """The story's zones, and the wall clock of its first frame."""
    began_s = SHIFT_END_S - 3600
    zones = {}
    for name, zone in clip["zones"].items():
        shifts = None
        if zone["until_s"] is not None:
            shifts, began_s = {"week": {"monday": ["06:00-14:00"]}}, SHIFT_END_S - zone["until_s"]
        zones[name] = {
            "polygon": zone["polygon"], "requires": zone["requires"], "minimumDurationS": zone["minimum_duration_s"],
            "shifts": shifts,
        }  # fmt: skip
    return msgspec.convert(zones, dict[str, ZoneConfig]), began_s


def judged(clip: dict[str, Any], seen: list[tuple[dict[str, Any], LabelledBoxes, bool]]) -> dict[str, Any]:
    """One story. `seen`: its truth, boxes and whether it is dark, frame by frame."""
    zones, began_s = zones_of(clip)
    plan = ZonePlan({"cam": zones}, {}, RulesConfig())
    episodes = Episodes(plan, EpisodeConfig(), origin="bench")
    judge = CameraJudge("cam", zones=plan.camera("cam"), config=JudgingConfig(), ids=TrackIds("t"), episodes=episodes)
    found, size_px = [], (clip["width"], clip["height"])
    for frame, boxes, dark in seen:
        t_s = float(frame["t"])
        result = judge.judge(
            boxes,
            known=KNOWN,
            now_s=t_s,
            wall_s=began_s + t_s,
            dark=dark,
            frame_size_px=size_px,
        )
        for change in result.changes:
            if change.state == "open":
                box = next(one.person.xyxy_norm for one in result.people if one.person.track == change.track)
                found.append({"rule": change.rule, "reason": change.reason, "person": who(clip, frame, box),
                              "opened_s": round(t_s, 2)})  # fmt: skip
    told = score(clip, found)
    due = [f"{event['person']} {event['rule']}" for event in clip["events"] if event["due"]]
    return told | {"missed": [name for name in told["missed"] if name in due], "due": len(due)}
