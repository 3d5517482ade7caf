"""What is wrong with a module just now, by name: shown in reported properties, `status`, metrics and on the page."""

from __future__ import annotations

import logging
from typing import Generic, TypeVar

P = TypeVar("P", bound=str)

log = logging.getLogger(__name__)


class Problems(Generic[P]):
    """At most one problem per part of the module. Each is logged once when it comes and once when it goes."""

    def __init__(self) -> None:
        self._open: dict[P, tuple[str, str]] = {}

    def raised(self, part: P, code: str, message: str) -> None:
        """`part` has the problem `code`; `message` says what to do."""
        if self._open.get(part) != (code, message):
            log.error("%s: %s", code, message)
        self._open[part] = (code, message)

    def solved(self, part: P) -> None:
        """`part` works."""
        gone = self._open.pop(part, None)
        if gone is not None:
            log.info("%s: no longer", gone[0])

    def as_document(self) -> dict[str, dict[str, str]]:
        """`{part: {"code": …, "message": …}}`."""
        return {part: {"code": code, "message": message} for part, (code, message) in sorted(self._open.items())}
