"""Tables of a TOML file as dataclasses. Errors are one line that names the field."""

from __future__ import annotations

import math
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The smallest and the largest value that a field may have, in its type: `Annotated[int, Range(1)]`."""

    least: float
    most: float = math.inf


Chance = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0)]
Positive = Annotated[int, Range(1)]


class ConfigError(Exception):
    """The file is wrong; the message is one line for the user."""


def read_table(path: Path) -> dict[str, Any]:
    """The whole file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error


def read_sources(kind: type[T], table: Any) -> tuple[T, ...]:
    """`[sources.NAME]`, one for each source; the kind has a field `name`. Raises ConfigError."""
    if not isinstance(table, dict) or not table:
        raise ConfigError("sources: expected a table [sources.NAME] for each source")
    return tuple(
        read_section(kind, f"sources.{name}", {"name": name, **part} if isinstance(part, dict) else part)
        for name, part in table.items()
    )


def read_section(kind: type[T], name: str, table: Any) -> T:
    """`table` as the dataclass `kind`, whose fields with a default may be left out. Raises ConfigError."""
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: expected a table [{name}]")
    hints = get_type_hints(kind, include_extras=True)
    optional = {field.name for field in fields(kind) if field.default is not MISSING}
    check_names(name, table, {field.name for field in fields(kind)} - optional, optional)
    return kind(**{key: read_value(f"{name}.{key}", hints[key], value) for key, value in table.items()})


def check_names(where: str, table: dict[str, Any], expected: set[str], optional: set[str] | None = None) -> None:
    """Raises ConfigError where a name is missing or one too many."""
    known = expected | (optional or set())
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"{where}: {unknown[0]} is unknown; expected {', '.join(sorted(known))}")
    if missing := sorted(expected - set(table)):
        raise ConfigError(f"{where}: {missing[0]} is missing")


def read_value(name: str, hint: Any, value: Any) -> Any:
    """`value` where it is of the type `hint`: int, float, bool, str, one in a Range, or a tuple. Raises ConfigError."""
    if get_origin(hint) is Annotated:
        kind, bounds = get_args(hint)
        value = read_value(name, kind, value)
        if not bounds.least <= value <= bounds.most:
            until = "or more" if math.isinf(bounds.most) else f"to {bounds.most}"
            raise ConfigError(f"{name}: {value} is not {bounds.least} {until}")
        return value
    if hint is float and type(value) is int:
        value = float(value)
    if isinstance(hint, type):
        if type(value) is not hint:
            raise ConfigError(f"{name}: {value!r} is not {hint.__name__}")
        if hint is float and not math.isfinite(value):
            raise ConfigError(f"{name}: {value} is no number to reckon with")
        return value
    if not isinstance(value, list):
        raise ConfigError(f"{name}: {value!r} is not a list")
    kinds = get_args(hint)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ConfigError(f"{name}: {value!r} has {len(value)} values; expected {len(kinds)}")
    parts = enumerate(zip(kinds, value, strict=True))
    return tuple(read_value(f"{name}[{at}]", kind, part) for at, (kind, part) in parts)
