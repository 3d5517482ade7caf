"""JSON that a person gives on the command line: the text itself, `@FILE`, or `-` for standard input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn, TextIO

from safetygear.errors import UserError

MOST_CHARACTERS = 1024 * 1024


def read_json(argument: str, what: str, stdin: TextIO) -> Any:
    """The value. Raises UserError naming the place; the text itself is not repeated, it may hold a secret."""
    text, source = _text(argument, what, stdin)
    if len(text) > MOST_CHARACTERS:
        raise UserError(f"{what}{source} has more than {MOST_CHARACTERS} characters.")
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as exc:
        raise UserError(f"{what}{source} is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.") from exc
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{what}{source} is not JSON: {exc}.") from exc


def _text(argument: str, what: str, stdin: TextIO) -> tuple[str, str]:
    try:
        if argument == "-":
            return stdin.read(MOST_CHARACTERS + 1), " on standard input"
        if argument.startswith("@"):
            return Path(argument[1:]).read_text(encoding="utf-8-sig"), f" in {argument[1:]}"
    except OSError as exc:
        raise UserError(f"{what} can't be read: {exc.strerror}: {argument[1:] or 'standard input'}.") from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{what} is not UTF-8 text: {argument[1:] or 'standard input'}.") from exc
    return argument, ""


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
