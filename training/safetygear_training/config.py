"""The run's one configuration file (TOML) as types. Errors are one line that names the field."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from safetygear_training.looks import Looks
from safetygear_training.samples import Framing
from safetygear_training.schedule import Schedule


class ConfigError(Exception):
    """The file is wrong; the message is one line for the user."""


@dataclass(frozen=True)
class Source:
    """One set of pictures: its chance per draw, what is kept out of training, and what its labels need."""

    name: str
    weight: float
    held_back: int  # pictures, by hash of their names
    held_back_last: int  # pictures, the last of the listing
    whole_heads: bool
    squeezed: bool
    persons_from_teacher: bool
    gear_from_teacher: bool


@dataclass(frozen=True)
class Optimiser:
    weight_decay: float
    gradient_limit: float
    average: float  # of the weights' moving average, per step


@dataclass(frozen=True)
class Batches:
    workers: int  # processes of one thread each; the result does not depend on their number
    parts_per_step: int
    pictures_per_part: int


@dataclass(frozen=True)
class Evaluation:
    every_steps: int
    size: tuple[int, int]
    half: str  # a source never trained on, of which every other picture is for selection
    checkpoint_every_steps: int


@dataclass(frozen=True)
class Config:
    seed: int
    enough: float  # share of a source's pictures below which a class counts as rare
    sources: tuple[Source, ...]
    schedule: Schedule
    optimiser: Optimiser
    batches: Batches
    evaluation: Evaluation
    framing: Framing
    looks: Looks


T = TypeVar("T")


def read_config(path: Path) -> Config:
    """Raises ConfigError, one line."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    return config_from(table)


def config_from(table: dict[str, Any]) -> Config:
    """Raises ConfigError that names the field."""
    sections = {
        name: kind for name, kind in get_type_hints(Config).items() if name not in ("seed", "enough", "sources")
    }
    _check_names("the file", table, {"seed", "enough", "sources", *sections})
    sources = table["sources"]
    if not isinstance(sources, dict) or not sources:
        raise ConfigError("sources: expected a table [sources.NAME] for each source")
    read = tuple(_section(Source, f"sources.{name}", {"name": name, **part}) for name, part in sources.items())
    parts = {name: _section(kind, name, table[name]) for name, kind in sections.items()}
    config = Config(seed=table["seed"], enough=table["enough"], sources=read, **parts)
    schedule = config.schedule
    if not schedule.warmup_steps + schedule.decay_steps <= schedule.steps:
        raise ConfigError(f"schedule.steps: {schedule.steps} is less than warmup_steps + decay_steps")
    for field, size in (("final_size", schedule.final_size), *(("sizes", size) for size in schedule.sizes)):
        if any(side % 32 for side in size):
            raise ConfigError(f"schedule.{field}: {list(size)} must be multiples of 32")
    return config


def _section(kind: type[T], name: str, table: Any) -> T:
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: expected a table [{name}]")
    hints = get_type_hints(kind)
    _check_names(name, table, {field.name for field in fields(kind)})
    return kind(**{key: _value(f"{name}.{key}", hints[key], value) for key, value in table.items()})


def _check_names(where: str, table: dict[str, Any], expected: set[str]) -> None:
    if unknown := sorted(set(table) - expected):
        raise ConfigError(f"{where}: {unknown[0]} is unknown; expected {', '.join(sorted(expected))}")
    if missing := sorted(expected - set(table)):
        raise ConfigError(f"{where}: {missing[0]} is missing")


def _value(name: str, hint: Any, value: Any) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type):
        if type(value) is not hint:
            raise ConfigError(f"{name}: {value!r} is not {hint.__name__}")
        return value
    if not isinstance(value, list):
        raise ConfigError(f"{name}: {value!r} is not a list")
    return tuple(tuple(item) if isinstance(item, list) else item for item in value)
