"""Which violations of the rendered stories become episodes, with true boxes and with the default detector's: JSON out.

`python tests/bench/bench_stories.py [FPS]`: each clip of scenes/clips at FPS (default 5) through tracking, wearing,
votes, zones and episodes, under the zones and the shift that its truth names and everything else at its default. `right`,
`again`, `false` and `missed` as in bench_events.py, whose functions these are; only events that are due can be missed.
Once with the weak boxes, as live, and once without. No assertions.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import msgspec
from bench_events import KNOWN, score, who

from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig, ZoneConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.config import VisibilityConfig
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.judging.camera_judge import CameraJudge, JudgingConfig
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.judging.weak_boxes import for_judging, none, split, thresholds_of
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture
from safetygear_inference.tracking import TrackIds
from safetygear_inference.visibility import measure
from support.judged_clip import perfect_boxes

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "scenes" / "clips"
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
            frame_size_px=(clip["width"], clip["height"]),
        )
        for change in result.changes:
            if change.state == "open":
                box = next(one.person.xyxy_norm for one in result.people if one.person.track == change.track)
                found.append({"rule": change.rule, "reason": change.reason, "person": who(clip, frame, box),
                              "opened_s": round(t_s, 2)})  # fmt: skip
    told = score(clip, found)
    due = [f"{event['person']} {event['rule']}" for event in clip["events"] if event["due"]]
    return told | {"missed": [name for name in told["missed"] if name in due], "due": len(due)}


def story(path: Path, model: Model, fps: float) -> dict[str, Any]:
    """One clip, three times."""
    clip = json.loads(path.read_text())
    thresholds = thresholds_of({label: model.own_threshold(label) for label in model.labels}, {}, None)
    detector, shown_from = model.detector(thresholds=thresholds.asked), thresholds.shown_from(model.labels)
    step, limit = max(1, round(clip["fps"] / fps)), VisibilityConfig().dark_below
    true, live, without = [], [], []
    with av.open(str(path.parent / clip["video"])) as container:
        for frame, decoded in zip(clip["frames"], container.decode(video=0), strict=False):
            if frame["frame"] % step:
                continue
            picture = Picture.from_bgr(decoded.to_ndarray(format="bgr24"))
            dark = measure(picture.luma()).dark(limit)
            shown, weak = split(detector.detect(picture), shown_from)
            true.append((frame, perfect_boxes(clip, frame)[0], False))
            live.append((frame, for_judging(shown, weak, model.labels), dark))
            without.append((frame, for_judging(shown, none(), model.labels), dark))
    ways = {"true_boxes": true, "default_detector": live, "default_detector_without_weak_boxes": without}
    return {name: judged(clip, seen) for name, seen in ways.items()}


def main() -> None:
    fps = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    stories = {path.name.partition(".")[0]: story(path, model, fps) for path in sorted(CLIPS.glob("*.truth.json"))}
    totals: dict[str, Counter[str]] = {}
    for ways in stories.values():
        for name, told in ways.items():
            totals.setdefault(name, Counter()).update(
                due=told["due"], right=told["right"], again=told["again"], false=len(told["false"]),
                missed=len(told["missed"]),
            )  # fmt: skip
    print(json.dumps({"fps": fps, "model": model.identity.version, "totals": totals, "stories": stories}, indent=1))


if __name__ == "__main__":
    main()
