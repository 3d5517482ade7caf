"""Finds persons with a COCO network in the sources that do not label them, once per run: `<out>/persons.npz`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from safetygear_training.average_precision import Found
from safetygear_training.boxes import suppress
from safetygear_training.detecting import find, onnx_network
from safetygear_training.fusion import mirrored_back
from safetygear_training.labels import PERSON
from safetygear_training.persons import UNSURE, with_persons
from safetygear_training.pictures import Picture

log = logging.getLogger(__name__)

SUPPRESS_IOU = 0.6
MOST = 100


def both_ways(straight: Found, mirrored: Found, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 5) and scores (n,) of a picture and its mirror image together."""
    boxes = np.concatenate((straight.boxes, mirrored_back(mirrored, width).boxes))
    scores = np.concatenate((straight.scores, mirrored.scores))
    kept = suppress(boxes, scores, np.zeros(len(boxes), np.intp), SUPPRESS_IOU, MOST)
    kept = kept[scores[kept] >= UNSURE]
    labels = np.full((len(kept), 1), PERSON)
    return np.concatenate((boxes[kept], labels), 1).astype(np.float32), scores[kept]


def teach(pictures: Sequence[Picture], teacher: Path, cache: Path) -> list[Picture]:
    """The pictures with persons. The cache is by picture name; what is missing is found and stored."""
    known: dict[str, np.ndarray] = dict(np.load(cache)) if cache.exists() else {}
    missing = [picture for picture in pictures if picture.name not in known]
    if missing:
        network, size = onnx_network(teacher)
        for picture in missing:
            straight = find(network, size, picture.pixels, 1)
            mirrored = find(network, size, np.ascontiguousarray(picture.pixels[:, ::-1]), 1)
            boxes, scores = both_ways(straight, mirrored, picture.pixels.shape[1])
            known[picture.name] = np.concatenate((boxes, scores[:, None]), 1)
        np.savez_compressed(cache, **known)
        log.info("found persons in %d pictures with %s", len(missing), teacher.name)
    return [with_persons(p, known[p.name][:, :5], known[p.name][:, 5]) for p in pictures]
