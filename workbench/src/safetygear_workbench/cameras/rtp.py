"""RTP packets of H.264 and H.265, and RTCP reports. Pure.

Sources: RFC 3550 (RTP, sender reports, BYE), RFC 6184 (H.264: single NAL units, FU-A), RFC 7798 (H.265: FU).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Codec = Literal["H264", "H265"]
CLOCK_HZ = 90_000
PAYLOAD_TYPE = 96
MAX_PAYLOAD_BYTES = 1400
NTP_EPOCH_OFFSET_S = 2_208_988_800
"""From 1900, where NTP begins, to 1970."""
_MASK = 0xFFFFFFFF


def fragments(nal: bytes, codec: Codec, limit_bytes: int = MAX_PAYLOAD_BYTES) -> Iterator[bytes]:
    """The RTP payloads of one NAL unit: itself where it fits, else fragmentation units."""
    if len(nal) <= limit_bytes:
        yield nal
        return
    if codec == "H264":
        header_bytes, kind = 1, nal[0] & 0x1F
        head = bytes((nal[0] & 0xE0 | 28,))
    else:
        header_bytes, kind = 2, nal[0] >> 1 & 0x3F
        head = bytes((nal[0] & 0x81 | 49 << 1, nal[1]))
    body = nal[header_bytes:]
    step = limit_bytes - len(head) - 1
    for start in range(0, len(body), step):
        first, last = start == 0, start + step >= len(body)
        flags = kind | (0x80 if first else 0) | (0x40 if last else 0)
        yield head + bytes((flags,)) + body[start : start + step]


@dataclass
class RtpStream:
    """Numbers and counts one stream's packets."""

    ssrc: int
    sequence: int
    first_timestamp: int
    packets_sent: int = 0
    payload_bytes_sent: int = 0

    def timestamp(self, media_s: float) -> int:
        """The RTP timestamp of a media time in seconds."""
        return (self.first_timestamp + round(media_s * CLOCK_HZ)) & _MASK

    def packets(self, nals: Sequence[bytes], timestamp: int, codec: Codec) -> list[bytes]:
        """The packets of one picture; the last carries the marker bit."""
        payloads = [payload for nal in nals for payload in fragments(nal, codec)]
        packets = []
        for index, payload in enumerate(payloads):
            self.sequence = (self.sequence + 1) & 0xFFFF
            marker = 0x80 if index == len(payloads) - 1 else 0
            head = struct.pack("!BBHII", 0x80, PAYLOAD_TYPE | marker, self.sequence, timestamp, self.ssrc)
            packets.append(head + payload)
            self.packets_sent += 1
            self.payload_bytes_sent += len(payload)
        return packets

    def sender_report(self, now_s: float, timestamp: int) -> bytes:
        """Says that `timestamp` was sent at the wall clock `now_s`."""
        ntp_s = now_s + NTP_EPOCH_OFFSET_S
        whole = int(ntp_s)
        return struct.pack(
            "!BBHIIIIII", 0x80, 200, 6, self.ssrc, whole & _MASK, int((ntp_s - whole) * 2**32) & _MASK, timestamp,
            self.packets_sent & _MASK, self.payload_bytes_sent & _MASK,
        )  # fmt: skip

    def bye(self) -> bytes:
        return struct.pack("!BBHI", 0x81, 203, 1, self.ssrc)
