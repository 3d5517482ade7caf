"""MQTT 3.1.1 packets: whatever a client sends, in whatever pieces, is read or refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.edge_runtime import packets
from safetygear_workbench.edge_runtime.packets import (
    MAX_PACKET_BYTES,
    Connect,
    Disconnect,
    Packet,
    PacketReader,
    PingReq,
    ProtocolError,
    PubAck,
    Publish,
    Subscribe,
    Unsubscribe,
)


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def framed(first: int, body: bytes) -> bytes:
    length, head = len(body), bytearray((first,))
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def on_the_wire(packet: Packet) -> bytes:
    """As a client writes it; PUBLISH is the product's own writer."""
    match packet:
        case Connect():
            flags = (0x80 if packet.username else 0) | (0x40 if packet.password else 0) | (packet.clean_session << 1)
            fields = text(packet.client_id)
            fields += text(packet.username) if packet.username else b""
            fields += text(packet.password) if packet.password else b""
            return framed(0x10, text("MQTT") + struct.pack("!BBH", 4, flags, packet.keep_alive_s) + fields)
        case Publish():
            return packets.publish(packet)
        case PubAck(packet_id):
            return packets.puback(packet_id)
        case Subscribe(packet_id, filters):
            body = b"".join(text(name) + bytes((qos,)) for name, qos in filters)
            return framed(0x82, struct.pack("!H", packet_id) + body)
        case Unsubscribe(packet_id, names):
            return framed(0xA2, struct.pack("!H", packet_id) + b"".join(map(text, names)))
        case PingReq():
            return b"\xc0\x00"
        case Disconnect():
            return b"\xe0\x00"


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.integers(1, 0xFFFF)
credentials = st.tuples(names, names).filter(lambda pair: bool(pair[0]) or not pair[1])
any_packet = st.one_of(
    st.builds(
        lambda client, pair, keep, clean: Connect(client, *pair, keep, clean),
        names, credentials, st.integers(0, 0xFFFF), st.booleans(),
    ),
    st.builds(Publish, names, st.binary(max_size=300)),
    st.builds(lambda t, p, i, dup: Publish(t, p, 1, i, dup), names, st.binary(max_size=300), ids, st.booleans()),
    st.builds(PubAck, ids),
    st.builds(Subscribe, ids, st.lists(st.tuples(names, st.integers(0, 1)), min_size=1, max_size=4).map(tuple)),
    st.builds(Unsubscribe, ids, st.lists(names, min_size=1, max_size=4).map(tuple)),
    st.just(PingReq()),
    st.just(Disconnect()),
)  # fmt: skip


@given(st.lists(any_packet, max_size=6), st.lists(st.integers(1, 50), max_size=40))
def test_packets_survive_the_wire_in_any_pieces(sent: list[Packet], cuts: list[int]) -> None:
    data, reader, read = b"".join(map(on_the_wire, sent)), PacketReader(), []
    for size in cuts:
        read += reader.feed(data[:size])
        data = data[size:]
    assert read + reader.feed(data) == sent


@given(st.binary(max_size=400))
def test_garbage_is_refused_or_waited_for_and_nothing_else(data: bytes) -> None:
    try:
        for packet in PacketReader().feed(data):
            assert isinstance(packet, Packet)
    except ProtocolError as exc:
        assert str(exc).isprintable()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (framed(0x30, b"\x00\x05ab"), "shorter than its fields"),
        (framed(0x36, text("a") + b"\x00\x01"), "QoS 3"),
        (framed(0x32, text("a") + b"\x00\x00"), "packet id 0"),
        (framed(0x30, b"\x00\x02\xff\xfe"), "not UTF-8"),
        (framed(0x80, b"\x00\x01" + text("a") + b"\x00"), "flags"),
        (framed(0x82, b"\x00\x01"), "filters"),
        (framed(0x82, b"\x00\x00" + text("a") + b"\x00"), "packet id"),
        (framed(0xA2, b"\x00\x01"), "filters"),
        (framed(0x20, b"\x00\x00"), "type 2"),
        (framed(0x10, text("MQTT") + b"\x04\x01\x00\x3c" + text("c")), "flags"),
        (framed(0x10, text("MQTT") + b"\x04\x40\x00\x3c" + text("c") + text("p")), "flags"),
    ],
)
def test_what_is_not_the_protocol_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        PacketReader().feed(data)


def test_a_packet_above_the_limit_is_refused_before_it_has_come() -> None:
    fits = packets.publish(Publish("t", b"x" * (MAX_PACKET_BYTES - 3)))
    assert len(PacketReader().feed(fits)) == 1
    head = packets.publish(Publish("t", b"x" * (MAX_PACKET_BYTES - 2)))[:5]
    with pytest.raises(ProtocolError, match="above the limit"):
        PacketReader().feed(head)


def test_another_protocol_is_told_apart_from_garbage() -> None:
    [packet] = PacketReader().feed(framed(0x10, text("MQTT") + b"\x05\x02\x00\x3c\x00" + text("c")))
    assert isinstance(packet, Connect) and not packet.supported


def test_a_will_is_skipped() -> None:
    body = text("MQTT") + b"\x04\xc6\x00\x3c" + text("c") + text("will/topic") + text("bye") + text("u") + text("p")
    assert PacketReader().feed(framed(0x10, body)) == [Connect("c", "u", "p", 60, True)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (packets.connack(0, session_present=True), b"\x20\x02\x01\x00"),
        (packets.connack(5, session_present=True), b"\x20\x02\x00\x05"),
        (packets.suback(7, (1, 0x80)), b"\x90\x04\x00\x07\x01\x80"),
        (packets.unsuback(7), b"\xb0\x02\x00\x07"),
        (packets.pingresp(), b"\xd0\x00"),
        (packets.puback(258), b"\x40\x02\x01\x02"),
    ],
)
def test_answers_as_the_standard_shows_them(written: bytes, expected: bytes) -> None:
    assert written == expected
