"""One MQTT connection: what it answers by itself, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from safetygear_workbench.edge_runtime import packets
from safetygear_workbench.edge_runtime.connection import (
    CONNECT_TIMEOUT_S,
    LONGEST_SILENCE_S,
    MAX_UNSENT_BYTES,
    Connection,
)
from safetygear_workbench.edge_runtime.packets import Connect, Publish

CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x0a\x00\x04mine"  # clean session, keep-alive 10 s
PING = b"\xc0\x00"


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent_bytes = 0
        self.ended = ""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class FakeBroker:
    def __init__(self) -> None:
        self.return_code = 0
        self.log: list[Any] = []
        self.keeps_at_once = True
        self.to_keep: list[Callable[[], None]] = []

    def accept(self, connection: Connection, packet: Connect) -> int:
        return self.return_code

    def opened(self, connection: Connection, packet: Connect) -> bool:
        self.log.append(("opened", packet.client_id))
        return True

    def started(self, connection: Connection) -> None:
        self.log.append("started")

    def published(self, connection: Connection, packet: Publish) -> None:
        self.log.append(packet)
        if packet.topic == "bad":
            connection.close("bad")

    def acknowledged(self, connection: Connection, packet_id: int) -> None:
        self.log.append(("acknowledged", packet_id))

    def subscribed(self, connection: Connection, topic: str, qos: int) -> int:
        return qos if topic == "a" else 0x80

    def unsubscribed(self, connection: Connection, topic: str) -> None:
        self.log.append(("unsubscribed", topic))

    def disconnected(self, connection: Connection) -> None:
        self.log.append("disconnected")

    def closed(self, connection: Connection) -> None:
        self.log.append("closed")

    def when_kept(self, action: Callable[[], None]) -> None:
        if self.keeps_at_once:
            action()
        else:
            self.to_keep.append(action)


class Peer:
    def __init__(self) -> None:
        self.broker, self.transport = FakeBroker(), FakeTransport()
        self.connection = Connection(self.broker)
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> bytes:
        """What comes back."""
        before = len(self.transport.written)
        self.connection.data_received(data)
        return self.transport.written[before:]


@pytest.fixture
async def peer() -> Any:
    made = Peer()
    yield made
    made.connection.connection_lost(None)


async def test_connecting_and_plain_answers(peer: Peer) -> None:
    assert peer.send(CONNECT) == packets.connack(0, session_present=True)
    assert peer.broker.log == [("opened", "mine"), "started"]
    assert peer.send(PING) == packets.pingresp()
    two = b"\x82\x0a\x00\x07\x00\x01a\x01\x00\x01b\x01"
    assert peer.send(two) == packets.suback(7, (1, 0x80))
    assert peer.broker.log[-1] == "started", "what waited for the subscription goes out"
    assert peer.send(b"\xa2\x05\x00\x08\x00\x01a") == packets.unsuback(8)
    peer.send(packets.puback(9))
    assert peer.broker.log[-2:] == [("unsubscribed", "a"), ("acknowledged", 9)]
    peer.send(b"\xe0\x00")
    assert (peer.transport.ended, peer.broker.log[-1]) == ("closed", "disconnected")


async def test_who_is_refused_is_told_and_gets_no_further(peer: Peer) -> None:
    peer.broker.return_code = 5
    assert peer.send(CONNECT + packets.publish(Publish("t", b""))) == packets.connack(5)
    assert (peer.transport.ended, peer.broker.log) == ("closed", [])
    peer.connection.connection_lost(None)
    assert peer.broker.log == [], "it was never open"


@pytest.mark.parametrize(
    "connect",
    [
        b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x04mine",
        b"\x10\x12\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x04mine",
        CONNECT.replace(b"MQTT\x04", b"MQTT\x05"),
    ],
)
async def test_another_protocol_version_is_refused(peer: Peer, connect: bytes) -> None:
    assert peer.send(connect) == packets.connack(1)
    assert (peer.transport.ended, peer.broker.log) == ("closed", [])


async def test_a_byte_at_a_time_is_as_good_as_all_at_once(peer: Peer) -> None:
    sent = CONNECT + b"\x82\x06\x00\x07\x00\x01a\x01" + packets.publish(Publish("t", b"x" * 200, 1, 3)) + PING
    answers = b"".join(peer.send(sent[at : at + 1]) for at in range(len(sent)))
    assert answers == packets.connack(0, session_present=True) + packets.suback(7, (1,)) + packets.pingresp()
    assert peer.broker.log[-1] == Publish("t", b"x" * 200, 1, 3)


async def test_a_subscription_is_confirmed_once_it_is_kept(peer: Peer) -> None:
    # The SDKs subscribe once in their life: what a killed hub forgot would leave them deaf.
    peer.send(CONNECT)
    peer.broker.keeps_at_once = False
    assert peer.send(b"\x82\x06\x00\x07\x00\x01a\x01" + b"\xa2\x05\x00\x08\x00\x01a") == b""
    before = len(peer.transport.written)
    for action in peer.broker.to_keep:
        action()
    assert peer.transport.written[before:] == packets.suback(7, (1,)) + packets.unsuback(8)
    assert peer.broker.log.count("started") == 2


@pytest.mark.parametrize(
    "data", [PING, CONNECT + CONNECT, CONNECT + b"\x20\x02\x00\x00", b"\x00" * 10, CONNECT + b"\x36\x00"]
)
async def test_what_is_not_the_protocol_ends_it(peer: Peer, data: bytes) -> None:
    peer.send(data)
    assert peer.transport.ended == "aborted"


async def test_what_came_before_something_that_is_not_the_protocol_counts(peer: Peer) -> None:
    message = Publish("t", b"1")
    assert peer.send(CONNECT + packets.publish(message) + b"\x36\x00") == packets.connack(0, session_present=True)
    assert (peer.transport.ended, peer.broker.log[-1]) == ("aborted", message)


async def test_after_its_end_nothing_that_was_still_read_counts(peer: Peer) -> None:
    peer.send(CONNECT + packets.publish(Publish("bad", b"1")) + packets.publish(Publish("good", b"2")))
    assert [entry.payload for entry in peer.broker.log if isinstance(entry, Publish)] == [b"1"]


async def test_who_does_not_read_loses_the_connection(peer: Peer) -> None:
    peer.send(CONNECT)
    peer.transport.unsent_bytes = MAX_UNSENT_BYTES
    peer.connection.send(b"x")
    assert not peer.transport.ended
    peer.transport.unsent_bytes += 1
    peer.connection.send(b"x")
    assert peer.transport.ended == "aborted"


class FakeTime:
    """The loop's clock and its timers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self._due: list[tuple[float, Callable[[], None]]] = []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: self.now_s)
        monkeypatch.setattr(loop, "call_later", self._call_later)

    def _call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        due = self._due
        due.append((self.now_s + delay_s, call))

        class Timer:
            def cancel(self) -> None:
                due.clear()

        return Timer()

    def let_pass(self, seconds: float) -> None:
        self.now_s += seconds
        for entry in list(self._due):
            if entry[0] <= self.now_s:
                self._due.remove(entry)
                entry[1]()


