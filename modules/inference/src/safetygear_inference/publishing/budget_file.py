"""Keeps the budget's count over restarts: one small file, replaced atomically."""

from __future__ import annotations

from pathlib import Path

from safetygear.errors import SafetyGearError
from safetygear.messages.codec import MessageError, decode, encode
from safetygear.synced_files import replace_synced, why_not_written
from safetygear_inference.publishing.budget import BudgetRecord

FILE_NAME = "message-budget.json"


class BudgetFileError(SafetyGearError):
    """The record can't be read (code `data-unreadable`) or written (`data-missing`, `data-full`, `data-unwritable`)."""

    default_code = "data-unwritable"


class BudgetFile:
    """`<folder>/message-budget.json`. Both calls block for a few milliseconds at most."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def load(self) -> BudgetRecord | None:
        """The stored record; None where there never was one. Raises BudgetFileError for one that can't be read."""
        try:
            return decode(self._path.read_bytes(), BudgetRecord)
        except FileNotFoundError:
            return None
        except (OSError, MessageError) as exc:
            raise BudgetFileError(
                f"{self._path} can't be read ({exc}); today's message count starts at an even share of the budget",
                code="data-unreadable",
            ) from exc

    def save(self, record: BudgetRecord) -> None:
        """Replace the stored record. Raises BudgetFileError; the old record then still stands."""
        try:
            # After a power cut an empty file of the right name would count as nothing used.
            replace_synced(self._path, encode(record))
        except OSError as exc:
            raise write_error(exc, self._path) from exc


def write_error(exc: OSError, path: Path) -> BudgetFileError:
    """One line that says what is wrong with the data folder and what to do."""
    code, message = why_not_written(exc, path)
    return BudgetFileError(message, code=code)
