"""Cameras that announce or send without end: they cost a connection, not the module's memory."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
import sys
from collections.abc import Iterator

import av._core
import pytest

from safetygear.errors import CameraError
from safetygear_capture import ffmpeg_memory
from safetygear_capture.ffmpeg_memory import MOST_BYTES, limit_pieces
from safetygear_capture.rtsp import open_rtsp
from safetygear_capture.source import SourceRequest
from support.hostile_camera import PIECE, Answer, head, hostile_camera, rtp_frame

ENDLESS_PICTURE_BYTES = 48 << 20
MIB = 1 << 20


def request(url: str) -> SourceRequest:
    return SourceRequest(
        url=url, username=None, password=None, transport="tcp", tls_verify=True, open_timeout_s=2.0, read_timeout_s=1.0
    )


def announces(length: str) -> Answer:
    def answer(cseq: str) -> Iterator[bytes]:
        yield head(cseq, "Content-Type: application/sdp", f"Content-Length: {length}")
        yield from itertools.repeat(PIECE)

    return answer


def endless_headers(cseq: str) -> Iterator[bytes]:
    yield head(cseq)[:-2]
    yield from itertools.repeat(b"X-Camera: and so on\r\n" * 1000)


def endless_line(cseq: str) -> Iterator[bytes]:
    yield head(cseq)[:-2]
    yield from itertools.repeat(b"X" * 65536)


def many_tracks(cseq: str) -> Iterator[bytes]:
    lines = b"v=0\r\n" + b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n" * 300
    yield head(cseq, "Content-Type: application/sdp", f"Content-Length: {len(lines)}") + lines


def picture_without_end(cseq: str) -> Iterator[bytes]:
    """One NAL unit in fragments (RFC 6184, FU-A), of which none is the last."""
    yield head(cseq, "Session: 1")
    payload = b"\xff" * 65000
    for sequence in range(-(-ENDLESS_PICTURE_BYTES // len(payload))):
        start = 0x80 if sequence == 0 else 0
        yield rtp_frame(sequence, bytes((0x7C, start | 5)) + payload)
    raise ConnectionAbortedError  # the camera hangs up


def hangs_up(cseq: str) -> Iterator[bytes]:
    yield head(cseq, "Session: 1")
    raise ConnectionAbortedError


@pytest.fixture(autouse=True)
def _limit() -> None:
    """As without JPEG, which raises it for the process."""
    assert limit_pieces()


@pytest.mark.parametrize("length", ["2000000000", "2147483646", str(MOST_BYTES)])
def test_an_answer_that_is_announced_as_too_long_is_not_read(length: str) -> None:
    with hostile_camera({"DESCRIBE": announces(length)}) as camera:
        with pytest.raises(CameraError) as caught:
            open_rtsp(request(camera.url))
        assert caught.value.code == "protocol"
        assert camera.bytes_sent < MOST_BYTES // 2, "what fits the sockets' buffers"


@pytest.mark.parametrize("answer", [endless_headers, endless_line])
def test_a_head_without_end_ends_with_the_time_for_opening(answer: Answer) -> None:
    with hostile_camera({"OPTIONS": answer}) as camera:
        with pytest.raises(CameraError) as caught:
            open_rtsp(request(camera.url))
        assert caught.value.code == "timeout"


# Memory is measured in a process of its own: how much one has ever had does not go down.
CLIENT = """
import resource, sys
from safetygear.errors import CameraError
from safetygear_capture import ffmpeg_memory
from safetygear_capture.rtsp import open_rtsp
from safetygear_capture.source import SourceRequest

url, most_bytes, open_timeout_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
ffmpeg_memory.MOST_BYTES = most_bytes
assert ffmpeg_memory.limit_pieces()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    source = open_rtsp(SourceRequest(url=url, username=None, password=None, transport="tcp", tls_verify=True,
                                     open_timeout_s=open_timeout_s, read_timeout_s=2.0))
    while True:
        source.read()
except CameraError as exc:
    print(exc.code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)
"""


def grown_bytes(url: str, most_bytes: int = MOST_BYTES, *, open_timeout_s: float = 2.0) -> tuple[str, int]:
    """How a connection to a camera ends, and by how much the process's memory has grown until then."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, url, str(most_bytes), str(open_timeout_s)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, size = done.stdout.split()
    return code, int(size)


def test_a_picture_that_never_ends_is_not_kept() -> None:
    with hostile_camera({"PLAY": picture_without_end}) as camera:
        code, size = grown_bytes(camera.url, 4 * MIB, open_timeout_s=60.0)
        assert camera.bytes_sent > ENDLESS_PICTURE_BYTES
    assert size < ENDLESS_PICTURE_BYTES // 2
    assert code in ("protocol", "end-of-stream", "connection-lost")


def test_tracks_without_number_are_not_made() -> None:
    """A decoder for each of these would be 45 MiB."""
    with hostile_camera({"DESCRIBE": many_tracks, "PLAY": hangs_up}) as camera:
        _, size = grown_bytes(camera.url, open_timeout_s=60.0)
    assert size < 20 * MIB


def test_more_than_the_limit_is_refused_by_ffmpeg_itself() -> None:
    assert limit_pieces()
    library = ctypes.CDLL(av._core.__file__)
    library.av_malloc.argtypes, library.av_malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.av_free.argtypes, library.av_free.restype = [ctypes.c_void_p], None
    assert library.av_malloc(MOST_BYTES + 1) is None
    piece = library.av_malloc(MOST_BYTES // 2)
    assert piece is not None
    library.av_free(piece)


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_an_ffmpeg_that_can_not_be_told_is_left_alone(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fails)
    assert not ffmpeg_memory.limit_pieces()
