"""The few forms of Markdown that the reference uses. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

NOTICE = "<!-- Made from the types by `make docs`; a test holds it in step. Change the types, not this file. -->"


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold anything but line breaks."""
    text = [_row(header), _row(["---"] * len(header))]
    return "\n".join(text + [_row([_cell(cell) for cell in line]) for line in lines])


def code(text: str) -> str:
    """Inline code; an empty text stays empty."""
    return f"`{text}`" if text else ""


def json_block(value: Any) -> str:
    """A JSON document, indented; short objects and lists stay on one line."""
    return f"```json\n{_layout(value, 0)}\n```"


def page(*parts: str) -> str:
    """Blocks, with an empty line between two and a line break at the end."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


_LINE = 96
"""Characters that an object may take to be written on one line."""


def _layout(value: Any, indent: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= _LINE and not _is_deep(value):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        entries = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_layout(item, indent + 2)}" for key, item in value.items()
        ]
        return "{\n" + ",\n".join(entries) + "\n" + " " * indent + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"{inner}{_layout(item, indent + 2)}" for item in value) + "\n" + " " * indent + "]"
    return flat


def _is_deep(value: Any) -> bool:
    """Whether an object holds an object that is not empty: such a one is easier to read over several lines."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, dict | list) and item for item in items)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    # A bar ends the cell even inside code; GitHub shows the escaped one as it is meant.
    return text.replace("|", "\\|")
