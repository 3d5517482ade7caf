"""The pictures of a run: what is trained on with which chance, and what is held back to choose and to report by."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safetygear_training.config import Config, Source
from safetygear_training.labels import CLASSES
from safetygear_training.pictures import DataError, Picture, read_source
from safetygear_training.sampling import cumulative_chances, held_back, repeat_factors
from safetygear_training.teach_gear import teach_gear
from safetygear_training.teach_persons import teach

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collection:
    """`cumulative` goes with `training` in order; the held-back sets are by name of their source."""

    training: list[Picture]
    cumulative: NDArray[np.float64]
    selection: dict[str, list[Picture]]


def split(pictures: Sequence[Picture], source: Source) -> tuple[list[Picture], list[Picture]]:
    """For training, and held back."""
    out = held_back([picture.name for picture in pictures], source.held_back)
    out[max(0, len(out) - source.held_back_last) :] = True
    training = [picture for picture, kept in zip(pictures, ~out, strict=True) if kept]
    return training, [picture for picture, back in zip(pictures, out, strict=True) if back]


def halves(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Every other picture by name: the first half chooses a checkpoint, the second is only reported."""
    ordered = sorted(pictures, key=lambda picture: picture.name)
    return ordered[::2], ordered[1::2]


def selection_sets(config: Config, data: Path) -> dict[str, list[Picture]]:
    """What a checkpoint is chosen by."""
    sets = {config.evaluation.half: halves(read_source(data, config.evaluation.half))[0]}
    for source in config.sources:
        back = split(read_source(data, source.name, source.whole_heads, source.squeezed), source)[1]
        if back:
            sets[source.name] = back
    return sets


def collect(config: Config, data: Path, teacher: Path, gear_teachers: Sequence[Path], cache: Path) -> Collection:
    """Reads every source; `cache` is the folder for what the teachers found. Raises DataError."""
    training: list[Picture] = []
    factors, weights = [], []
    selection = {config.evaluation.half: halves(read_source(data, config.evaluation.half))[0]}
    if gear_teachers and not any(source.gear_from_teacher for source in config.sources):
        log.warning("--gear-teacher says nothing, because no source of this run has gear_from_teacher")
    for source in config.sources:
        kept, back = split(read_source(data, source.name, source.whole_heads, source.squeezed), source)
        if source.persons_from_teacher:
            kept = teach(kept, teacher, cache / "persons.npz")
        if source.gear_from_teacher and gear_teachers:
            kept = teach_gear(kept, gear_teachers, cache / "gear.npz")
        elif source.gear_from_teacher:
            log.warning("%s: gear_from_teacher says nothing, because no --gear-teacher is given", source.name)
        if back:
            selection[source.name] = back
        present = np.array([[(p.boxes[:, 4] == label).any() for label in range(len(CLASSES))] for p in kept], bool)
        factors.append(repeat_factors(present.reshape(-1, len(CLASSES)), config.enough))
        weights.append(source.weight)
        training += kept
        log.info("%s: %d pictures to train on, %d held back", source.name, len(kept), len(back))
    try:
        return Collection(training, cumulative_chances(weights, factors), selection)
    except ValueError as error:
        raise DataError(str(error)) from error
