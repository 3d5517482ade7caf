"""How often worn, missing and carried come out right on the site scene, and what it costs: JSON out.

`python tests/bench/bench_wearing.py [FPS [PROBABILITY]]`: the clip at FPS (default 5), once with its truth as perfect
boxes and once with the default detector's from PROBABILITY (default: the model's own threshold) on. Counted are frames
in which a person is assessable, as the clip's ground truth says, tracked without fault: `frame` is the evidence of
single frames, `vote` what holds after the vote. `other`: carried for missing or the reverse, the rule is broken either
way. `missed`: frames in which the detector has no box of the person. Cost: ms of CPU time (median) of one frame's
evidence and votes for helmet and vest at 20 people with three boxes each. No assertions.
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

from safetygear_inference.compliance.judging_config import VoteConfig
from safetygear_inference.compliance.vote import GearVotes
from safetygear_inference.compliance.wearing import observe
from safetygear_inference.detectors import open_model
from safetygear_inference.judging.observation import LabelledBoxes, TrackedPerson
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.judged_clip import GEAR, Judged, assessable, found_people, judge, perfect_boxes  # noqa: E402  # path
from support.site_scene import CLIP, truth  # noqa: E402  # path

CROWD, ROUNDS = 20, 200


def detected(
    clip: dict[str, Any], step: int, threshold: float | None
) -> list[tuple[dict[str, Any], LabelledBoxes, dict[str, int]]]:
    """Every `step`-th frame with the default detector's boxes and whose they are."""
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    detector = model.detector(default_threshold=threshold)
    seen = []
    with av.open(str(CLIP)) as container:
        for frame, decoded in zip(clip["frames"], container.decode(video=0), strict=False):
            if frame["frame"] % step == 0:
                found = detector.detect(Picture.from_bgr(decoded.to_ndarray(format="bgr24")))
                labels = tuple(model.labels[number] for number in found.class_id)
                boxes = LabelledBoxes(found.xyxy_norm, labels, found.probability)
                seen.append((frame, boxes, found_people(clip, frame, boxes)))
    return seen


def verdict(state: str, expected: str) -> str:
    if state == expected:
        return "right"
    if state == "unknown":
        return "unknown"
    return "wrong" if "worn" in (state, expected) else "other"


def table(clip: dict[str, Any], judged: list[Judged], frames: list[dict[str, Any]]) -> dict[str, Any]:
    """By person and gear: how often the frame's evidence and the vote are right, unknown, other or wrong."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for one in (one for one in judged if one.assessable):
        row = counts.setdefault(f"{one.person} {one.gear}", {"frame": Counter(), "vote": Counter()})
        row["frame"][verdict(one.frame_state, one.expected)] += 1
        row["vote"][verdict(one.state, one.expected)] += 1
    whole = {kind: sum((row[kind] for row in counts.values()), Counter()) for kind in ("frame", "vote")}
    result: dict[str, Any] = {name: {kind: dict(row[kind]) for kind in row} for name, row in sorted(counts.items())}
    result["all"] = {kind: dict(count) for kind, count in whole.items()}
    present = sum(assessable(clip, person["id"], frame["t"]) for frame in frames for person in frame["persons"])
    result["missed"] = present - sum(one.assessable for one in judged) // len(GEAR)
    result["wrong_votes_s"] = {
        f"{name} {gear}": [one.t_s for one in judged if (one.person, one.gear) == (name, gear) and _wrong(one)]
        for name in clip["persons"]
        for gear in GEAR
        if any((one.person, one.gear) == (name, gear) and _wrong(one) for one in judged)
    }
    return result


def _wrong(one: Judged) -> bool:
    return one.assessable and verdict(one.state, one.expected) == "wrong"


def cost_ms() -> float:
    """Median CPU ms per frame at 20 people who stand in two rows and overlap."""
    rows, labels = [], []
    for person in range(CROWD):
        x, y = 40 + 60 * (person % (CROWD // 2)) * 2, 150 + 60 * (person // (CROWD // 2))
        rows += [(x, y, x + 90, y + 250), (x + 22, y, x + 68, y + 28), (x + 20, y + 36, x + 70, y + 138)]
        labels += ["person", "helmet" if person % 3 else "head", "vest" if person % 4 else "no-vest"]
    xyxy = (np.array(rows, np.float32) / np.array([1280, 720] * 2, np.float32)).astype(np.float32)
    boxes = LabelledBoxes(xyxy, tuple(labels), np.full(len(rows), 0.7, np.float32))
    people = [TrackedPerson(f"t{n}", xyxy[3 * n], 0.7, 3 * n) for n in range(CROWD)]
    votes, took = GearVotes(VoteConfig()), []
    for number in range(ROUNDS):
        before_s = time.thread_time()
        found = observe(people, boxes, frame_size_px=(1280, 720), dark=False, gear=GEAR)
        for person in people:
            votes.update(person.track, found[person.track], number * 0.2)
        took.append((time.thread_time() - before_s) * 1000)
    return round(statistics.median(took[10:]), 2)


def main(fps: float, threshold: float | None) -> dict[str, Any]:
    clip = truth()
    step = max(1, round(clip["fps"] / fps))
    frames = clip["frames"][::step]
    perfect = [(frame, *perfect_boxes(clip, frame)) for frame in frames]
    return {
        "fps": clip["fps"] / step,
        "perfect_boxes": table(clip, list(judge(clip, perfect, VoteConfig())), frames),
        "default_detector": table(clip, list(judge(clip, detected(clip, step, threshold), VoteConfig())), frames),
        "ms_per_frame_20_people": cost_ms(),
    }


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    print(json.dumps(main(given[0] if given else 5.0, given[1] if len(given) > 1 else None), indent=2))
