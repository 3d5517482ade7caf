"""The run's one configuration file (TOML) as types. Errors are one line that names the field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from safetygear_training.toml_tables import (
    Chance,
    Count,
    Positive,
    check_names,
    read_section,
    read_sources,
    read_table,
    read_value,
)


@dataclass(frozen=True)
class Source:
    """One set of pictures; what is held back are the detector's own (training/config.toml)."""

    name: str
    held_back: Count
    held_back_last: Count
    whole_heads: bool
    squeezed: bool
    bodies: tuple[str, ...]
    """Gear (`helmet`, `vest`) whose lack a person without a box of it shows: the source labels both completely."""


@dataclass(frozen=True)
class Schedule:
    steps: Positive
    warmup_steps: Positive
    decay_steps: Positive
    learning_rate: float
    final_fraction: Chance
    batch: Positive
    weight_decay: float
    average: Chance  # of the weights' moving average, per step
    smoothing: Chance  # of the labels


@dataclass(frozen=True)
class Draws:
    """What a sample is: shares of the answers, and chances of what is done to a crop."""

    heads: Chance  # the others are torsos
    unclear: Chance
    yes: Chance
    dressed: Chance  # of bare heads: a cap or a hood is put on
    least_px: float  # side of the head's or a third of the torso's square, smallest and largest, log-uniform
    most_px: float
    shift: float  # of the square's centre, per side
    scale: float  # of the square's side, log
    blur: Chance
    noise: Chance
    gamma: Chance
    infrared: Chance
    compression: Chance


@dataclass(frozen=True)
class Config:
    seed: Count
    half: str  # a source never trained on, of which every other picture is for selection
    every_steps: Positive
    sources: tuple[Source, ...]
    schedule: Schedule
    draws: Draws


def read_config(path: Path) -> Config:
    """Raises ConfigError, one line."""
    table = read_table(path)
    check_names("the file", table, {field.name for field in fields(Config)})
    return Config(
        seed=read_value("seed", Count, table["seed"]),
        half=read_value("half", str, table["half"]),
        every_steps=read_value("every_steps", Positive, table["every_steps"]),
        sources=read_sources(Source, table["sources"]),
        schedule=read_section(Schedule, "schedule", table["schedule"]),
        draws=read_section(Draws, "draws", table["draws"]),
    )
