"""Tables of a TOML file as dataclasses. Errors are one line that names the field."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


class ConfigError(Exception):
    """The file is wrong; the message is one line for the user."""


def read_table(path: Path) -> dict[str, Any]:
    """The whole file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
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
    hints = get_type_hints(kind)
    optional = {field.name for field in fields(kind) if field.default is not MISSING}
    check_names(name, table, {field.name for field in fields(kind)} - optional, optional)
    return kind(**{key: _value(f"{name}.{key}", hints[key], value) for key, value in table.items()})


def check_names(where: str, table: dict[str, Any], expected: set[str], optional: set[str] | None = None) -> None:
    """Raises ConfigError where a name is missing or one too many."""
    known = expected | (optional or set())
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"{where}: {unknown[0]} is unknown; expected {', '.join(sorted(known))}")
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
