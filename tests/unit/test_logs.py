"""Logs as IoT Edge's tools read them: one record, one line."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear import logs
from safetygear.redact import Redactor

# Source: edgeAgent's LogMessageParser: severity, time with offset, level, text.
_EDGE_AGENT = re.compile(r"^<(\d)>\s\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} [+-]\d{2}:\d{2} \[\w{3}\] - .*$")


def record(level: int, text: str, *arguments: object, exc_info: object = None) -> logging.LogRecord:
    made = logging.LogRecord("x", level, "f.py", 1, text, arguments, exc_info)  # type: ignore[arg-type]  # as logging
    made.created, made.msecs = 1_795_428_000.1239, 123.9
    return made


def formatted(made: logging.LogRecord, *secrets: str) -> str:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return logs.IotEdgeFormatter(redactor).format(made)


@pytest.mark.parametrize(
    ("level", "head"),
    [
        (logging.CRITICAL, "<2> 2026-11-23 10:00:00.123 +00:00 [FTL] - "),
        (logging.ERROR, "<3> 2026-11-23 10:00:00.123 +00:00 [ERR] - "),
        (logging.WARNING, "<4> 2026-11-23 10:00:00.123 +00:00 [WRN] - "),
        (logging.INFO, "<6> 2026-11-23 10:00:00.123 +00:00 [INF] - "),
        (logging.DEBUG, "<7> 2026-11-23 10:00:00.123 +00:00 [DBG] - "),
        (25, "<6> 2026-11-23 10:00:00.123 +00:00 [INF] - "),
        (1, "<7> 2026-11-23 10:00:00.123 +00:00 [DBG] - "),
    ],
)
def test_the_form(level: int, head: str) -> None:
    assert formatted(record(level, "camera %s: %d", "gate-2", 7)) == f"{head}camera gate-2: 7"


@given(st.text(st.characters(), max_size=80))
def test_one_record_is_one_line_whatever_is_in_it(text: str) -> None:
    line = formatted(record(logging.INFO, "%s", text))
    assert len(line.splitlines()) == 1 and line.isprintable()
    assert _EDGE_AGENT.match(line)
    line.encode()


def test_exceptions_and_their_causes_stay_on_the_line() -> None:
    try:
        try:
            raise ValueError("inner\nline with topsecret")
        except ValueError as exc:
            raise RuntimeError("outer") from exc
    except RuntimeError as error:
        line = formatted(
            record(logging.ERROR, "failed", exc_info=(RuntimeError, error, error.__traceback__)), "topsecret"
        )
    assert len(line.splitlines()) == 1
    assert "failed: Traceback" in line and "ValueError: inner\\nline with ***" in line and "RuntimeError: outer" in line


def test_secrets_are_removed_from_the_text_as_it_is_written() -> None:
    line = formatted(record(logging.INFO, "%s and %r", "top\nsecret", "rtsp://u:p@cam/1"), "top\nsecret")
    assert line.endswith("- *** and 'rtsp://***@cam/1'")


@pytest.fixture
def own_logging() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, {name: logging.getLogger(name).level for name in ("azure", "paho")})
    stream = io.StringIO()
    logs.configure("INFO", Redactor(), stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def test_the_whole_process_logs_this_way(own_logging: io.StringIO) -> None:
    logging.getLogger("safetygear.x").info("shown")
    logging.getLogger("safetygear.x").debug("not shown")
    logging.getLogger("azure.iot.device").error("the SDK at length")
    logs.set_level("DEBUG")
    logging.getLogger("safetygear.x").debug("now shown")
    logging.getLogger("azure.iot.device").warning("the SDK too")
    lines = own_logging.getvalue().splitlines()
    assert [line.partition(" - ")[2] for line in lines] == ["shown", "now shown", "the SDK too"]


def test_configuring_twice_writes_once(own_logging: io.StringIO) -> None:
    logs.configure("WARNING", Redactor(), own_logging)
    logging.getLogger("x").info("no")
    logging.getLogger("x").warning("once")
    assert own_logging.getvalue().count("once") == 1 and "no" not in own_logging.getvalue().replace("once", "")
