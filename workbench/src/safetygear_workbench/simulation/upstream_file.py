"""Follows the file into which the stand-in writes what IoT Hub receives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_READ_BYTES = 1 << 20
"""Several times a message's largest size, so that a line always fits."""


class UpstreamFile:
    """Reads what was appended since the last call. The file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.unreadable = 0
        """Lines that are no JSON objects."""

    def read(self) -> list[dict[str, Any]]:
        """The next whole records, at most about a megabyte of them."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_READ_BYTES)
        except FileNotFoundError:
            return []
        # A line without its end is read again: a hub that was killed while writing it cuts it off at its restart.
        whole, end, _ = data.rpartition(b"\n")
        self._offset += len(whole) + len(end)
        lines = whole.split(b"\n")
        records = []
        for line in lines:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, dict):
                records.append(record)
            else:
                self.unreadable += bool(line.strip())
        return records
