"""Is a person's gear judged right, by the detector alone and with the second look? By the person's height, JSON out.

`python tests/bench/bench_second_look.py real DATA [--config training/second_look.toml]`: pictures that neither taught
the detector nor the second look (training/DATA.md), each shown on a grey 640x360 canvas as large as it fits, at a half
and at a third, so that people of all heights are asked. `stories`: every tenth frame of the rendered stories
(evaluation only). `cost`: milliseconds of one thread (median) by the number of looks, and of the detector beside it.

One picture is one piece of evidence, without votes. `right` and `wrong` are shares of the people whose gear is known
and whom the detector has found; the rest is `unknown`. `accuracy`: right of right and wrong, worn and missing as often.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "training")]

from safetygear.frames.ring import FrameRingReader  # noqa: E402  # the path above
from safetygear.geometry import as_xyxy, iou  # noqa: E402
from safetygear_inference.compliance.looked_again import NOT_TO_BE_SEEN, with_look  # noqa: E402
from safetygear_inference.compliance.wearing import observe  # noqa: E402
from safetygear_inference.judging.observation import LabelledBoxes, LookWish, TrackedPerson  # noqa: E402
from safetygear_inference.model_change.config import DEFAULT_MODEL  # noqa: E402
from safetygear_inference.model_store import SECOND_LOOK  # noqa: E402
from safetygear_inference.picture import Bgr, Picture  # noqa: E402
from safetygear_inference.second_look.looking import SecondLook  # noqa: E402
from safetygear_inference.second_look.network import SecondLookNetwork  # noqa: E402
from safetygear_training.labels import CLASSES, PERSON  # noqa: E402
from safetygear_training.pictures import read_source  # noqa: E402
from safetygear_training.second_look.collection import held_back_pictures  # noqa: E402
from safetygear_training.second_look.config import read_config  # noqa: E402
from support import scenes  # noqa: E402
from support.judged_clip import perfect_boxes  # noqa: E402
from support.watching import MODELS, Watcher  # noqa: E402

GEARS = ("helmet", "vest")
HEIGHTS_PX = (40, 60, 90, 140, 1000)
CANVAS = (640, 360)
SHOWN = (1.0, 0.5, 1 / 3)
FOUND_IOU = 0.5
UPRIGHT = 0.62
STEP = 10
MINIMUM_WEIGHT = 0.2


@dataclass(frozen=True)
class Asked:
    """One picture, and of each of its people what is true: `worn` or `missing` by gear."""

    source: str
    bgr: Bgr
    people: list[tuple[Any, dict[str, str]]]
    """(4,) xyxy px, and the truth."""


def real(data: Path, config_path: Path) -> Iterator[Asked]:
    config = read_config(config_path)
    sets = held_back_pictures(config, data) | {"cppe_val": read_source(data, "cppe_val")}
    complete = {source.name: source.bodies for source in config.sources}
    for name, pictures in sets.items():
        for picture in pictures:
            if not picture.labelled[PERSON]:
                continue
            for share in SHOWN:
                bgr, scale = shown(picture.pixels, share)
                boxes = picture.boxes.astype(np.float64)
                boxes[:, :4] *= scale
                yield Asked(name, bgr, true_people(boxes, bgr, complete.get(name, ())))


def shown(pixels: Bgr, share: float) -> tuple[Bgr, float]:
    width, height = CANVAS
    scale = share * min(width / pixels.shape[1], height / pixels.shape[0])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bgr = np.full((height, width, 3), 114, np.uint8)
    bgr[: small.shape[0], : small.shape[1]] = small
    return bgr, scale


def true_people(boxes: Any, bgr: Bgr, complete: tuple[str, ...]) -> list[tuple[Any, dict[str, str]]]:
    """What the labels say by the judging's own rules; where a gear is labelled completely, an upright person's lack of
    a box is its lack."""
    size = np.array([bgr.shape[1], bgr.shape[0]] * 2)
    labels = tuple(CLASSES[int(label)] for label in boxes[:, 4])
    truth = LabelledBoxes(as_xyxy(boxes[:, :4] / size), labels, np.full(len(labels), 0.9, np.float32))
    tracked = [
        TrackedPerson(str(row), truth.xyxy_norm[row], 0.9, row) for row, label in enumerate(labels) if label == "person"
    ]
    found = observe(tracked, truth, frame_size_px=(bgr.shape[1], bgr.shape[0]), dark=False, gear=GEARS)
    people = []
    for person in tracked:
        box = boxes[person.box_index, :4]
        states = {}
        for gear in GEARS:
            evidence = found[person.track][gear]
            upright = box[2] - box[0] < UPRIGHT * (box[3] - box[1]) and box[1] > 2
            if evidence.state in ("worn", "missing"):
                states[gear] = str(evidence.state)
            elif gear in complete and upright and evidence.reason == "not-seen":
                states[gear] = "missing"
        people.append((box, states))
    return people


def stories() -> Iterator[Asked]:
    for name in scenes.names():
        story = scenes.truth(name)
        size = np.array([story["width"], story["height"]] * 2)
        with av.open(str(scenes.clip(name))) as container:
            for frame, decoded in zip(story["frames"], container.decode(video=0), strict=False):
                if frame["frame"] % STEP:
                    continue
                boxes, rows = perfect_boxes(story, frame)
                people = [
                    (
                        boxes.xyxy_norm[rows[person["id"]]] * size,
                        {
                            "helmet": "worn" if person["helmet_state"] == "worn" else "missing",
                            "vest": "worn" if person["wears_vest"] else "missing",
                        },
                    )
                    for person in frame["persons"]
                    if person["id"] in rows and person["visible_fraction"] >= 0.6
                ]
                yield Asked(name, decoded.to_ndarray(format="bgr24"), people)


def decisions(asked: Iterator[Asked], model: str) -> dict[str, Any]:
    watcher, network, reader = Watcher(model), SecondLookNetwork(MODELS / SECOND_LOOK), FrameRingReader(MODELS)
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for one in asked:
        seen = watcher.see(0.0, one.bgr)
        size = np.array([*seen.size_px, *seen.size_px], np.float32)
        rows = [row for row, label in enumerate(seen.boxes.label) if label == "person" and row < seen.boxes.shown]
        if not rows or not one.people:
            continue
        overlap = iou(as_xyxy([box / size for box, _ in one.people]), seen.boxes.xyxy_norm[rows])
        tracked = [TrackedPerson(str(row), seen.boxes.xyxy_norm[row], 0.9, row) for row in rows]
        found = observe(tracked, seen.boxes, frame_size_px=seen.size_px, dark=seen.dark, gear=GEARS)
        wishes = [LookWish(person.track, gear, person.xyxy_norm, True) for person in tracked for gear in GEARS]
        looks = SecondLook(network, wishes).at(seen.picture, seen.boxes, reader).looks
        for (box, states), of_box in zip(one.people, overlap, strict=True):
            person = tracked[int(of_box.argmax())]
            if of_box.max() < FOUND_IOU:
                continue
            height = box[3] - box[1]
            bucket = next((f"{a}-{b}" for a, b in pairwise(HEIGHTS_PX) if a <= height < b), None)
            for gear, truth in states.items():
                alone = found[person.track][gear]
                if bucket is None or (alone.state == "unknown" and alone.reason in NOT_TO_BE_SEEN):
                    continue
                mine = [look for look in looks if look.gear == gear and (look.xyxy_norm == person.xyxy_norm).all()]
                both = with_look(alone, mine[0], dark=seen.dark, minimum_weight=MINIMUM_WEIGHT) if mine else alone
                look = {"yes": "worn", "no": "missing"}[mine[0].answer] if mine else "unknown"
                for how, state in (("alone", alone.state), ("with", both.state), ("look", look)):
                    verdict = "unknown" if state == "unknown" else "right" if _same(state, truth) else "wrong"
                    for group in (one.source, "all"):
                        for tall in (bucket, ">=60" if height >= HEIGHTS_PX[1] else None):
                            if tall:
                                key = (group, gear, tall, truth, how)
                                counts.setdefault(key, Counter())[verdict] += 1
    return _tables(counts)


def _same(state: str, truth: str) -> bool:
    return (state == "worn") == (truth == "worn")


def _tables(counts: dict[tuple[str, ...], Counter[str]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for (group, gear, tall, truth, how), verdicts in sorted(counts.items()):
        cell = table.setdefault(group, {}).setdefault(gear, {}).setdefault(tall, {}).setdefault(how, {})
        total = sum(verdicts.values())
        shares = {name: round(verdicts[name] / total, 3) for name in ("right", "wrong", "unknown")}
        cell[truth] = {"people": total, **shares}
    for of_group in table.values():
        for of_gear in of_group.values():
            for cell in of_gear.values():
                for how in cell.values():
                    kinds = [how[truth] for truth in ("worn", "missing") if truth in how]
                    right, wrong = (sum(kind[name] for kind in kinds) / len(kinds) for name in ("right", "wrong"))
                    # Both kinds as often, whatever the pictures show.
                    how["accuracy"] = round(right / (right + wrong), 3) if right + wrong else None
                    how["decided"] = round(right + wrong, 3)
    return table


def cost(model: str) -> dict[str, Any]:
    watcher, network, reader = Watcher(model), SecondLookNetwork(MODELS / SECOND_LOOK), FrameRingReader(MODELS)
    clip = scenes.clip("caps-and-hoods")
    with av.open(str(clip)) as container:
        bgr = next(container.decode(video=0)).to_ndarray(format="bgr24")
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    height, width = bgr.shape[:2]
    y, u, v = i420[:height], i420[height:].reshape(2, height // 2, width // 2)[0], i420[height:].reshape(2, -1)[1]
    picture = Picture((y, u, v.reshape(height // 2, width // 2)), width, height, "i420")
    people = [(20 + 50 * number, 100, 60 + 50 * number, 210) for number in range(8)]
    boxes = LabelledBoxes(
        as_xyxy(np.array(people, np.float32) / (width, height, width, height)),
        ("person",) * 8,
        np.full(8, 0.9, np.float32),
    )
    wishes = [LookWish(str(number), "helmet", boxes.xyxy_norm[number], True) for number in range(8)]
    took: dict[str, list[float]] = {}
    for number in range(60):
        stages = {"detector": lambda: watcher.see(0.0, bgr)} | {
            f"{looks} looks": (lambda looks=looks: SecondLook(network, wishes[:looks]).at(picture, boxes, reader))
            for looks in (1, 2, 4, 8)
        }
        for name, stage in stages.items():
            before_s = time.thread_time()
            stage()
            if number >= 10:
                took.setdefault(name, []).append((time.thread_time() - before_s) * 1000)
    return {f"{name} ms": round(statistics.median(values), 3) for name, values in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["real", "stories", "cost"])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--config", type=Path, default=ROOT / "training" / "second_look.toml")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    given = parser.parse_args()
    if given.what == "cost":
        result = cost(given.model)
    else:
        result = decisions(stories() if given.what == "stories" else real(given.data, given.config), given.model)
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
