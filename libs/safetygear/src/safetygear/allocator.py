"""glibc's memory allocator, told to keep all threads in one arena.

By itself it gives threads arenas of their own, eight per core. What one thread takes and another gives back, as frames
and messages are, stays spread over them: inference grew by 0.21 MB a minute from the second to the seventh, and by 0.06
with one arena, for no more processor time (docs/benchmarks.md).
"""

from __future__ import annotations

import ctypes
from typing import Final

M_ARENA_MAX: Final = -8
"""malloc.h of glibc; mallopt(3)."""


def use_one_arena() -> bool:
    """Whether the system's allocator took it. Another C library has no such setting, and nothing happens."""
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1))
    except (OSError, AttributeError, TypeError):
        return False
