"""Whatever a module that has connected sends: nothing of it harms the hub, nor the module beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.edge_runtime import packets
from safetygear_workbench.edge_runtime.connection import Connection
from safetygear_workbench.edge_runtime.packets import Publish
from support.edge_world import DEVICE, World, settle
from support.mqtt_bytes import framed, text
from support.runtime import minimal_manifest

ROUTES = {
    "up": "FROM /messages/* WHERE $body.a = 1 OR as_number(n) > 2 OR $body.b.c != null INTO $upstream",
    "all": "FROM /messages/* INTO $upstream",
    "in": "FROM /messages/* INTO BrokeredEndpoint('/modules/b/inputs/in')",
    "back": "FROM /messages/* WHERE back = '1' INTO BrokeredEndpoint('/modules/a/inputs/in')",
}
MANIFEST = minimal_manifest(ROUTES, {"a": {}, "b": {}})
OWN = f"devices/{DEVICE}/modules/a"


class Transport(asyncio.Transport):
    """Takes everything, and never has anything unsent."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_over = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True


odd_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#+"), max_size=12)
names = st.sampled_from(["a", "n", "back", "$.on", "$.mid", "%", "%zz", "?", "=", "", "$.cdid"]) | odd_texts
values = odd_texts | st.sampled_from(["1", "3", "%ff", "%00", "a=b", "", "x" * 5_000, "é" * 12_000])
json_types = st.sampled_from([f"%24.ct=application%2Fjson&$.ce={encoding}&" for encoding in ("utf-8", "utf-16", "%ff")])
bags = st.builds(
    lambda kind, pairs: kind + "&".join(f"{name}={value}" for name, value in pairs),
    st.just("") | json_types, st.lists(st.tuples(names, values), max_size=3),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "$x", "."]), inner),
    max_leaves=8,
)
bodies = st.one_of(
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps({"a": value, "b": {"c": value}}).encode("utf-16")),
    st.binary(max_size=40),
    st.sampled_from([b"[" * 20_000, b'{"a":' * 3_000, b"9" * 6_000]),
    st.sampled_from(
        [b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b"\xef\xbb\xbf{}"]
    ),
)
topics = st.one_of(
    bags.map(lambda bag: f"{OWN}/messages/events/{bag}"),
    bags.map(lambda bag: f"{OWN}/messages/events?{bag}/"),
    bags.map(lambda bag: f"$iothub/twin/GET/?$rid=1&{bag}"),
    bags.map(lambda bag: f"$iothub/twin/PATCH/properties/reported/?{bag}&$rid=2"),
    st.builds(lambda status, bag: f"$iothub/methods/res/{status}/?$rid={bag}", odd_texts, bags),
    st.sampled_from(["$iothub/twin/GET/", "$iothub/twin/", "$iothub/methods/res/", "$iothub/", f"{OWN}/inputs/in/"]),
    odd_texts.filter(bool),
)
filters = odd_texts | st.sampled_from(
    ["#", "+", f"{OWN}/#", f"{OWN}/inputs/+/#", "$iothub/twin/res/#", "$iothub/methods/POST/+"]
)
ids = st.integers(0, 0xFFFF)
published = st.builds(
    lambda topic, body, qos, ident, flags: packets.publish(Publish(topic, body, qos, ident, *flags)),
    topics, bodies, st.integers(0, 1), st.integers(1, 9), st.tuples(st.booleans(), st.booleans()),
)  # fmt: skip
subscribed = st.builds(
    lambda ident, wanted: framed(0x82, struct.pack("!H", ident) + b"".join(text(one) + b"\1" for one in wanted)),
    ids, st.lists(filters, max_size=3),
)  # fmt: skip
unsubscribed = st.builds(lambda ident, one: framed(0xA2, struct.pack("!H", ident) + text(one)), ids, filters)
plain = st.sampled_from([b"\xc0\x00", b"\xe0\x00"]) | ids.map(packets.puback) | st.binary(min_size=1, max_size=30)
sent = published | published | published | subscribed | unsubscribed | plain


@contextlib.contextmanager
def made_world() -> Iterator[World]:
    # A store for each example: in memory, where the machine has a folder there.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        world = World(Path(folder))
        yield world
        world.broker.close()


async def session(world: World, parts: list[bytes]) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    world.broker.apply_manifest(MANIFEST)
    b: Any = world.connect("b")
    will = Publish(f"{OWN}/messages/events/back=1", b"{}", 1)
    for part in parts:
        connection, transport = Connection(world.broker), Transport()
        connection.connection_made(transport)
        packet = world.connect_packet("a", will=will)
        assert world.broker.accept(connection, packet) == 0
        connection.client_id = packet.client_id
        world.broker.opened(connection, packet)
        connection.data_received(part)
        await settle()
        connection.connection_lost(None)
        await settle()
    b.sent.clear()
    for packet_id in list(world.broker.modules["b"].in_flight):
        world.broker.acknowledged(b, packet_id)
    await settle()
    world.publish(b, "x", b'{"a": 1}')
    await settle()
    assert failures == []
    assert "puback" in b.sent
    assert json.loads((world.folder / "upstream.jsonl").read_text().split("\n")[-2])["body"] == {"a": 1}
    assert json.loads(json.dumps(world.broker.modules["a"].twin.as_json())) == world.broker.modules["a"].twin.as_json()


@given(st.lists(st.lists(sent, max_size=8).map(b"".join), min_size=1, max_size=3))
def test_no_packet_of_a_module_harms_the_hub(parts: list[bytes]) -> None:
    with made_world() as world:
        asyncio.run(session(world, parts))
