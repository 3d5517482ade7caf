"""What covering faces costs, and what is left of them, as JSON.

`PYTHONPATH=tests python tests/bench/bench_evidence.py [--every N] [--scenes]`

Milliseconds of CPU time of one thread (median) on frames of the site scene with two people: what the live page pays for
each picture that is encoded, and what one stored picture or snapshot costs in the side thread. Then the faces of the
true heads of the demo clip and of the site scene in every picture that the module would store of each `N`th frame, and
with `--scenes` those of the rendered stories. No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from safetygear.geometry import as_xyxy
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.crop import Part
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE, face_regions, left_over
from safetygear_inference.evidence.picture_making import CautiousDetector, PictureOrder, cut_out, finish
from safetygear_inference.judging.labels import canonical_labels
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import encode_jpeg, make_unrecognisable, to_bgr
from support import scenes, site_scene
from support.faces_left import FaceLeft, faces_left

ROOT = Path(__file__).parents[2]
FRAME, WARM_UP = 100, 5
PAGE_WIDTH_PX = 960


def frame_of(clip: Path) -> Picture:
    with av.open(str(clip)) as container:
        decoded = next(itertools.islice(container.decode(video=0), FRAME, None))
    planes = decoded.reformat(format="yuv420p").planes
    views = [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in planes]
    return Picture(tuple(views), decoded.width, decoded.height, "i420")


def median_ms(work: Callable[[], Any], rounds: int) -> float:
    took = []
    for number in range(WARM_UP + rounds):
        before_s = time.thread_time()
        work()
        if number >= WARM_UP:
            took.append((time.thread_time() - before_s) * 1000)
    return round(statistics.median(took), 3)


def costs(picture: Picture, model: Model, rounds: int) -> dict[str, Any]:
    found = model.detector().detect(picture)
    labels = canonical_labels(model.labels)
    seen = LabelledBoxes(
        found.xyxy_norm, tuple(labels[number] for number in found.class_id.tolist()), found.probability
    )
    people = as_xyxy([box for box, label in zip(seen.xyxy_norm, seen.label, strict=True) if label == "person"])
    bgr = to_bgr(picture, max_width_px=PAGE_WIDTH_PX)
    size_px = bgr.shape[1], bgr.shape[0]
    twenty = LabelledBoxes(np.tile(seen.xyxy_norm, (10, 1)), seen.label * 10, np.tile(seen.probability, 10))

    def cover(boxes: LabelledBoxes) -> None:
        expected = left_over(people, boxes)
        make_unrecognisable(bgr, face_regions(boxes, picture_size_px=size_px, expected_norm=expected))

    config, cautious = EvidenceConfig(), CautiousDetector()
    left, top, right, bottom = people[0].tolist()
    person = Part.around(
        (left, top, right, bottom), margin=config.margin, frame_size_px=(picture.width, picture.height)
    )

    def make(part: Part) -> None:
        order = PictureOrder(part, seen, as_xyxy([]), (), "blurred", config.max_side_px, config.quality)
        finish(cut_out(picture, order), order, model, cautious)

    return {
        "people": len(people),
        "page_scale_ms": median_ms(lambda: to_bgr(picture, max_width_px=PAGE_WIDTH_PX), rounds),
        "page_cover_ms": median_ms(lambda: cover(seen), rounds),
        "page_cover_20_people_ms": median_ms(lambda: cover(twenty), rounds),
        "page_encode_ms": median_ms(lambda: encode_jpeg(bgr, 75), rounds),
        "evidence_picture_ms": median_ms(lambda: make(person), rounds),
        "snapshot_ms": median_ms(lambda: make(Part.whole((picture.width, picture.height))), rounds),
    }


def figures(faces: list[FaceLeft]) -> dict[str, Any]:
    of_evidence = [face.helmet_left for face in faces if face.of_whom != "whole" and face.helmet_left is not None]
    return {
        "in_pictures": len(faces),
        "limit": RECOGNISABLE_ABOVE,
        "above_limit_before": sum(face.before > RECOGNISABLE_ABOVE for face in faces),
        "above_limit_after": sum(face.after > RECOGNISABLE_ABOVE for face in faces),
        "detail_before": [round(float(np.percentile([f.before for f in faces], p)), 1) for p in (5, 50, 95)],
        "detail_after": [round(float(np.percentile([f.after for f in faces], p)), 1) for p in (5, 50, 95, 99, 100)],
        "helmets": len(of_evidence),
        "helmets_hidden": sum(share < 0.5 for share in of_evidence),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--every", type=int, default=2)
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--scenes", action="store_true")
    asked = options.parse_args()
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    result: dict[str, Any] = {"model": model.identity.name, **costs(frame_of(site_scene.CLIP), model, asked.rounds)}
    for name, clip, truth in (
        ("demo", scenes.clip(scenes.TOUR), scenes.truth(scenes.TOUR)),
        ("site_scene", site_scene.CLIP, site_scene.truth()),
    ):
        result[f"faces_of_{name}"] = figures(list(faces_left(clip, truth, model, every=asked.every)))
    if asked.scenes:
        stories: list[FaceLeft] = []
        for name in scenes.names():
            stories += faces_left(scenes.clip(name), scenes.truth(name), model, every=asked.every)
        result["stories"] = figures(stories)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
