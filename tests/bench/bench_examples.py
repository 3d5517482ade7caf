"""Whether frames that are chosen to learn from are harder than others, as JSON.

`PYTHONPATH=tests python tests/bench/bench_examples.py [--fps N]`

The default detector on the fourteen rendered stories and the site scene, judged and looked at as on the device, but for
pauses, budget and near-duplicates: each reason says which frames it wishes for. A frame is wrong where the detector
shows no box on a person, helmet, bare head or vest that can be seen, or a box of them where there is none. JSON: by
reason, how many frames, in how many stories, and the part of them that is wrong. No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np

from safetygear.geometry import iou
from safetygear.learning.example import REASONS
from safetygear.messages.frames import FrameReference
from safetygear_inference.analysis import Analysed
from safetygear_inference.detectors import Detector, Model, open_model
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.labels import canonical_labels
from safetygear_inference.judging.weak_boxes import Thresholds, for_judging, split, thresholds_of
from safetygear_inference.learning.observed import observe
from safetygear_inference.learning.rare_classes import KNOWN_AFTER
from safetygear_inference.learning.selection import Selection
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import DetectedBoxes, Picture
from support import scenes, site_scene
from support.judged_clip import perfect_boxes

ROOT = Path(__file__).parents[2]
COMPARED = ("person", "helmet", "head", "vest")
FOUND_IOU, THERE_IOU = 0.4, 0.2
"""A box on a true one; a box that has at least to do with one."""
ALL = "all frames"


class Choosing:
    """All stories one after the other, on one camera each; what is usual is learned from all of them."""

    def __init__(self, model: Model, fps: int) -> None:
        self.model, self.fps = model, fps
        own = {label: model.own_threshold(label) for label in model.labels}
        self.thresholds: Thresholds = thresholds_of(own, {}, None)
        self.detector: Detector = model.detector(thresholds=self.thresholds.asked)
        self.judges = Judges(origin="t/t", token="t")
        self.judges.model(model.labels)
        self.selection = Selection(Random(1))
        self.now_s = 0.0
        self.wrong: dict[str, dict[tuple[str, int], bool]] = defaultdict(dict)
        """By reason and frame."""

    def watch(self, name: str, clip: Path, truth: dict[str, Any]) -> None:
        shown_from = self.thresholds.shown_from(self.model.labels)
        before = False
        with av.open(str(clip)) as container:
            for number, decoded in enumerate(container.decode(video=0)):
                if number % (truth["fps"] // self.fps) or number >= len(truth["frames"]):
                    continue
                self.now_s += 1 / self.fps
                found = self.detector.detect(Picture.from_bgr(decoded.to_ndarray(format="bgr24")))
                boxes, weak = split(found, shown_from)
                frame = self._seen(name, number, (truth["width"], truth["height"]), boxes, weak)
                wrong = is_wrong(truth, truth["frames"][number], boxes, canonical_labels(self.model.labels))
                wishes = self.selection.look(
                    observe(frame, shown_from.tolist(), now_s=self.now_s),
                    wanted=REASONS, wall_s=1e9 + self.now_s, random_per_hour=400, reference_s=1e9,
                )  # fmt: skip
                self.wrong[ALL][name, number] = wrong
                for wish in wishes:
                    of = number - truth["fps"] // self.fps if wish.earlier else number
                    self.wrong[wish.reason][name, of] = before if wish.earlier else wrong
                before = wrong
        self.now_s += 10

    def _seen(
        self, name: str, number: int, size_px: tuple[int, int], boxes: DetectedBoxes, weak: DetectedBoxes
    ) -> SeenFrame:
        judged = self.judges.judge(
            name, for_judging(boxes, weak, self.model.labels), now_s=self.now_s, wall_s=1e9 + self.now_s, dark=False,
            frame_size_px=size_px,
        )  # fmt: skip
        reference = FrameReference(
            camera=name, frame=number, ring="r", epoch=1, slot=0, sequence=2, width=size_px[0], height=size_px[1],
            stride=size_px[0], pixel_format="i420", captured_at="2026-11-29T12:00:00.000Z", clock="arrival",
            decoded_at="2026-11-29T12:00:00.000Z",
        )  # fmt: skip
        unused: Any = None
        analysed = Analysed(boxes, 0.0, 0.0, None, None, weak)
        return SeenFrame(Arrival("default", reference, 0.0), analysed, self.model, judged, unused, False)

    def figures(self) -> dict[str, Any]:
        return {
            reason: {
                "frames": len(frames),
                "stories": len({name for name, _ in frames}),
                "wrong": round(sum(frames.values()) / len(frames), 3),
            }
            for reason, frames in self.wrong.items()
        }


def is_wrong(truth: dict[str, Any], frame: dict[str, Any], boxes: DetectedBoxes, labels: tuple[str, ...]) -> bool:
    """Whether a label is missed that can be seen, or shown where there is none."""
    true, _ = perfect_boxes(truth, frame)
    size = np.array([truth["width"], truth["height"]] * 2, np.float32)
    anybody = np.array([person["box"] for person in frame["persons"]], np.float32).reshape(-1, 4) / size
    shown = [labels[number] for number in boxes.class_id.tolist()]
    for label in COMPARED:
        wanted = true.xyxy_norm[[row for row, one in enumerate(true.label) if one == label]].reshape(-1, 4)
        given = boxes.xyxy_norm[[row for row, one in enumerate(shown) if one == label]].reshape(-1, 4)
        if len(wanted) and (not len(given) or (iou(wanted, given).max(axis=1) < FOUND_IOU).any()):
            return True
        there = anybody if label == "person" else wanted
        if len(given) and (not len(there) or (iou(given, there).max(axis=1) < THERE_IOU).any()):
            return True
    return False


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--fps", type=int, default=5)
    asked = options.parse_args()
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    choosing = Choosing(model, asked.fps)
    choosing.watch("site scene", site_scene.CLIP, site_scene.truth())
    for name in scenes.names():
        choosing.watch(name, scenes.clip(name), scenes.truth(name))
    result = {"model": model.identity.name, "fps": asked.fps, "rare_known_after_frames": KNOWN_AFTER}
    print(json.dumps(result | {"reasons": choosing.figures()}, indent=2))


if __name__ == "__main__":
    main()
