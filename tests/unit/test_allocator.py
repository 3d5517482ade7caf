"""The allocator is asked for one arena, and its absence is no error."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from safetygear import allocator


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_threads_make_no_further_arena() -> None:
    code = (
        "import ctypes, threading\n"
        "from safetygear.allocator import use_one_arena\n"
        "assert use_one_arena()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "threads = [threading.Thread(target=lambda: libc.malloc(1000)) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "libc.malloc_stats()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    arenas = [line for line in done.stderr.splitlines() if line.startswith("Arena ")]
    assert arenas == ["Arena 0:"]


@pytest.mark.parametrize("error", [OSError, AttributeError, TypeError])
def test_another_c_library_is_left_alone(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fails)
    assert not allocator.use_one_arena()
