"""Threads that must not take the processor from the live analysis."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Final

NICE: Final = 10
"""Against a worker that wants the same core, such a thread gets about a tenth of it."""


def give_way() -> None:
    """The calling thread runs when the workers leave time. Where the system has no such thing, nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        # Linux takes a thread's own id here; other systems refuse it.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
