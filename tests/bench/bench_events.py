"""Which of the site scene's violations become episodes, with true boxes and with the default detector's: JSON out.

`python tests/bench/bench_events.py [FPS]`: the clip at FPS (default 5) through tracking, wearing, votes, zones and
episodes with everything at its default, in two phases of the frames that are left out. An episode is *right* where its
person (the truth's box that the violator's overlaps best) breaks the rule then; `missed` are the truth's violations
without one, `again` those with more than one. Delays are from the moment the clip calls the person assessable. Cost:
ms of CPU time (median) of one frame's judging with 20 people. No assertions.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np

from safetygear.geometry import as_xyxy
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.detectors import open_model
from safetygear_inference.judging.camera_judge import CameraJudge, JudgingConfig
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.judging.weak_boxes import for_judging, none, split, thresholds_of
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture
from safetygear_inference.tracking import TrackIds

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.judged_clip import perfect_boxes  # noqa: E402  # path
from support.scored_episodes import score, who  # noqa: E402  # path
from support.site_scene import CLIP, truth  # noqa: E402  # path

KNOWN = frozenset({"person", "helmet", "vest", "head", "no-vest"})
CROWD, ROUNDS = 20, 100


def detected(clip: dict[str, Any]) -> tuple[list[LabelledBoxes], list[LabelledBoxes]]:
    """The default detector's boxes of every frame: with the weak ones, as live, and without."""
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    thresholds = thresholds_of({label: model.own_threshold(label) for label in model.labels}, {}, None)
    detector = model.detector(thresholds=thresholds.asked)
    found, without = [], []
    with av.open(str(CLIP)) as container:
        for decoded in container.decode(video=0):
            boxes = detector.detect(Picture.from_bgr(decoded.to_ndarray(format="bgr24")))
            shown, weak = split(boxes, thresholds.shown_from(model.labels))
            found.append(for_judging(shown, weak, model.labels))
            without.append(for_judging(shown, none(), model.labels))
    return found, without


def judge_for(camera: str) -> tuple[CameraJudge, Episodes]:
    plan = ZonePlan({}, {}, RulesConfig())
    episodes = Episodes(plan, EpisodeConfig(), origin="bench")
    judge = CameraJudge(camera, zones=plan.camera(camera), config=JudgingConfig(), ids=TrackIds("t"), episodes=episodes)
    return judge, episodes


def judged(clip: dict[str, Any], boxes: list[LabelledBoxes], step: int, phase: int) -> dict[str, Any]:
    judge, episodes = judge_for("demo")
    size = (clip["width"], clip["height"])
    found: list[dict[str, Any]] = []
    open_by_id: dict[str, dict[str, Any]] = {}
    statuses: Counter[str] = Counter()
    changes = []
    for frame, of_frame in list(zip(clip["frames"], boxes, strict=False))[phase::step]:
        t_s = float(frame["t"])
        result = judge.judge(of_frame, known=KNOWN, now_s=t_s, wall_s=t_s, dark=False, frame_size_px=size)
        statuses.update(one.status for one in result.people)
        changes = list(result.changes)
        for change in changes:
            if change.state == "open":
                box = next(one.person.xyxy_norm for one in result.people if one.person.track == change.track)
                row = {"rule": change.rule, "reason": change.reason, "person": who(clip, frame, box),
                       "opened_s": round(t_s, 2)}  # fmt: skip
                found.append(row)
                open_by_id[change.id] = row
            elif change.state == "closed":
                open_by_id[change.id] |= {"closed_s": round(change.closed_at_s or 0.0, 2), "why": change.close_reason}
    for change in episodes.removed("demo"):
        open_by_id[change.id] |= {"closed_s": round(change.closed_at_s or 0.0, 2), "why": change.close_reason}
    return {"episodes": found, "statuses": dict(statuses), **score(clip, found)}


def cost_ms() -> float:
    """Median of one frame with CROWD people of three boxes each."""
    judge, _ = judge_for("crowd")
    rng = np.random.default_rng(1)
    left = rng.uniform(0, 1180, CROWD)
    top = rng.uniform(0, 440, CROWD)
    taken = []
    for number in range(ROUNDS):
        left += rng.normal(2, 1, CROWD)
        rows, labels = [], []
        for x, y in zip(left, top, strict=True):
            rows += [(x, y, x + 100, y + 260), (x + 32, y, x + 68, y + 36), (x + 20, y + 42, x + 80, y + 140)]
            labels += ["person", "helmet", "no-vest"]
        boxes = LabelledBoxes(
            as_xyxy(rows) / np.array([1280, 720] * 2, np.float32), tuple(labels), np.full(len(rows), 0.9, np.float32)
        )
        before_s = time.thread_time()
        judge.judge(boxes, known=KNOWN, now_s=number * 0.2, wall_s=number * 0.2, dark=False, frame_size_px=(1280, 720))
        taken.append((time.thread_time() - before_s) * 1000)
    return round(statistics.median(taken), 2)


def main() -> None:
    fps = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    clip = truth()
    step = max(1, round(clip["fps"] / fps))
    perfect = [perfect_boxes(clip, frame)[0] for frame in clip["frames"]]
    seen, without = detected(clip)
    print(
        json.dumps(
            {
                "fps": clip["fps"] / step,
                "true_boxes": [judged(clip, perfect, step, phase) for phase in range(min(step, 2))],
                "default_detector": [judged(clip, seen, step, phase) for phase in range(min(step, 2))],
                "default_detector_without_weak_boxes": [
                    judged(clip, without, step, phase) for phase in range(min(step, 2))
                ],
                "ms_per_frame_20_people": cost_ms(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
