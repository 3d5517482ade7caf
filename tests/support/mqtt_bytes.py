"""MQTT packets byte by byte, as a client of any kind may write them; the product's own reader has no part in it."""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    """UTF-8 behind its length."""
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def framed(first: int, body: bytes) -> bytes:
    """A whole packet: kind and flags, the body's length, the body."""
    length, head = len(body), bytearray((first,))
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body
