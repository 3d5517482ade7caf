"""What FFmpeg's failures mean."""

from __future__ import annotations

import pytest

from safetygear.camera_reasons import EXPLANATIONS
from safetygear_capture import ffmpeg_errors
from safetygear_capture.ffmpeg_errors import open_failure, read_failure


@pytest.mark.parametrize(
    ("class_name", "errno_name", "lines", "elapsed_s", "code"),
    [
        ("HTTPUnauthorizedError", "", ["method DESCRIBE failed: 401 (Unauthorized)\n"], 0.1, "auth-failed"),
        ("HTTPUnauthorizedError", "", [], 0.1, "auth-failed"),
        ("HTTPNotFoundError", "", ["method DESCRIBE failed: 404 (Not Found)\n"], 0.1, "not-found"),
        ("HTTPOtherClientError", "", ["method SETUP failed: 461 (Unsupported Transport)\n"], 0.1, "transport-refused"),
        ("HTTPOtherClientError", "", ["method DESCRIBE failed: 453 (Not Enough Bandwidth)\n"], 0.1, "busy"),
        ("HTTPOtherClientError", "", ["method PLAY failed: 499 (Odd)\n"], 0.1, "protocol"),
        ("HTTPOtherClientError", "", ["method PLAY failed: 454 (Session Not Found)\n"], 0.1, "no-video"),
        ("HTTPOtherClientError", "", ["method PLAY failed: 455 (Method Not Valid)\n"], 0.1, "no-video"),
        ("HTTPOtherClientError", "", ["method SETUP failed: 454 (Session Not Found)\n"], 0.1, "protocol"),
        ("HTTPTooManyRequestsError", "", ["method DESCRIBE failed: 429 (Too Many Requests)\n"], 0.1, "busy"),
        ("HTTPServerError", "", ["method DESCRIBE failed: 503 (Service Unavailable)\n"], 0.1, "server-error"),
        (
            "OSError",
            "EIO",
            ["Failed to resolve hostname cam.invalid: Name or service not known\n"],
            0.1,
            "host-unknown",
        ),
        ("OSError", "EIO", ["The certificate is NOT trusted.\n"], 0.1, "tls-certificate"),
        ("OSError", "EIO", ["[tls] handshake failed\n"], 0.1, "tls-failed"),
        ("OSError", "EIO", ["[tls] handshake failed\n"], 2.0, "timeout"),
        ("ConnectionRefusedError", "ECONNREFUSED", ["Connection to tcp://… failed\n"], 0.1, "refused-connection"),
        ("ConnectionRefusedError", "ECONNREFUSED", [], 2.0, "refused-connection"),
        ("OSError", "EHOSTUNREACH", [], 2.0, "unreachable"),
        ("InvalidDataError", "", [], 2.0, "timeout"),
        ("PermissionError", "EPERM", [], 1.95, "timeout"),
        ("ExitError", "", [], 2.0, "timeout"),
        ("InvalidDataError", "", [], 0.1, "protocol"),
        ("DecoderNotFoundError", "", [], 0.1, "unsupported-codec"),
        ("SomethingNew", "", [], 0.1, "protocol"),
    ],
)
def test_a_failed_open(class_name: str, errno_name: str, lines: list[str], elapsed_s: float, code: str) -> None:
    assert open_failure(class_name, errno_name, lines, elapsed_s=elapsed_s, open_timeout_s=2.0) == code


REDIRECTED = "Status 302: Redirecting to rtsp://10.0.0.12/stream1\n"
SET_UP = "setting jitter buffer size to 0\n"


@pytest.mark.parametrize(
    ("lines", "notes", "elapsed_s", "code"),
    [
        ([], [REDIRECTED] * 5, 2.0, "redirect-loop"),
        ([], [REDIRECTED], 2.0, "timeout"),
        (["method DESCRIBE failed: 401 (Unauthorized)\n"], [REDIRECTED] * 5, 0.1, "auth-failed"),
        (["method PLAY failed: 454 (Session Not Found)\n"], [SET_UP], 0.1, "protocol"),
        (["method PLAY failed: 455 (Method Not Valid)\n"], [SET_UP], 0.1, "protocol"),
        ([], ["SDP:\nv=0\r\ns=a certificate of TLS\r\n"], 2.0, "timeout"),
    ],
)
def test_what_ffmpeg_notes_beside_errors(lines: list[str], notes: list[str], elapsed_s: float, code: str) -> None:
    found = open_failure("InvalidDataError", "", lines, notes=notes, elapsed_s=elapsed_s, open_timeout_s=2.0)
    assert found == code


@pytest.mark.parametrize(
    ("class_name", "errno_name", "waited_s", "code"),
    [
        ("ExitError", "", 1.0, "stall"),
        ("TimeoutError", "ETIMEDOUT", 0.1, "stall"),
        ("OSError", "EIO", 1.0, "stall"),
        ("OSError", "EIO", 0.1, "connection-lost"),
        ("ConnectionResetError", "ECONNRESET", 0.1, "connection-lost"),
        ("ConnectionResetError", "ECONNRESET", 1.0, "connection-lost"),
        ("EOFError", "", 0.1, "end-of-stream"),
        ("SomethingNew", "", 0.1, "connection-lost"),
    ],
)
def test_a_failure_while_it_plays(class_name: str, errno_name: str, waited_s: float, code: str) -> None:
    assert read_failure(class_name, errno_name, waited_s=waited_s, read_timeout_s=1.0) == code


def test_every_code_is_explained() -> None:
    tables = (ffmpeg_errors._BY_STATUS, ffmpeg_errors._BY_CLASS, ffmpeg_errors._BY_ERRNO_NAME)
    assert {code for table in tables for code in table.values()} <= set(EXPLANATIONS)
