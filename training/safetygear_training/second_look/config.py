"""The run's one configuration file (TOML) as types. Errors are one line that names the field."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from safetygear_training.config import ConfigError


@dataclass(frozen=True)
class Source:
    """One set of pictures; what is held back are the detector's own (training/config.toml)."""

    name: str
    held_back: int
    held_back_last: int
    whole_heads: bool
    squeezed: bool
    bodies: tuple[str, ...]
    """Gear (`helmet`, `vest`) whose lack a person without a box of it shows: the source labels both completely."""


@dataclass(frozen=True)
class Schedule:
    steps: int
    warmup_steps: int
    decay_steps: int
    learning_rate: float
    final_fraction: float
    batch: int
    weight_decay: float
    average: float  # of the weights' moving average, per step
    smoothing: float  # of the labels


@dataclass(frozen=True)
class Draws:
    """What a sample is: shares of the answers, and chances of what is done to a crop."""

    heads: float  # the others are torsos
    unclear: float
    yes: float
    dressed: float  # of bare heads: a cap or a hood is put on
    least_px: float  # side of the head's or a third of the torso's square, smallest and largest, log-uniform
    most_px: float
    shift: float  # of the square's centre, per side
    scale: float  # of the square's side, log
    blur: float
    noise: float
    gamma: float
    infrared: float
    compression: float


@dataclass(frozen=True)
class Config:
    seed: int
    half: str  # a source never trained on, of which every other picture is for selection
    every_steps: int
    sources: tuple[Source, ...]
    schedule: Schedule
    draws: Draws


T = TypeVar("T")


def read_config(path: Path) -> Config:
    """Raises ConfigError, one line."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    _check_names("the file", table, {field.name for field in fields(Config)})
    sources = tuple(
        _section(Source, f"sources.{name}", {"name": name, **part}) for name, part in table["sources"].items()
    )
    return Config(
        seed=table["seed"],
        half=table["half"],
        every_steps=table["every_steps"],
        sources=sources,
        schedule=_section(Schedule, "schedule", table["schedule"]),
        draws=_section(Draws, "draws", table["draws"]),
    )


def _section(kind: type[T], name: str, table: dict[str, Any]) -> T:
    hints = get_type_hints(kind)
    _check_names(name, table, set(hints))
    return kind(**{key: _value(f"{name}.{key}", hints[key], value) for key, value in table.items()})


def _check_names(where: str, table: dict[str, Any], expected: set[str]) -> None:
    if unknown := sorted(set(table) - expected):
        raise ConfigError(f"{where}: {unknown[0]} is unknown; expected {', '.join(sorted(expected))}")
    if missing := sorted(expected - set(table)):
        raise ConfigError(f"{where}: {missing[0]} is missing")


def _value(name: str, hint: Any, value: Any) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(hint, type) and type(value) is not hint:
        raise ConfigError(f"{name}: {value!r} is not {hint.__name__}")
    return value
