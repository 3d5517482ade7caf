"""Logs in the form that IoT Edge's GetModuleLogs and UploadModuleLogs parse: one record, one line.

`<6> 2026-11-23 10:00:00.123 +00:00 [INF] - text`: the syslog severity first, which
is what their `loglevel` filter reads.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from safetygear.redact import Redactor

# Python's level, syslog severity (RFC 5424), and the three letters that edgeHub and edgeAgent write.
_LEVELS = (
    (logging.CRITICAL, 2, "FTL"),
    (logging.ERROR, 3, "ERR"),
    (logging.WARNING, 4, "WRN"),
    (logging.INFO, 6, "INF"),
)
_DEBUG = (7, "DBG")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# The SDK logs every reconnect at length and its tracebacks without a cause; the hub adapter says it in one line.
_TOO_TALKATIVE = ("azure", "paho", "aiohttp.access")


class IotEdgeFormatter(logging.Formatter):
    """One line per record: line breaks and other control characters are escaped, secrets are removed."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        severity, letters = next(((number, name) for level, number, name in _LEVELS if record.levelno >= level), _DEBUG)
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{text}: {self.formatException(record.exc_info)}"
        # At least milliseconds are wanted; the offset is written out because the parser wants one.
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        head = f"<{severity}> {moment}.{int(record.msecs):03d} +00:00 [{letters}] - "
        return head + one_line(self._redactor.redact(text))


def one_line(text: str) -> str:
    """`text` with every control character escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def configure(level: str, redactor: Redactor, stream: TextIO = sys.stdout) -> None:
    """Let the whole process log this way, from `level` (one of LEVELS) on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(IotEdgeFormatter(redactor))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    set_level(level)


def set_level(level: str) -> None:
    """Change the level while running."""
    logging.getLogger().setLevel(level)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL if level != "DEBUG" else logging.WARNING)
