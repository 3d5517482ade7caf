"""What a packet says of itself before anything can be decoded from it. Pure."""

from __future__ import annotations

from typing import Final

_START: Final = b"\0\0\1"


def carries_slice(codec: str, packet: bytes) -> bool:
    """Whether the packet (Annex B) holds a part of an ordinary picture of the codec that was announced.

    It tells a stream that has not come to a key frame yet from one of another codec: H.265's NAL heads begin even,
    and H.264's slices odd; FFmpeg lets hardly more than H.264's SEI through as H.265, which reads as another kind.
    False for every other codec: in those, each packet is a key frame or what it is can't be seen.
    """
    if codec not in ("h264", "hevc"):
        return False
    at = packet.find(_START)
    while 0 <= at < len(packet) - len(_START) - 1:
        first, second = packet[at + 3], packet[at + 4]
        if codec == "h264":
            if not first & 0x80 and first & 0x1F in (1, 5):  # slice, slice of an IDR picture (H.264 7.4.1)
                return True
        elif first in (0, 2) and 1 <= second <= 7:  # TRAIL_N, TRAIL_R of the base layer (H.265 7.4.2.2)
            return True
        at = packet.find(_START, at + 3)
    return False
