"""A camera's host name, looked up before FFmpeg does it: there it can't be told from a call that hangs."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from safetygear.errors import CameraError
from safetygear_capture.reasons import explain


def look_up(url: str) -> None:
    """Ask DNS for the URL's host. Where no name server answers, it takes as long as the resolver tries: half a minute
    and more, but it comes back. Raises CameraError (host-unknown)."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return  # FFmpeg says what is wrong with it
    if host is None:
        return
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise CameraError(explain("host-unknown"), code="host-unknown") from exc
