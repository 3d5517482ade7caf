"""The bytes of a ring file: what the writer and the reader must agree on.

A ring is one file, mapped by its writer and by any number of readers:
header page | slot 0 | slot 1 | … ; each slot starts on a page with a 64-byte head, whose first word is its sequence.

Header (little endian): magic, version, number of slots, bytes from slot to slot, bytes of pixels per slot, epoch.
A slot's sequence is odd while it is being written and even, two higher per frame, while it is whole (a seqlock).
"""

from __future__ import annotations

import re
import struct
import threading

from safetygear.messages.frames import PixelFormat

MAGIC = b"SGRING\x00\x01"
VERSION = 1
HEADER = struct.Struct("<8sIIQQQ")
HEADER_BYTES = 4096
SLOT_HEAD_BYTES = 64  # a cache line for the sequence, so that pixels start aligned for SIMD copies
PAGE_BYTES = 4096

# The same names as FrameReference.ring allows: no separator, no leading dot (those are rings being made).
RING_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")

# Epochs survive JSON readers that keep numbers as doubles.
EPOCH_BITS = 53


def slot_bytes_for(width: int, height: int) -> int:
    """Bytes of pixels of one 4:2:0 picture (I420 or NV12) of that size, rows padded to an even length."""
    stride = row_stride(width)
    return stride * height + stride * ((height + 1) // 2)


def row_stride(width: int) -> int:
    """Bytes per row of the Y plane: even, so that a chroma row is exactly half of it."""
    return width + width % 2


def plane_shapes(width: int, height: int, pixel_format: PixelFormat) -> tuple[tuple[int, int], ...]:
    """(rows, used bytes per row) of each plane: Y, U, V for i420; Y, interleaved UV for nv12."""
    chroma_w, chroma_h = (width + 1) // 2, (height + 1) // 2
    if pixel_format == "i420":
        return (height, width), (chroma_h, chroma_w), (chroma_h, chroma_w)
    return (height, width), (chroma_h, 2 * chroma_w)


def plane_strides(stride: int, pixel_format: PixelFormat) -> tuple[int, ...]:
    """Bytes per row of each plane, given the Y plane's `stride`."""
    return (stride, stride // 2, stride // 2) if pixel_format == "i420" else (stride, stride)


def slot_pitch_bytes(slot_bytes: int) -> int:
    """Bytes from one slot's start to the next's."""
    return (SLOT_HEAD_BYTES + slot_bytes + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES


_fence_lock = threading.Lock()


def fence() -> None:
    """No store or load moves across this call.

    x86-64 keeps stores among themselves and loads among themselves in order, which is all a seqlock needs. Armv8 does
    not; there, releasing a lock and taking it again orders everything before against everything after.
    """
    with _fence_lock:
        pass
    with _fence_lock:
        pass
