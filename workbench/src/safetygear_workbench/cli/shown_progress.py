"""How far long work is: on a terminal as a line that changes, elsewhere only what somebody should read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class ShownProgress:
    """Progress on a terminal; lines that somebody should read, also without one."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def __call__(self, done: int, of: int | None) -> None:
        """How many of how many."""
        self._progress.update(self._task, completed=done, total=of)

    def fetched(self, have_bytes: int, of_bytes: int | None) -> None:
        """Of a download whose length may not be told."""
        of = f" of {of_bytes / 2**20:.0f}" if of_bytes else ""
        self.show(f"fetching: {have_bytes / 2**20:.0f}{of} MiB")

    def show(self, text: str) -> None:
        """What is done now."""
        self._progress.update(self._task, description=text)

    def say(self, text: str) -> None:
        """For whoever reads the log, too."""
        if self._progress.disable:
            sys.stderr.write(f"safetygear: {text}\n")
        else:
            self._progress.console.print(text, markup=False, highlight=False)


@contextmanager
def shown_progress(text: str, *, counted: bool = True) -> Iterator[ShownProgress]:
    """`counted`: False for a wait whose end nobody knows."""
    shown = (BarColumn(), MofNCompleteColumn()) if counted else (SpinnerColumn(),)
    columns = (TextColumn("{task.description}", markup=False), *shown, TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield ShownProgress(progress, progress.add_task(text, total=None))
