"""How a download goes on where it was cut, and what an answer of the server means. Pure.

The file is known by its SHA-256, so no ETag has to be kept: a file that changed on the server between two parts has the
wrong digest, and is then fetched anew from its beginning.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from safetygear.errors import ModelError

PACKAGE_BYTES: Final = 640 * 2**20
"""The most a file may have: a network of 512 MiB, its golden pictures and its card."""
SPARED_BYTES: Final = 128 * 2**20
"""Left free on the data volume: what the outbox may still need."""
SLOWEST_BYTES_PER_S: Final = 1024.0
SLOW_FOR_S: Final = 60.0
"""A server that gives less than this over so long is let go of, and asked again later."""
LONGEST_RETRY_AFTER_S: Final = 900.0

_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class DownloadError(ModelError):
    """A download did not succeed. `start_over`: what is there of the file is of no use."""

    default_code = "download-failed"

    def __init__(
        self, message: str, *, code: str | None = None, start_over: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.start_over = start_over
        self.retry_after_s = retry_after_s
        """What the server asked for; None where it did not."""


@dataclass(frozen=True)
class Body:
    """What the answer's body is: the file from `offset_bytes` on; `total_bytes` is the whole file, if it says so."""

    offset_bytes: int
    total_bytes: int | None
    complete: bool = False
    """There is nothing more to come."""


def request_headers(have_bytes: int) -> dict[str, str]:
    """Ask for the rest of a file of which `have_bytes` are there, as it is (not compressed on the way)."""
    headers = {"Accept-Encoding": "identity"}
    return headers | ({"Range": f"bytes={have_bytes}-"} if have_bytes else {})


def judge_answer(status: int, headers: Mapping[str, str], *, have_bytes: int) -> Body:
    """What comes with an answer of HTTP status `status` to `request_headers(have_bytes)`. Raises DownloadError."""
    if status == 200:
        return Body(0, _whole(headers.get("Content-Length")))
    if status == 206:
        first, total = _content_range(headers)
        if first != have_bytes:
            raise DownloadError("the server sent another part of the file than was asked for", start_over=True)
        return Body(have_bytes, total)
    if status == 416 and have_bytes:
        _, total = _content_range(headers)
        if total == have_bytes:
            return Body(have_bytes, total, complete=True)
        raise DownloadError("the file on the server is shorter than what is here of it", start_over=True)
    raise _refusal(status, headers)


def check_size(total_bytes: int | None, *, have_bytes: int, free_bytes: int) -> None:
    """Raises DownloadError where a file of `total_bytes`, of which `have_bytes` are here, is too much."""
    if total_bytes is not None and total_bytes > PACKAGE_BYTES:
        raise DownloadError(
            f"the file has {total_bytes // 2**20} MiB; at most {PACKAGE_BYTES // 2**20} are taken",
            code="model-too-large",
        )
    # A file whose length is not told is checked as it comes.
    missing_bytes = max(0, (total_bytes or have_bytes) - have_bytes)
    if missing_bytes + SPARED_BYTES > free_bytes:
        raise DownloadError(
            f"the data volume has {free_bytes // 2**20} MiB free; {missing_bytes // 2**20} are needed for the model "
            f"and {SPARED_BYTES // 2**20} are kept for events: free some, or enlarge it",
            code="data-full",
        )


def check_end(have_bytes: int, total_bytes: int | None) -> None:
    """The body has ended. Raises DownloadError where it is not the whole file."""
    if total_bytes is not None and have_bytes < total_bytes:
        raise DownloadError("the connection was cut before the end of the file", code="download-cut")
    if total_bytes is not None and have_bytes > total_bytes:
        raise DownloadError("the server sent more than it had announced", start_over=True)


class Speed:
    """Notices a server that sends a byte now and then, which no time limit on a read finds."""

    def __init__(self, now_s: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now_s, 0)])
        self._total_bytes = 0

    def took(self, count_bytes: int, now_s: float) -> None:
        """So much came at `now_s` (monotonic). Raises DownloadError (`download-slow`)."""
        self._total_bytes += count_bytes
        self._seen.append((now_s, self._total_bytes))
        while len(self._seen) > 1 and now_s - self._seen[1][0] >= SLOW_FOR_S:
            self._seen.popleft()
        began_s, before_bytes = self._seen[0]
        if now_s - began_s >= SLOW_FOR_S and self._total_bytes - before_bytes < SLOWEST_BYTES_PER_S * SLOW_FOR_S:
            raise DownloadError(
                f"the server sends less than {SLOWEST_BYTES_PER_S / 1024:g} KiB a second", code="download-slow"
            )


def _refusal(status: int, headers: Mapping[str, str]) -> DownloadError:
    if status in (401, 403, 407):
        return DownloadError(
            f"the server refuses the file (HTTP {status}): is the token in sas valid, and of this container?",
            code="download-refused",
        )
    if status in (404, 410):
        return DownloadError(f"the server does not have the file (HTTP {status})", code="download-not-found")
    if status in (408, 425, 429) or status >= 500:
        return DownloadError(f"the server failed (HTTP {status})", retry_after_s=_retry_after(headers))
    return DownloadError(f"the server answered with HTTP {status}", code="download-refused")


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is None:
        raise DownloadError("the server's Content-Range can't be read", start_over=True)
    return _whole(match[1]), _whole(match[2])


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    seconds = _whole(headers.get("Retry-After"))
    return None if seconds is None else min(float(seconds), LONGEST_RETRY_AFTER_S)
