"""The run's one configuration file (TOML) as types. Errors are one line that names the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from safetygear_training.looks import Looks
from safetygear_training.samples import Framing
from safetygear_training.schedule import Schedule
from safetygear_training.toml_tables import (
    Chance,
    ConfigError,
    Count,
    Positive,
    Range,
    check_names,
    read_section,
    read_sources,
    read_table,
    read_value,
)

OPTIONAL = {"learning"}
"""Sections that a file may leave out: all their fields have a default."""


@dataclass(frozen=True)
class Source:
    """One set of pictures: its chance per draw, what is kept out of training, and what its labels need."""

    name: str
    weight: Annotated[float, Range(0)]
    held_back: Count  # pictures, by hash of their names
    held_back_last: Count  # pictures, the last of the listing
    whole_heads: bool
    squeezed: bool
    persons_from_teacher: bool
    gear_from_teacher: bool


@dataclass(frozen=True)
class Network:
    """The detector that is trained; a start of fewer channels is widened, a shallower one deepened."""

    channels: int  # after the stem, a multiple of 8
    silu: bool  # as COCO's weights have it; what ships has ReLU, which int8 needs
    bfloat16: bool  # activations: faster only on processors with AVX512-BF16 or AMX
    more_bottlenecks: int = 0  # than depth .33 has, in each stage of the backbone with shortcuts


@dataclass(frozen=True)
class Learning:
    """How predictions are matched with boxes and what they are taught. The defaults are what ships."""

    centre_radius: float = 1.5  # strides: an anchor whose centre is no farther from a box's may answer for it
    score_focus: float = 0.0  # each score counts by this power of its error; 0: all the same


@dataclass(frozen=True)
class Optimiser:
    weight_decay: float
    gradient_limit: float
    average: Chance  # of the weights' moving average, per step


@dataclass(frozen=True)
class Batches:
    workers: Positive  # processes of one thread each; the result does not depend on their number
    parts_per_step: Positive
    pictures_per_part: Positive


@dataclass(frozen=True)
class Evaluation:
    every_steps: Positive
    size: tuple[int, int]
    half: str  # a source never trained on, of which every other picture is for selection
    checkpoint_every_steps: Positive


@dataclass(frozen=True)
class Config:
    seed: Count
    enough: Chance  # share of a source's pictures below which a class counts as rare
    sources: tuple[Source, ...]
    network: Network
    schedule: Schedule
    optimiser: Optimiser
    batches: Batches
    evaluation: Evaluation
    framing: Framing
    looks: Looks
    learning: Learning

    def without(self, names: Sequence[str]) -> Config:
        """The same run with some sources left out, neither learned from nor chosen by. Raises ConfigError."""
        known = [source.name for source in self.sources]
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"--without: {unknown[0]} is no source of this run; expected one of {', '.join(known)}")
        left = tuple(source for source in self.sources if source.name not in names)
        if not left:
            raise ConfigError("--without: no source is left to learn from")
        return replace(self, sources=left)


def read_config(path: Path) -> Config:
    """Raises ConfigError, one line."""
    return config_from(read_table(path))


def config_from(table: dict[str, Any]) -> Config:
    """Raises ConfigError that names the field."""
    hints = get_type_hints(Config, include_extras=True)
    sections = {name: kind for name, kind in hints.items() if name not in ("seed", "enough", "sources")}
    check_names("the file", table, {"seed", "enough", "sources", *sections} - OPTIONAL, OPTIONAL)
    parts = {name: read_section(kind, name, table.get(name, {})) for name, kind in sections.items()}
    seed, enough = (read_value(name, hints[name], table[name]) for name in ("seed", "enough"))
    config = Config(seed=seed, enough=enough, sources=read_sources(Source, table["sources"]), **parts)
    schedule = config.schedule
    if not schedule.warmup_steps + schedule.decay_steps <= schedule.steps:
        raise ConfigError(f"schedule.steps: {schedule.steps} is less than warmup_steps + decay_steps")
    if config.network.channels <= 0 or config.network.channels % 8:
        raise ConfigError(f"network.channels: {config.network.channels} must be a multiple of 8")
    if config.network.more_bottlenecks < 0:
        raise ConfigError(f"network.more_bottlenecks: {config.network.more_bottlenecks} is less than 0")
    if (radius := config.learning.centre_radius) <= 0.5:
        raise ConfigError(f"learning.centre_radius: {radius} leaves some boxes no anchor; it must be more than 0.5")
    if config.learning.score_focus != 0 and config.learning.score_focus < 1:
        raise ConfigError(f"learning.score_focus: {config.learning.score_focus} is neither 0 nor 1 or more")
    if not schedule.sizes:
        raise ConfigError("schedule.sizes: there is none")
    sizes = {"schedule.final_size": [schedule.final_size], "schedule.sizes": schedule.sizes}
    for field, those in (sizes | {"evaluation.size": [config.evaluation.size]}).items():
        for size in those:
            if any(side <= 0 or side % 32 for side in size):
                raise ConfigError(f"{field}: {list(size)} must be multiples of 32")
    for field in ("whole_scale", "tile_scale", "zoom_out_scale"):
        low, high = getattr(config.framing, field)
        if not 0 < low <= high:
            raise ConfigError(f"framing.{field}: {[low, high]} must be a smallest and a largest scale, above 0")
    return config
