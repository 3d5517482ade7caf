"""A module's identity in this process, and waiting for what comes from the hub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any


class identity:  # noqa: N801  # a context manager that reads as a word
    """The module identity lies in the process environment: the SDK takes it from there."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables
        self._before: dict[str, str] = {}

    def __enter__(self) -> None:
        self._before = dict(os.environ)
        for name in [n for n in os.environ if n.startswith(("IOTEDGE_", "EdgeHub", "EdgeModule"))]:
            del os.environ[name]
        os.environ.update(self._variables)

    def __exit__(self, *_: object) -> None:
        os.environ.clear()
        os.environ.update(self._before)


async def eventually(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """The first true value of `condition`; TimeoutError after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not (value := condition()):  # noqa: ASYNC110  # the condition is another process's file or connection
            await asyncio.sleep(0.02)
    return value
