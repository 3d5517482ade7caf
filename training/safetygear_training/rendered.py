"""Stills of a rendered clip with its exact truth, to measure on. Figures on them are never mixed with real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from safetygear_training.labels import HEAD, HELMET, PERSON, VEST, Boxes, class_mask, cut_heads
from safetygear_training.pictures import DataError, Picture

LABELLED = ["person", "helmet", "vest", "head"]
LONGEST_SIDE_PX = 640
VISIBLE_PART = 0.3
"""Of a person: with less in the picture or in sight, the person's boxes are neither objects nor background."""


def boxes_of(persons: list[dict[str, Any]]) -> tuple[Boxes, Boxes]:
    """The truth of one frame -> boxes in frame pixels, and places to ignore."""
    seen: list[list[float]] = []
    hidden: list[list[float]] = []
    for person in persons:
        rows = seen if min(person["visible_fraction"], person["in_frame"]) >= VISIBLE_PART else hidden
        rows.append([*person["box_visible"], PERSON])
        if person.get("helmet") is not None:
            rows.append([*person["helmet"]["box"], HELMET])
        if person["helmet_state"] != "worn" and person["head"] is not None:
            rows.append([*person["head"], HEAD])
        if person.get("vest") is not None:
            rows.append([*person["vest"]["box"], VEST])
    return cut_heads(_table(seen)), cut_heads(_table(hidden))


def _table(rows: list[list[float]]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 5)


def read_clip(clip: Path, truth: Path, every: int) -> list[Picture]:
    """Every so many-th frame that shows somebody, longest side 640 px. Raises DataError."""
    try:
        frames = {frame["frame"]: frame["persons"] for frame in json.loads(truth.read_bytes())["frames"]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{truth}: not the truth of a rendered clip ({error})") from error
    reader, number, pictures = cv2.VideoCapture(str(clip)), 0, []
    while True:
        done, pixels = reader.read()
        if not done:
            break
        if number % every == 0 and frames.get(number):
            scale = LONGEST_SIDE_PX / max(pixels.shape[:2])
            small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            boxes, ignored = boxes_of(frames[number])
            factor = np.array([scale, scale, scale, scale, 1], np.float32)
            name = f"{clip.name}#{number}"
            pictures.append(Picture(name, small, boxes * factor, class_mask(LABELLED), ignored * factor))
        number += 1
    reader.release()
    if not pictures:
        raise DataError(f"{clip}: no frame OpenCV can read shows anybody")
    return pictures
