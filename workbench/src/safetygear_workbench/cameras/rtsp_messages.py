"""RTSP 1.0 requests and responses as bytes in and bytes out, no I/O. Source: RFC 2326, sections 4 to 7 and 10.12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
    453: "Not Enough Bandwidth", 454: "Session Not Found", 461: "Unsupported Transport", 503: "Service Unavailable",
}  # fmt: skip


class RtspError(ValueError):
    """The peer does not speak RTSP; the connection has to end."""


@dataclass(frozen=True)
class Request:
    method: str
    uri: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""

    @property
    def cseq(self) -> str:
        return self.headers.get("cseq", "0")


@dataclass(frozen=True)
class Interleaved:
    """A packet inside the RTSP connection (`$`, channel, length)."""

    channel: int
    data: bytes


@dataclass
class RequestReader:
    """Collects bytes as they come and hands out what is whole. Raises RtspError."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Request | Interleaved]:
        self._buffer += data
        found: list[Request | Interleaved] = []
        while (item := self._next()) is not None:
            found.append(item)
        return found

    def _next(self) -> Request | Interleaved | None:
        buffer = self._buffer
        while buffer and buffer[0] in b"\r\n":
            del buffer[0]
        if not buffer:
            return None
        if buffer[0] == 0x24:
            if len(buffer) < 4 or len(buffer) < 4 + int.from_bytes(buffer[2:4], "big"):
                return None
            length = int.from_bytes(buffer[2:4], "big")
            packet = Interleaved(buffer[1], bytes(buffer[4 : 4 + length]))
            del buffer[: 4 + length]
            return packet
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                raise RtspError("the request's head is too long")
            return None
        head = _parse_head(bytes(buffer[:end]))
        length = _content_length(head.headers)
        if len(buffer) < end + 4 + length:
            return None
        body = bytes(buffer[end + 4 : end + 4 + length])
        del buffer[: end + 4 + length]
        return Request(head.method, head.uri, head.headers, body)


def response(status: int, cseq: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """A response with its head and body."""
    lines = [f"RTSP/1.0 {status} {REASONS.get(status, 'Error')}", f"CSeq: {cseq}", "Server: SafetyGear camera"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def interleaved(channel: int, data: bytes) -> bytes:
    """A packet framed for the RTSP connection."""
    return b"$" + bytes((channel,)) + len(data).to_bytes(2, "big") + data


def _parse_head(data: bytes) -> Request:
    lines = data.decode("utf-8", "replace").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("RTSP/1."):
        raise RtspError("the first line is no RTSP request")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Request(parts[0], parts[1], headers)


def _content_length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not text.isdigit() or int(text) > MAX_BODY_BYTES:
        raise RtspError("the content length is not acceptable")
    return int(text)
