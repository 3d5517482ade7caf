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
from support.mqtt_bytes import framed, text


def on_the_wire(packet: Packet) -> bytes:
    """As a client writes it; PUBLISH is the product's own writer."""
    match packet:
        case Connect():
            flags = (0x80 if packet.username else 0) | (0x40 if packet.password else 0) | (packet.clean_session << 1)
            fields = text(packet.client_id)
            if (will := packet.will) is not None:
                flags |= 4 | will.qos << 3 | will.retain << 5
                fields += text(will.topic) + struct.pack("!H", len(will.payload)) + will.payload
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


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
topic_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#+"), min_size=1, max_size=20)
topic_filters = st.just("#") | st.builds(
    lambda levels, end: "/".join([*levels, *end]),
    st.lists(st.just("+") | topic_names, min_size=1, max_size=3), st.sampled_from([[], ["#"]]),
)  # fmt: skip
wills = st.builds(
    lambda topic, payload, qos, retain: Publish(topic, payload, qos, retain=retain),
    names, st.binary(max_size=50), st.integers(0, 2), st.booleans(),
)  # fmt: skip
ids = st.integers(1, 0xFFFF)
credentials = st.tuples(names, names).filter(lambda pair: bool(pair[0]) or not pair[1])
any_packet = st.one_of(
    st.builds(
        lambda client, pair, keep, clean, will: Connect(client, *pair, keep, clean, will=will),
        names, credentials, st.integers(0, 0xFFFF), st.booleans(), st.none() | wills,
    ),
    st.builds(Publish, topic_names, st.binary(max_size=300), retain=st.booleans()),
    st.builds(
        lambda t, p, i, dup, retain: Publish(t, p, 1, i, dup, retain),
        topic_names, st.binary(max_size=300), ids, st.booleans(), st.booleans(),
    ),
    st.builds(PubAck, ids),
    st.builds(Subscribe, ids, st.lists(st.tuples(topic_filters, st.integers(0, 2)), min_size=1, max_size=4).map(tuple)),
    st.builds(Unsubscribe, ids, st.lists(topic_filters, min_size=1, max_size=4).map(tuple)),
    st.just(PingReq()),
    st.just(Disconnect()),
)  # fmt: skip


@given(st.lists(any_packet, max_size=6), st.lists(st.integers(1, 50), max_size=40))
def test_packets_survive_the_wire_in_any_pieces(sent: list[Packet], cuts: list[int]) -> None:
    data, reader, read = b"".join(map(on_the_wire, sent)), PacketReader(), []
    for size in cuts:
        read += reader.feed(data[:size])
        data = data[size:]
    assert [*read, *reader.feed(data)] == sent


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
        (framed(0x30, text("a\0b")), "U\\+0000"),
        (framed(0x30, text("")), "no topic to publish to"),
        (framed(0x30, text("a/+/b")), "no topic to publish to"),
        (framed(0x30, text("a/b=c+d")), "no topic to publish to"),
        (framed(0x30, text("#")), "no topic to publish to"),
        (framed(0x80, b"\x00\x01" + text("a") + b"\x00"), "flags"),
        (framed(0x82, b"\x00\x01"), "filters"),
        (framed(0x82, b"\x00\x00" + text("a") + b"\x00"), "packet id"),
        (framed(0xA2, b"\x00\x01"), "filters"),
        (framed(0x82, b"\x00\x01" + text("") + b"\x00"), "no topic filter"),
        (framed(0x82, b"\x00\x01" + text("a/#/b") + b"\x00"), "no topic filter"),
        (framed(0x82, b"\x00\x01" + text("a#") + b"\x00"), "no topic filter"),
        (framed(0x82, b"\x00\x01" + text("a/b+/c") + b"\x00"), "no topic filter"),
        (framed(0xA2, b"\x00\x01" + text("##")), "no topic filter"),
        (framed(0x82, b"\x00\x01" + text("a")), "shorter than its fields"),
        (framed(0x42, b"\x00\x01"), "flags"),
        (framed(0xC1, b""), "flags"),
        (framed(0xE3, b""), "flags"),
        (framed(0x11, text("MQTT") + b"\x04\x02\x00\x3c" + text("c")), "flags"),
        (framed(0x40, b"\x00\x01\x00"), "longer than its fields"),
        (framed(0xC0, b"\x00"), "longer than its fields"),
        (framed(0xE0, b"\x00"), "longer than its fields"),
        (framed(0x10, text("MQTT") + b"\x04\x02\x00\x3c" + text("c") + b"\x00"), "longer than its fields"),
        (framed(0x20, b"\x00\x00"), "type 2"),
        (framed(0x10, text("MQTT") + b"\x04\x01\x00\x3c" + text("c")), "flags"),
        (framed(0x10, text("MQTT") + b"\x04\x40\x00\x3c" + text("c") + text("p")), "flags"),
        (framed(0x10, text("MQTT") + b"\x04\x1e\x00\x3c" + text("c") + text("t") + text("")), "flags"),
        (framed(0x10, text("MQTT") + b"\x04\x22\x00\x3c" + text("c")), "flags"),
        (framed(0x10, text("MQTT") + b"\x04\x06\x00\x3c" + text("c") + text("t")), "shorter than its fields"),
    ],
)
def test_what_is_not_the_protocol_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        list(PacketReader().feed(data))


def test_what_comes_before_something_that_cannot_be_read_counts() -> None:
    read, reader = [], PacketReader()
    with pytest.raises(ProtocolError):
        for packet in reader.feed(b"\xc0\x00" * 2 + b"\xc1\x00" + b"\xe0\x00"):
            read.append(packet)
    assert read == [PingReq()] * 2


def test_a_packet_above_the_limit_is_refused_before_it_has_come() -> None:
    fits = packets.publish(Publish("t", b"x" * (MAX_PACKET_BYTES - 7)))
    assert len(fits) == MAX_PACKET_BYTES == 262_144
    assert len(list(PacketReader().feed(fits))) == 1
    head = packets.publish(Publish("t", b"x" * (MAX_PACKET_BYTES - 6)))[:5]
    with pytest.raises(ProtocolError, match="above the limit"):
        list(PacketReader().feed(head))


@pytest.mark.parametrize(
    "body",
    [
        text("MQTT") + b"\x05\x02\x00\x3c\x00" + text("c"),
        text("MQIsdp") + b"\x03\x02\x00\x3c" + text("c"),  # MQTT 3.1
        text("MQTT") + b"\x84\x02\x00\x3c" + text("c"),  # a bridge of mosquitto
    ],
)
def test_another_protocol_is_told_apart_from_garbage(body: bytes) -> None:
    [packet] = PacketReader().feed(framed(0x10, body))
    assert isinstance(packet, Connect) and not packet.supported


def test_a_will_is_read() -> None:
    body = text("MQTT") + b"\x04\xc6\x00\x3c" + text("c") + text("will/topic") + text("bye") + text("u") + text("p")
    assert list(PacketReader().feed(framed(0x10, body))) == [
        Connect("c", "u", "p", 60, True, will=Publish("will/topic", b"bye"))
    ]


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
