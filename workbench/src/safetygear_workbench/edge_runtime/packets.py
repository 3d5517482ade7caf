"""MQTT 3.1.1 packets as bytes in and bytes out, no I/O: the subset that IoT Edge's protocol head speaks (QoS 0 and 1).

Source: MQTT Version 3.1.1, OASIS Standard, sections 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _UNSUBSCRIBE, _UNSUBACK = 1, 2, 3, 4, 8, 9, 10, 11
_PINGREQ, _PINGRESP, _DISCONNECT = 12, 13, 14
MAX_PACKET_BYTES = 256 * 1024
"""edgeHub's MaxInboundMessageSize: all of a packet, its fixed header too."""
LONGEST_TOPIC_BYTES = 0xFFFF
"""MQTT's texts begin with a length of two bytes."""


class ProtocolError(Exception):
    """The peer sent something that is not this protocol; the connection has to end."""


@dataclass(frozen=True)
class Publish:
    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    dup: bool = False
    retain: bool = False


@dataclass(frozen=True)
class Connect:
    client_id: str
    username: str
    password: str
    keep_alive_s: int
    clean_session: bool
    supported: bool = True
    """False: another protocol name or level than MQTT 3.1.1."""
    will: Publish | None = None
    """What is to be published if the client goes without a DISCONNECT."""


@dataclass(frozen=True)
class PubAck:
    packet_id: int


@dataclass(frozen=True)
class Subscribe:
    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Unsubscribe:
    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True)
class PingReq:
    pass


@dataclass(frozen=True)
class Disconnect:
    pass


Packet = Connect | Publish | PubAck | Subscribe | Unsubscribe | PingReq | Disconnect


class PacketReader:
    """Collects bytes as they come and hands out whole packets. Raises ProtocolError; then it is of no more use."""

    def __init__(self, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._buffer = bytearray()
        self._max_packet_bytes = max_packet_bytes

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that `data` completes, one by one: what comes before one that can't be read still counts."""
        self._buffer += data
        position = 0
        try:
            while (head := _fixed_header(self._buffer, position)) is not None:
                start, length = head
                if (size := start - position + length) > self._max_packet_bytes:
                    raise ProtocolError(f"a packet of {size} bytes is above the limit of {self._max_packet_bytes}")
                if len(self._buffer) < start + length:
                    break
                packet = _parse(self._buffer[position], bytes(self._buffer[start : start + length]))
                position = start + length
                yield packet
        finally:
            del self._buffer[:position]


def connack(return_code: int, *, session_present: bool = False) -> bytes:
    """Return codes: 0 accepted, 1 protocol level, 2 client id, 3 unavailable, 5 not authorised."""
    return bytes((_CONNACK << 4, 2, 1 if session_present and return_code == 0 else 0, return_code))


def publish(packet: Publish) -> bytes:
    """A PUBLISH as it goes over the wire. Raises ProtocolError for a topic that none can carry."""
    topic = packet.topic.encode()
    if len(topic) > LONGEST_TOPIC_BYTES:
        raise ProtocolError(f"a topic of {len(topic)} bytes is above MQTT's limit")
    ident = struct.pack("!H", packet.packet_id) if packet.qos else b""
    first = _PUBLISH << 4 | (8 if packet.dup else 0) | packet.qos << 1 | packet.retain
    length = 2 + len(topic) + len(ident) + len(packet.payload)
    return b"".join((bytes((first,)), _length(length), struct.pack("!H", len(topic)), topic, ident, packet.payload))


def puback(packet_id: int) -> bytes:
    return struct.pack("!BBH", _PUBACK << 4, 2, packet_id)


def suback(packet_id: int, codes: tuple[int, ...]) -> bytes:
    return bytes((_SUBACK << 4,)) + _length(2 + len(codes)) + struct.pack("!H", packet_id) + bytes(codes)


def unsuback(packet_id: int) -> bytes:
    return struct.pack("!BBH", _UNSUBACK << 4, 2, packet_id)


def pingresp() -> bytes:
    return bytes((_PINGRESP << 4, 0))


def _fixed_header(buffer: bytearray, position: int) -> tuple[int, int] | None:
    """Where the packet's body starts and how long it is; None while the header is incomplete."""
    length = 0
    for index in range(4):
        at = position + 1 + index
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 0x7F) << (7 * index)
        if not buffer[at] & 0x80:
            return at + 1, length
    raise ProtocolError("the remaining length has more than four bytes")


def _length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)


