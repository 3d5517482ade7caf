"""How much memory FFmpeg takes at once.

A camera says how long its answers are and how large its pictures, and its pictures may have no end: FFmpeg takes it at
its word, and what memory that needs, as fast as the camera sends.
"""

from __future__ import annotations

import ctypes
from typing import Final

import av._core

MOST_BYTES: Final = 64 << 20
"""In one piece. A plane of a 4K picture takes 8 MiB, or 16 with ten bits, one of 7680 x 4320 in eight bits 32; a whole
one of those that has to be converted 48."""
MOST_WITH_JPEG_BYTES: Final = 128 << 20
"""Where pictures are sent as JPEG: FFmpeg's encoder first takes what the worst picture would need, 12 bytes a pixel, so
96 MiB for 4K."""


def limit_pieces(most_bytes: int | None = None) -> bool:
    """From now on FFmpeg fails, as where there is no memory, rather than take more than `most_bytes` (None: MOST_BYTES)
    in one piece.

    For the whole process. False: this FFmpeg can't be told. libavutil/mem.h: av_max_alloc; PyAV has no name for it.
    """
    try:
        # The libraries that a library was linked to are searched with it.
        max_alloc = ctypes.CDLL(av._core.__file__).av_max_alloc
    except (OSError, AttributeError):
        return False
    max_alloc.argtypes, max_alloc.restype = [ctypes.c_size_t], None
    max_alloc(MOST_BYTES if most_bytes is None else most_bytes)
    return True
