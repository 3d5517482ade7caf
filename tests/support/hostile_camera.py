"""A camera that answers as no camera should, and sends as much as it is let."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final

Answer = Callable[[str], Iterator[bytes]]
"""What is sent for a request, by its CSeq: piece by piece, until it ends or the client has gone."""

PIECE: Final = b"\0" * 65536
SDP: Final = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)


def head(cseq: str, *lines: str) -> bytes:
    return "\r\n".join(["RTSP/1.0 200 OK", f"CSeq: {cseq}", *lines, "", ""]).encode()


def _usual(method: str) -> Answer:
    def answer(cseq: str) -> Iterator[bytes]:
        if method == "DESCRIBE":
            yield head(cseq, "Content-Type: application/sdp", f"Content-Length: {len(SDP)}") + SDP
        elif method == "SETUP":
            yield head(cseq, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1;timeout=60")
        else:
            yield head(cseq, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER", "Session: 1")

    return answer


def rtp_frame(sequence: int, payload: bytes, *, timestamp: int = 1, channel: int = 0) -> bytes:
    """An RTP packet inside the RTSP connection."""
    packet = struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, timestamp, 7) + payload
    return b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet


class HostileCamera:
    """Listens on loopback until `close`. `answers`: by RTSP method, in place of the usual ones."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.bytes_sent = 0
        """What the clients' side has taken, their sockets' buffers among it."""
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/a"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                buffer += data
                while b"\r\n\r\n" in buffer:
                    request, _, buffer = buffer.partition(b"\r\n\r\n")
                    lines = request.decode("utf-8", "replace").split("\r\n")
                    # What is before the method are the client's own reports, in frames of their own.
                    method = lines[0].split(" ")[0].rpartition("\0")[2]
                    cseq = next((line.split(":")[1].strip() for line in lines if line.startswith("CSeq")), "0")
                    answer = self._answers.get(method) or _usual(method)
                    for piece in answer(cseq):
                        connection.sendall(piece)
                        self.bytes_sent += len(piece)


@contextlib.contextmanager
def hostile_camera(answers: Mapping[str, Answer]) -> Iterator[HostileCamera]:
    camera = HostileCamera(answers)
    try:
        yield camera
    finally:
        camera.close()
