"""Notices when the MQTT client's network thread ends by an exception, which nobody else does.

Seen with azure-iot-device 2.14 (paho 1.6): a write while the hub closes the connection raises SSLEOFError inside paho's
loop, its thread ends, and the SDK waits for it for ever, with reconnecting on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

CLIENT = "paho"


def watch_network_thread(ended: Callable[[str], None]) -> Callable[[], None]:
    """Call `ended` with the exception's name, from the thread that ends by it; what is returned stops the watching."""
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is not SystemExit and _is_of(CLIENT, arguments.exc_traceback):
            ended(arguments.exc_type.__name__)  # who says so in one line
        else:
            before(arguments)

    threading.excepthook = hook

    def stop() -> None:
        if threading.excepthook is hook:
            threading.excepthook = before

    return stop


def _is_of(package: str, traceback: TracebackType | None) -> bool:
    """Whether the exception came through a module of `package`."""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if name == package or name.startswith(f"{package}."):
            return True
        traceback = traceback.tb_next
    return False