class _Body:
    """Reads a packet's fields in turn."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ProtocolError("a packet is shorter than its fields")
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        return self.take(self.u16())

    def text(self) -> str:
        try:
            value = self.binary().decode()
        except UnicodeDecodeError as exc:
            raise ProtocolError("a string is not UTF-8") from exc
        if "\0" in value:
            raise ProtocolError("a string has the character U+0000")  # [MQTT-1.5.3-2]
        return value

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)


_FLAGS = {1: 0, 4: 0, 8: 2, 10: 2, 12: 0, 14: 0}
"""The fixed flags of the packets that a client sends; PUBLISH has its own."""


def _parse(first: int, data: bytes) -> Packet:
    kind, flags, body = first >> 4, first & 0x0F, _Body(data)
    if flags != _FLAGS.get(kind, flags):
        raise ProtocolError(f"packet type {kind} has flags {flags}, which it can't have")  # [MQTT-2.2.2-2]
    packet = _parse_body(kind, flags, body)
    if body.more:
        raise ProtocolError("a packet is longer than its fields")
    return packet


def _parse_body(kind: int, flags: int, body: _Body) -> Packet:
    match kind:
        case 1:  # CONNECT
            return _parse_connect(body)
        case 3:  # PUBLISH
            qos = flags >> 1 & 3
            if qos > 1:
                raise ProtocolError(f"QoS {qos} is not offered")  # IoT Hub closes the connection, too
            topic = _topic_name(body.text())
            packet_id = body.u16() if qos else 0
            if qos and packet_id == 0:
                raise ProtocolError("packet id 0 is not allowed")
            return Publish(topic, body.rest(), qos, packet_id, bool(flags & 8), bool(flags & 1))
        case 4:  # PUBACK
            return PubAck(body.u16())
        case 8:  # SUBSCRIBE
            packet_id, filters = _filters_follow(body), []
            while body.more:
                filters.append((_topic_filter(body.text()), body.byte()))
                if filters[-1][1] > 2:
                    raise ProtocolError(f"a filter has QoS {filters[-1][1]}")  # [MQTT-3.8.3-4]
            return Subscribe(packet_id, tuple(filters))
        case 10:  # UNSUBSCRIBE
            packet_id, names = _filters_follow(body), []
            while body.more:
                names.append(_topic_filter(body.text()))
            return Unsubscribe(packet_id, tuple(names))
        case 12:
            return PingReq()
        case 14:
            return Disconnect()
        case _:
            raise ProtocolError(f"packet type {kind} is not one a client sends here")


def _topic_name(text: str) -> str:
    """[MQTT-3.3.2-2], [MQTT-4.7.3-1]: edgeHub, too, ends a connection that publishes to wildcards or to nothing."""
    if not text or "#" in text or "+" in text:
        raise ProtocolError(f"{text[:120]!r} is no topic to publish to")
    return text


def _topic_filter(text: str) -> str:
    """[MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1]: a wildcard is a whole level, and `#` the last."""
    levels = text.split("/")
    if not text or "#" in levels[:-1] or any(level not in ("#", "+") and set(level) & set("#+") for level in levels):
        raise ProtocolError(f"{text[:120]!r} is no topic filter")
    return text


def _filters_follow(body: _Body) -> int:
    """The packet id of a SUBSCRIBE or UNSUBSCRIBE; [MQTT-2.3.1-1], [MQTT-3.8.3-3]: at least one filter."""
    packet_id = body.u16()
    if packet_id == 0 or not body.more:
        raise ProtocolError("a (un)subscription without packet id or filters as they must be")
    return packet_id


def _parse_connect(body: _Body) -> Connect:
    name, level = body.binary(), body.byte()
    if (name, level) != (b"MQTT", 4):
        body.rest()
        return Connect("", "", "", 0, True, supported=False)
    flags, keep_alive_s, client_id = body.byte(), body.u16(), body.text()
    has_will, will_qos = bool(flags & 4), flags >> 3 & 3
    if flags & 1 or (flags & 0x40 and not flags & 0x80) or will_qos > 2 or (flags & 0x38 and not has_will):
        raise ProtocolError("CONNECT's flags are not allowed together")
    will = Publish(body.text(), body.binary(), will_qos, retain=bool(flags & 0x20)) if has_will else None
    username = body.text() if flags & 0x80 else ""
    password = body.text() if flags & 0x40 else ""
    return Connect(client_id, username, password, keep_alive_s, bool(flags & 2), will=will)
