"""The crops of a run: what is trained on with which chance, and what is held back to choose and to report by."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from safetygear_training import config as detector
from safetygear_training.collection import halves, split
from safetygear_training.pictures import Picture, read_source
from safetygear_training.second_look.config import Config, Source
from safetygear_training.second_look.crops import ANSWERS, GEARS, Crop, crops_of, places_without
from safetygear_training.second_look.samples import Pool

log = logging.getLogger(__name__)

SQUEEZED_WIDER = 4 / 3
"""A picture that was made square is shown so much wider: most people in it have their own shape again."""
Sets = dict[str, list[Crop]]


def read(config: Config, data: Path) -> tuple[Pool, Sets]:
    """The pool to train from, and the sets that choose. Raises DataError."""
    training: list[Crop] = []
    selection = {config.half: _crops(halves(read_source(data, config.half))[0], config.half, ())}
    for number, source in enumerate(config.sources):
        kept, back = _split(data, source)
        training += _crops(kept, source.name, source.bodies)
        random = np.random.default_rng((config.seed, 1 << 20, number))
        training += [crop for picture in kept for crop in places_without(picture, source.name, random)]
        if back:
            selection[source.name] = _crops(back, source.name, source.bodies)
    for (gear, answer, source_name), count in sorted(
        Counter((GEARS[crop.gear], ANSWERS[crop.answer], crop.source) for crop in training).items()
    ):
        log.info("%s %s: %d crops of %s", gear, answer, count, source_name)
    return pool_of(training), selection


def held_back_pictures(config: Config, data: Path) -> dict[str, list[Picture]]:
    """By source: what never taught, and of `half` what did not choose either. Raises DataError."""
    sets = {f"{config.half} b": halves(read_source(data, config.half))[1]}
    return sets | {source.name: back for source in config.sources if (back := _split(data, source)[1])}


def measuring_sets(config: Config, data: Path, measured: Sequence[str]) -> Sets:
    """Sets that neither taught nor chose: the other half of `half`, and each of `measured`. Raises DataError."""
    sets = {f"{config.half} b": _crops(halves(read_source(data, config.half))[1], config.half, ())}
    return sets | {name: _crops(read_source(data, name), name, ()) for name in measured}


def pool_of(crops: Sequence[Crop]) -> Pool:
    """Within an answer each source and way of placing counts by the root of its number: a few rare ones are not
    drowned, nor shown all the time."""
    by = [[[crop for crop in crops if (crop.gear, crop.answer) == (g, a)] for a in range(3)] for g in range(2)]
    chances = []
    for of_gear in by:
        chances.append([])
        for of_answer in of_gear:
            counts = Counter((crop.source, crop.of_body) for crop in of_answer)
            weights = np.array([counts[(crop.source, crop.of_body)] ** -0.5 for crop in of_answer])
            chances[-1].append(np.cumsum(weights) / max(weights.sum(), 1e-9))
    return Pool(by, chances)


def _split(data: Path, source: Source) -> tuple[list[Picture], list[Picture]]:
    pictures = read_source(data, source.name, source.whole_heads, source.squeezed)
    same = detector.Source(
        source.name, 0.0, source.held_back, source.held_back_last, source.whole_heads, source.squeezed, False, False
    )
    return split(pictures, same)


def _crops(pictures: Iterable[Picture], source: str, bodies: Sequence[str]) -> list[Crop]:
    return [crop for picture in pictures for crop in crops_of(_own_shape(picture), source, bodies)]


def _own_shape(picture: Picture) -> Picture:
    if not picture.squeezed:
        return picture
    boxes = picture.boxes.copy()
    boxes[:, [0, 2]] *= SQUEEZED_WIDER
    return replace(picture, pixels=cv2.resize(picture.pixels, None, fx=SQUEEZED_WIDER, fy=1.0), boxes=boxes)
