"""What FFmpeg's failures mean, as codes of reasons.py. Pure: judges names, numbers and FFmpeg's own log lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

NEARLY: Final = 0.95
"""What took this part of a timeout has run into it."""

_STATUS = re.compile(r"method (?P<method>[A-Z_]+) failed: (?P<status>\d{3})")

# RFC 2326, 11.3.
_BY_STATUS: Final[dict[int, str]] = {
    400: "bad-request",
    401: "auth-failed",
    403: "forbidden",
    404: "not-found",
    405: "protocol",
    408: "timeout",
    410: "not-found",
    415: "unsupported-codec",
    429: "busy",
    451: "bad-request",
    453: "busy",
    454: "protocol",
    459: "protocol",
    461: "transport-refused",
    551: "transport-refused",
}

_NOTHING_TO_PLAY: Final = frozenset({454, 455})
"""Session not found, not valid in this state: what a camera answers to PLAY where FFmpeg has set up no track before,
because none of them is video."""
_TRACK_SET_UP: Final = "setting jitter buffer size"
"""What FFmpeg notes of each track once the camera has granted its SETUP."""

_REDIRECTED: Final = ": Redirecting to "
MANY_REDIRECTS: Final = 5
"""FFmpeg follows every redirection, a hundred and more a second, until the time for opening is over."""

# By the name of PyAV's exception class. MemoryError: what the camera announces is beyond ffmpeg_memory.MOST_BYTES.
_BY_CLASS: Final[dict[str, str]] = {
    "HTTPBadRequestError": "bad-request",
    "HTTPUnauthorizedError": "auth-failed",
    "HTTPForbiddenError": "forbidden",
    "HTTPNotFoundError": "not-found",
    "HTTPTooManyRequestsError": "busy",
    "HTTPOtherClientError": "protocol",
    "HTTPServerError": "server-error",
    "ConnectionRefusedError": "refused-connection",
    "TimeoutError": "timeout",
    "ExitError": "timeout",
    "BrokenPipeError": "connection-lost",
    "ConnectionResetError": "connection-lost",
    "ConnectionAbortedError": "connection-lost",
    "EOFError": "end-of-stream",
    "DecoderNotFoundError": "unsupported-codec",
    "PatchWelcomeError": "unsupported-codec",
    "ProtocolNotFoundError": "protocol",
    "InvalidDataError": "protocol",
    "MemoryError": "protocol",
}

# errno values that PyAV has no class for; the numbers differ between systems, the names don't.
_BY_ERRNO_NAME: Final[dict[str, str]] = {
    "EHOSTUNREACH": "unreachable",
    "ENETUNREACH": "unreachable",
    "EHOSTDOWN": "unreachable",
    "ENETDOWN": "unreachable",
    "EADDRNOTAVAIL": "unreachable",
    "ETIMEDOUT": "timeout",
    "ECONNREFUSED": "refused-connection",
    "ECONNRESET": "connection-lost",
    "EPIPE": "connection-lost",
}


def open_failure(
    class_name: str,
    errno_name: str,
    log_lines: Sequence[str],
    *,
    notes: Sequence[str] = (),
    elapsed_s: float,
    open_timeout_s: float,
) -> str:
    """The code of a failed open.

    `class_name` is PyAV's exception class, `errno_name` the errno's symbol or "". `log_lines`: of errors; `notes`: of
    everything else. A request that is never answered shows as InvalidDataError, or as PermissionError (PLAY): only the
    time that has passed tells.
    """
    code = _open_failure(class_name, errno_name, log_lines, notes, elapsed_s, open_timeout_s)
    if code == "timeout" and sum(_REDIRECTED in note for note in notes) >= MANY_REDIRECTS:
        return "redirect-loop"
    return code


def _open_failure(
    class_name: str,
    errno_name: str,
    log_lines: Sequence[str],
    notes: Sequence[str],
    elapsed_s: float,
    open_timeout_s: float,
) -> str:
    for line in log_lines:
        status = _STATUS.search(line)
        if status is not None:
            number = int(status["status"])
            if status["method"] == "PLAY" and number in _NOTHING_TO_PLAY:
                return "protocol" if any(_TRACK_SET_UP in note for note in notes) else "no-video"
            return _BY_STATUS.get(number, "server-error" if number >= 500 else "protocol")
    text = "\n".join(log_lines).lower()
    if "failed to resolve hostname" in text:
        return "host-unknown"
    if "certificate" in text or "verif" in text:
        return "tls-certificate"
    if "[tls]" in text or "tls" in text:
        return "timeout" if elapsed_s >= NEARLY * open_timeout_s else "tls-failed"
    if errno_name in _BY_ERRNO_NAME:
        return _BY_ERRNO_NAME[errno_name]
    if elapsed_s >= NEARLY * open_timeout_s:
        return "timeout"
    return _BY_CLASS.get(class_name, "protocol")


def read_failure(class_name: str, errno_name: str, *, waited_s: float, read_timeout_s: float) -> str:
    """The code of a failure while the stream plays. An interrupted wait shows as ExitError, or as EIO."""
    if class_name in ("ExitError", "TimeoutError") or errno_name == "ETIMEDOUT":
        return "stall"
    if errno_name in ("", "EIO") and waited_s >= NEARLY * read_timeout_s:
        return "stall"
    return _BY_ERRNO_NAME.get(errno_name) or _BY_CLASS.get(class_name, "connection-lost")
