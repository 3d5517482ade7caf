"""What a packet says of itself: slices of the announced codec, told from another codec's units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_capture.coded_pictures import carries_slice

START = b"\0\0\0\1"


@pytest.mark.parametrize(
    ("codec", "units", "carries"),
    [
        ("h264", ["41 9a 20"], True),
        ("h264", ["09 f0", "06 05 ff", "01 9a 20"], True),
        ("h264", ["67 42 c0", "68 ce 38", "65 88 84"], True),
        ("h264", ["06 05 ff"], False),
        ("h264", [], False),
        ("hevc", ["02 01 d0"], True),
        ("hevc", ["46 01 50", "00 01 e0"], True),
        ("hevc", ["40 01 0c", "42 01 01", "44 01 c0"], False),
        # What FFmpeg lets through of one codec that was announced as the other.
        ("h264", ["40 01 0c", "42 01 01", "44 01 c0", "26 01 af"], False),
        ("h264", ["02 01 d0"], False),
        ("h264", ["62 01 93"], False),
        ("hevc", ["06 05 ff"], False),
        ("hevc", ["41 9a 20"], False),
        ("hevc", ["01 9a 20"], False),
        ("mjpeg", ["41 9a 20"], False),
    ],
)
def test_slices_are_told_from_everything_else(codec: str, units: list[str], carries: bool) -> None:
    assert carries_slice(codec, b"".join(START + bytes.fromhex(unit) for unit in units)) is carries


@given(st.sampled_from(["h264", "hevc", "mjpeg"]), st.lists(st.sampled_from([b"\0\0\1", b"\0", b"A", b"\2"])))
def test_any_bytes_have_an_answer(codec: str, parts: list[bytes]) -> None:
    assert carries_slice(codec, b"".join(parts)) in (True, False)
