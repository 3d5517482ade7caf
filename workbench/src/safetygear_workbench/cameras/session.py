"""One RTSP client: requests in, responses out, and the stream it has asked for."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from safetygear.clock import Clock
from safetygear.errors import UserError
from safetygear_workbench.cameras.authentication import Credentials
from safetygear_workbench.cameras.clip import Clip
from safetygear_workbench.cameras.faults import Faults, parse_faults
from safetygear_workbench.cameras.player import Player, run_quietly
from safetygear_workbench.cameras.rtp import PAYLOAD_TYPE, RtpStream
from safetygear_workbench.cameras.rtsp_messages import Request, RequestReader, RtspError, interleaved, response

_PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"
_CLIENT_PORTS = re.compile(r"client_port=(\d+)-(\d+)")
_LOWEST_CLIENT_PORT = 1024
_READ_BYTES = 64 * 1024
SILENT_TRACK = "silent"
SILENT_TRANSPORT = "RTP/AVP/TCP;unicast;interleaved=2-3"
"""Granted to whoever sets it up, over TCP: the track that plays has 0 and 1."""
_NEVER_S = 1e9


class CameraState(Protocol):
    """What the server shares with its sessions."""

    clips: Mapping[str, Clip]
    credentials: Credentials | None
    clock: Clock

    def live_faults(self, name: str) -> Faults | None: ...


@dataclass
class TcpChannel:
    """Packets inside the RTSP connection: RTP on channel 0, RTCP on 1."""

    writer: asyncio.StreamWriter

    async def send_rtp(self, packet: bytes) -> None:
        self.writer.write(interleaved(0, packet))
        await self.writer.drain()

    async def send_rtcp(self, packet: bytes) -> None:
        self.writer.write(interleaved(1, packet))
        await self.writer.drain()

    def abort(self) -> None:
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


@dataclass
class UdpChannel:
    """Packets in datagrams, to the ports the client named at the address it connects from."""

    writer: asyncio.StreamWriter
    sockets: tuple[socket.socket, socket.socket]
    targets: tuple[tuple[str, int], tuple[str, int]]

    async def send_rtp(self, packet: bytes) -> None:
        self.sockets[0].sendto(packet, self.targets[0])

    async def send_rtcp(self, packet: bytes) -> None:
        self.sockets[1].sendto(packet, self.targets[1])

    def abort(self) -> None:
        self.writer.transport.abort()

    def close(self) -> None:
        for item in self.sockets:
            item.close()
        self.writer.close()


@dataclass
class Session:
    """Handles one connection until it ends."""

    server: CameraState
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _id: str = field(default_factory=lambda: secrets.token_hex(4))
    _nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    _url_faults: Faults = field(default_factory=Faults)
    _name: str = ""
    _channel: TcpChannel | UdpChannel | None = None
    _playing: asyncio.Task[None] | None = None
    _stream: RtpStream = field(
        default_factory=lambda: RtpStream(secrets.randbits(32), random.getrandbits(15), secrets.randbits(31))
    )

    async def run(self) -> None:
        requests = RequestReader()
        try:
            while data := await self.reader.read(_READ_BYTES):
                for item in requests.feed(data):
                    # What is interleaved from the client are its RTCP reports.
                    if isinstance(item, Request) and not await self._answer(item):
                        return
        except (ConnectionError, RtspError, TimeoutError):
            return
        finally:
            if self._playing is not None:
                self._playing.cancel()
            if self._channel is not None:
                self._channel.close()
            self.writer.close()

    @property
    def faults(self) -> Faults:
        return self.server.live_faults(self._name) or self._url_faults

    def _send(self, request: Request, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.writer.write(response(status, request.cseq, headers, body))

    async def _answer(self, request: Request) -> bool:
        """False: the connection ends."""
        split = urlsplit(request.uri)
        self._name = split.path.strip("/").split("/")[0] or self._name
        try:
            self._url_faults = parse_faults(dict(parse_qsl(split.query))) if split.query else self._url_faults
        except UserError:
            self._send(request, 400)
            return False
        if self.faults.hang == request.method:
            await self.server.clock.sleep(_NEVER_S)
        if request.method == "OPTIONS":
            self._send(request, 200, {"Public": _PUBLIC})
            return True
        if not self._authorised(request):
            credentials = self.server.credentials or Credentials("", "")
            self._send(request, 401, {"WWW-Authenticate": credentials.challenge(self._nonce)})
            return True
        match request.method:
            case "DESCRIBE":
                self._describe(request)
            case "SETUP":
                self._setup(request)
            case "PLAY":
                self._play(request)
            case "GET_PARAMETER" | "SET_PARAMETER" | "PAUSE":
                self._send(request, 200, {"Session": self._id})
            case "TEARDOWN":
                self._send(request, 200, {"Session": self._id})
                await self.writer.drain()
                return False
            case _:
                self._send(request, 405)
        await self.writer.drain()
        return True

    def _authorised(self, request: Request) -> bool:
        if self.faults.unauthorized:
            return False
        credentials = self.server.credentials
        given = request.headers.get("authorization", "")
        return credentials is None or credentials.accepts(given, request.method, self._nonce)

    def _describe(self, request: Request) -> None:
        clip = self.server.clips.get(self._name)
        if self.faults.status:
            redirected = 300 <= self.faults.status < 400
            self._send(request, self.faults.status, {"Location": request.uri} if redirected else None)
        elif clip is None:
            self._send(request, 404)
        else:
            base = request.uri.partition("?")[0].rstrip("/") + "/"
            headers = {"Content-Base": base, "Content-Type": "application/sdp"}
            self._send(request, 200, headers, describe(clip, self.faults))

    def _setup(self, request: Request) -> None:
        asked = request.headers.get("transport", "")
        if request.uri.endswith(SILENT_TRACK):
            self._send(request, 200, {"Transport": SILENT_TRANSPORT, "Session": f"{self._id};timeout=60"})
            return
        if "TCP" in asked:
            self._channel = TcpChannel(self.writer)
            granted = f"RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={self._stream.ssrc:08X}"
        else:
            ports = _CLIENT_PORTS.search(asked)
            if ports is None or min(int(ports[1]), int(ports[2])) < _LOWEST_CLIENT_PORT:
                self._send(request, 461)
                return
            channel = self._open_udp(int(ports[1]), int(ports[2]))
            self._channel = channel
            mine = "-".join(str(item.getsockname()[1]) for item in channel.sockets)
            granted = (
                f"RTP/AVP;unicast;client_port={ports[1]}-{ports[2]};server_port={mine};ssrc={self._stream.ssrc:08X}"
            )
        self._send(request, 200, {"Transport": granted, "Session": f"{self._id};timeout=60"})

    def _open_udp(self, rtp_port: int, rtcp_port: int) -> UdpChannel:
        peer = self.writer.get_extra_info("peername")[0]
        own = self.writer.get_extra_info("sockname")[0]
        sockets = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for item in sockets:
            item.bind((own, 0))
            item.setblocking(False)
        return UdpChannel(self.writer, sockets, ((peer, rtp_port), (peer, rtcp_port)))

    def _play(self, request: Request) -> None:
        if self._channel is None or self._name not in self.server.clips or self.faults.play_status:
            self._send(request, self.faults.play_status or 454)
            return
        info = f"url={request.uri.rstrip('/')}/track1;seq={(self._stream.sequence + 1) & 0xFFFF}"
        info += f";rtptime={self._stream.first_timestamp}"
        self._send(request, 200, {"Session": self._id, "Range": "npt=0.000-", "RTP-Info": info})
        if self._playing is None and not self.faults.no_data:
            player = Player(
                self.server.clips, self._name, self._stream, self._channel, self.server.clock, lambda: self.faults
            )
            self._playing = asyncio.get_running_loop().create_task(run_quietly(player))


def describe(clip: Clip, faults: Faults) -> bytes:
    """The session description (RFC 8866) of `clip`."""
    codec = clip.codec
    if faults.wrong_codec:
        codec = "H265" if codec == "H264" else "H264"
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=SafetyGear camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
    if faults.no_video:
        lines += ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=control:track1"]
        return ("\r\n".join(lines) + "\r\n").encode()
    if faults.silent_track:
        lines += ["m=video 0 RTP/AVP 97", f"a=rtpmap:97 {codec}/90000", f"a=control:{SILENT_TRACK}"]
    lines += [
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {codec}/90000",
    ]
    if not faults.no_parameter_sets and not faults.wrong_codec:
        lines.append(f"a=fmtp:{PAYLOAD_TYPE} {clip.format_parameters()}")
    lines.append("a=control:track1")
    return ("\r\n".join(lines) + "\r\n").encode()