async def test_silence_ends_it_after_one_and_a_half_keep_alives(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime(monkeypatch)
    peer = Peer()
    peer.send(CONNECT)
    for _ in range(5):
        time.let_pass(10)
        peer.send(PING)
    assert not peer.transport.ended
    time.let_pass(14)
    assert not peer.transport.ended
    for _ in range(4):
        time.let_pass(1)
    assert peer.transport.ended == "aborted"
    peer.connection.connection_lost(None)
    monkeypatch.undo()


async def test_who_asks_for_no_keep_alive_or_a_long_one_is_waited_for_ten_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = FakeTime(monkeypatch)
    for keep_alive_s in (b"\x00\x00", b"\xff\xff"):
        peer = Peer()
        peer.send(CONNECT.replace(b"\x00\x0a", keep_alive_s))
        time.let_pass(LONGEST_SILENCE_S)
        assert not peer.transport.ended
        time.let_pass(1)
        assert peer.transport.ended == "aborted"
        peer.connection.connection_lost(None)
    monkeypatch.undo()


async def test_a_connect_that_comes_too_slowly_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime(monkeypatch)
    peer = Peer()
    for at in range(int(CONNECT_TIMEOUT_S) // 10):
        assert not peer.transport.ended
        peer.send(CONNECT[at : at + 1])
        time.let_pass(10)
    assert (peer.transport.ended, peer.broker.log) == ("aborted", [])
    peer.connection.connection_lost(None)
    monkeypatch.undo()


async def test_packet_ids_in_flight_are_not_given_twice(peer: Peer) -> None:
    assert [peer.connection.free_packet_id(set()) for _ in range(3)] == [1, 2, 3]
    assert peer.connection.free_packet_id({4, 5}) == 6
    for _ in range(0xFFFF - 6):
        peer.connection.free_packet_id(set())
    assert peer.connection.free_packet_id({1}) == 2, "round, without 0"
    with pytest.raises(packets.ProtocolError):
        peer.connection.free_packet_id(set(range(1, 0x10000)))


async def test_what_waited_for_the_socket_goes_out_when_it_has_room(peer: Peer) -> None:
    peer.send(CONNECT)
    peer.connection.pause_writing()
    assert not peer.connection.takes_more
    peer.connection.resume_writing()
    assert peer.connection.takes_more
    assert peer.broker.log == [("opened", "mine"), "started", "started"]
    peer.connection.close("enough")
    assert not peer.connection.takes_more


@pytest.mark.parametrize(
    "data",
    [
        b"\x34\x06\x00\x01t\x00\x01x",  # PUBLISH with QoS 2, which IoT Hub doesn't offer either
        b"\x62\x02\x00\x01",  # PUBREL
        b"\x82\x06\x00\x01\x00\x01a\x03",  # SUBSCRIBE with QoS 3
    ],
)
async def test_qos_2_ends_the_connection(peer: Peer, data: bytes) -> None:
    peer.send(CONNECT)
    assert peer.send(data) == b""
    assert (peer.transport.ended, peer.broker.log) == ("aborted", [("opened", "mine"), "started"])


async def test_a_subscription_with_qos_2_is_granted_less(peer: Peer) -> None:
    peer.send(CONNECT)
    peer.send(b"\x82\x06\x00\x01\x00\x01a\x02")
    assert peer.transport.ended == ""
