"""Stores the budget's count every ten seconds, so that not even a kill forgets more than that."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from safetygear.clock import Clock
from safetygear_inference.config import BudgetConfig
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.budget import BudgetRecord, MessageBudget
from safetygear_inference.publishing.budget_file import BudgetFile, BudgetFileError

SAVE_EVERY_S = 10.0
"""Often enough for the count, seldom enough for a flash disk."""


class BudgetKeeper:
    """A data folder that can't be written is a named problem: the count goes on in memory."""

    def __init__(self, folder: Path, problems: Problems, clock: Clock) -> None:
        self._file = BudgetFile(folder)
        self._problems = problems
        self._clock = clock
        self._budget = MessageBudget()
        self._saved: BudgetRecord | None = None
        self._lost = False
        self._saving = threading.Lock()

    def load(self) -> MessageBudget:
        """The budget as the last run left it."""
        try:
            self._saved = self._file.load()
        except BudgetFileError as exc:
            self._problems.raised("data", exc.code, str(exc))
            self._lost = True
        else:
            self._budget = MessageBudget(self._saved)
        return self._budget

    def configured(self, config: BudgetConfig) -> None:
        """The twin is known: only now can a lost count be replaced by an even share of the day's budget."""
        if self._lost:
            self._lost = False
            self._budget.assume_share_used(config=config, now_s=self._clock.now_s())

    async def run(self) -> None:
        """Save what has changed until cancelled, in a thread: a slow disk must not hold up the frames."""
        while True:
            # Taken here: the loop changes the count meanwhile.
            await asyncio.to_thread(self._save, self._budget.record())
            await self._clock.sleep(SAVE_EVERY_S)

    def save(self) -> None:
        """Save now if anything has changed since, or if the last try failed."""
        self._save(self._budget.record())

    def _save(self, record: BudgetRecord) -> None:
        # The last save, at the stop, may meet one that is still in its thread.
        with self._saving:
            # Before the twin is known a lost count is still 0: stored, it would no longer look lost.
            if record == self._saved or self._lost:
                return
            try:
                self._file.save(record)
            except BudgetFileError as exc:
                self._problems.raised("data", exc.code, str(exc))
            else:
                self._saved = record
                self._problems.solved("data")
