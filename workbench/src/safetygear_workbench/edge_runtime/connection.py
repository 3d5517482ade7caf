"""One MQTT connection: a thin shell between a TLS socket and the broker's decisions."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from safetygear_workbench.edge_runtime import packets
from safetygear_workbench.edge_runtime.packets import Connect, PacketReader, ProtocolError, Publish

log = logging.getLogger(__name__)
# Linux only: without it, the client's Nagle and our delayed acknowledgement add up to 40 ms per message.
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
MAX_UNSENT_BYTES = 4 * 1024 * 1024
"""A client that does not read what it asked for loses its connection, not the hub its memory."""
CONNECT_TIMEOUT_S = 60.0
"""edgeHub's ConnectArrivalTimeout: however slowly the bytes of a CONNECT come, it has to be there by then."""
LONGEST_SILENCE_S = 600.0
"""edgeHub's MaxKeepAliveTimeout, which holds for who asks for a longer keep-alive, or for none."""


class Broker(Protocol):
    """What a connection asks of the hub."""

    def accept(self, connection: Connection, packet: Connect) -> int: ...
    def opened(self, connection: Connection, packet: Connect) -> bool: ...
    def started(self, connection: Connection) -> None: ...
    def published(self, connection: Connection, packet: Publish) -> None: ...
    def acknowledged(self, connection: Connection, packet_id: int) -> None: ...
    def subscribed(self, connection: Connection, topic: str, qos: int) -> int: ...
    def unsubscribed(self, connection: Connection, topic: str) -> None: ...
    def disconnected(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    def when_kept(self, action: Callable[[], None]) -> None: ...


class Connection(asyncio.Protocol):
    """Reads packets, answers what is pure protocol, and passes the rest on. `client_id` is empty until accepted."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._reader = PacketReader()
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._silence_limit_s = LONGEST_SILENCE_S
        self._last_heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._next_packet_id = 0
        self.client_id = ""
        self.takes_more = True
        """False while the socket has as much unsent as it should; what waits then goes out when it has less."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None:
            self._socket = raw
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timer = asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S, self._connect_too_late)

    def data_received(self, data: bytes) -> None:
        self._last_heard_s = asyncio.get_running_loop().time()
        if self._socket is not None and _QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        try:
            for packet in self._reader.feed(data):
                if self._transport is None or self._transport.is_closing():
                    return
                self._handle(packet)
        except ProtocolError as exc:
            self.close(f"protocol error: {exc}")

    def pause_writing(self) -> None:
        self.takes_more = False

    def resume_writing(self) -> None:
        self.takes_more = True
        if self.client_id and self._transport is not None and not self._transport.is_closing():
            self._broker.started(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self.client_id:
            self._broker.closed(self)

    def close(self, reason: str) -> None:
        """End the connection at once."""
        if self._transport is not None:
            log.info("closing the connection of %s: %s", self.client_id or "an unknown client", reason)
            self.takes_more = False
            self._transport.abort()

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                self.close("it does not read what is sent to it")

    def free_packet_id(self, used: set[int]) -> int:
        """A packet id that is not in flight."""
        for _ in range(0xFFFF):
            self._next_packet_id = self._next_packet_id % 0xFFFF + 1
            if self._next_packet_id not in used:
                return self._next_packet_id
        raise ProtocolError("all packet ids are in flight")

    def _handle(self, packet: packets.Packet) -> None:
        if isinstance(packet, Connect):
            self._connect(packet)
            return
        if not self.client_id:
            raise ProtocolError("the first packet must be CONNECT")
        match packet:
            case Publish():
                self._broker.published(self, packet)
            case packets.PubAck(packet_id):
                self._broker.acknowledged(self, packet_id)
            case packets.Subscribe(packet_id, filters):
                codes = tuple(self._broker.subscribed(self, topic, qos) for topic, qos in filters)
                self._broker.when_kept(lambda: self._subscribed(packets.suback(packet_id, codes)))
            case packets.Unsubscribe(packet_id, names):
                for topic in names:
                    self._broker.unsubscribed(self, topic)
                self._broker.when_kept(lambda: self.send(packets.unsuback(packet_id)))
            case packets.PingReq():
                self.send(packets.pingresp())
            case packets.Disconnect():
                self._broker.disconnected(self)
                if self._transport is not None:
                    self._transport.close()

    def _connect(self, packet: Connect) -> None:
        if self.client_id:
            raise ProtocolError("a second CONNECT")
        return_code = self._broker.accept(self, packet) if packet.supported else 1
        if return_code:
            self.send(packets.connack(return_code))
            if self._transport is not None:
                self._transport.close()
            return
        self.client_id = packet.client_id
        self._silence_limit_s = min(packet.keep_alive_s * 1.5 or LONGEST_SILENCE_S, LONGEST_SILENCE_S)
        if self._timer is not None:
            self._timer.cancel()
        self._watch_keep_alive()
        present = self._broker.opened(self, packet)
        self.send(packets.connack(0, session_present=present))
        self._broker.started(self)

    def _subscribed(self, answer: bytes) -> None:
        """The client never asks again: what it is told to have subscribed must outlive the hub."""
        self.send(answer)
        self._broker.started(self)

    def _connect_too_late(self) -> None:
        self.close(f"no CONNECT within {CONNECT_TIMEOUT_S:.0f} s")

    def _watch_keep_alive(self) -> None:
        """MQTT 3.1.2.10: silence for one and a half keep-alives ends the connection."""
        loop = asyncio.get_running_loop()
        silent_s = loop.time() - self._last_heard_s
        if silent_s > self._silence_limit_s:
            self.close(f"silent for {silent_s:.0f} s")
            return
        self._timer = loop.call_later(max(1.0, self._silence_limit_s - silent_s), self._watch_keep_alive)
