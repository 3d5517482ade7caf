"""What a run prints: messages on stdout; everything else beside them, or on stderr where stdout is for machines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from safetygear.logs import one_line
from safetygear.redact import Redactor


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the process here, with everything that runs below it still running."""
        raise BrokenPipeError


class Terminal:
    """Every text goes through the redactor. `closed`: nobody reads stdout any more."""

    def __init__(self, redactor: Redactor, *, as_json: bool) -> None:
        self._redactor = redactor
        self._as_json = as_json
        self._out = _Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
        self._aside = _Console(file=sys.stderr, highlight=False, markup=False, soft_wrap=True) if as_json else self._out
        self.closed = False

    def message(self, line: str, record: Any, *, style: str = "") -> None:
        """One message: `line` for people, `record` for machines."""
        if self._as_json:
            self._write_json(record)
        else:
            self._print(self._out, line, style)

    def note(self, line: str, *, style: str = "yellow") -> None:
        """Something that happened."""
        self._print(self._aside, f"-- {line}", style)

    def text(self, line: str, *, style: str = "") -> None:
        """A line of the head."""
        self._print(self._aside, line, style)

    def rows(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Names and values below each other."""
        width = max(len(name) for name, _ in rows)
        self._print(self._aside, title, "bold")
        for name, value in rows:
            self._print(self._aside, f"  {name:<{width}}  {value}", "")

    def result(self, content: Any) -> None:
        """The last line for machines; nothing for people."""
        if self._as_json:
            self._write_json(content)

    def _write_json(self, content: Any) -> None:
        with self._noticing_closed():
            sys.stdout.write(json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def _print(self, console: Console, line: str, style: str) -> None:
        with self._noticing_closed():
            console.print(Text(self._safe(line)), style=style)

    def _safe(self, text: str) -> str:
        return one_line(self._redactor.redact(text))

    def _noticing_closed(self) -> contextlib.AbstractContextManager[None]:
        return _Noticing(self)


class _Noticing(contextlib.AbstractContextManager[None]):
    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if not isinstance(error, BrokenPipeError):
            return False
        self._terminal.closed = True
        # `safetygear … | head`: what is still buffered would fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
