"""The stand-in's broker on a fake clock and a real store, with connections that only remember what they were sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from safetygear.clock import FakeClock
from safetygear_workbench.edge_runtime import packets, sas
from safetygear_workbench.edge_runtime.broker import EdgeBroker
from safetygear_workbench.edge_runtime.packets import Connect, Publish
from safetygear_workbench.edge_runtime.store import Store
from support.runtime import minimal_manifest

HUB, DEVICE, GATEWAY = "hub.example", "dev", "127.0.0.1"
ROUTES = {
    "work": {"route": 'FROM /messages/modules/a/outputs/work INTO BrokeredEndpoint("/modules/b/inputs/in")',
             "timeToLiveSecs": 60},
    "first": {"route": 'FROM /messages/modules/a/outputs/first INTO BrokeredEndpoint("/modules/b/inputs/in")',
              "priority": 0},
    "side": {"route": 'FROM /messages/modules/a/outputs/side INTO BrokeredEndpoint("/modules/b/inputs/side")'},
    "up": {"route": "FROM /messages/modules/a/outputs/up INTO $upstream"},
    "again": {"route": "FROM /messages/* WHERE twice = '1' INTO $upstream"},
    "nowhere": {"route": 'FROM /messages/modules/a/outputs/gone INTO BrokeredEndpoint("/modules/gone/inputs/in")'},
}  # fmt: skip
MANIFEST = minimal_manifest(ROUTES, {"a": {"colour": "red"}, "b": None})


class FakeConnection:
    """A module's connection as the broker sees it."""

    def __init__(self, module: str) -> None:
        self.client_id = f"{DEVICE}/{module}"
        self.sent: list[Any] = []
        self.closed_because: str | None = None
        self.takes_more = True
        self._packet_id = 0

    def send(self, data: bytes) -> None:
        if data[0] >> 4 == 4:
            self.sent.append("puback")
        else:
            self.sent += packets.PacketReader().feed(data)

    def close(self, reason: str) -> None:
        self.closed_because = reason

    def free_packet_id(self, used: set[int]) -> int:
        self._packet_id += 1
        return self._packet_id

    def bodies(self) -> list[bytes]:
        return [packet.payload for packet in self.sent if isinstance(packet, Publish)]


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.store = Store(folder / "hub.sqlite")
        self.broker = self.start()

    def start(self) -> EdgeBroker:
        path = self.folder / "upstream.jsonl"
        return EdgeBroker(self.store, path, self.clock, device=DEVICE, iothub=HUB, gateways=(GATEWAY,))

    def restart(self) -> None:
        """Another process on the same files: what was not committed is gone."""
        self.store._db.rollback()
        self.store = Store(self.folder / "hub.sqlite")
        self.broker = self.start()

    def connect_packet(self, module: str, **changes: Any) -> Connect:
        key = changes.pop("key", None) or self.broker.modules[module].key
        resource = changes.pop("resource", f"{HUB}/devices/{DEVICE}/modules/{module}")
        expiry_s = changes.pop("expiry_s", int(self.clock.now_s()) + 3600)
        given = {
            "client_id": f"{DEVICE}/{module}",
            "username": f"{HUB}/{DEVICE}/{module}/?api-version=2019-10-01",
            "password": sas.make_token(key, resource, expiry_s),
            "keep_alive_s": 60,
            "clean_session": False,
        }
        return Connect(**{**given, **changes})

    def refusal(self, module: str, **changes: Any) -> int:
        return self.broker.accept(FakeConnection(module), self.connect_packet(module, **changes))  # type: ignore[arg-type]

    def connect(self, module: str, *, subscribe: bool = True, **changes: Any) -> FakeConnection:
        connection: Any = FakeConnection(module)
        packet = self.connect_packet(module, **changes)
        assert self.broker.accept(connection, packet) == 0
        self.broker.opened(connection, packet)
        if subscribe:
            for topic in (f"devices/{DEVICE}/modules/{module}/inputs/#", "$iothub/twin/res/#",
                          "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#"):  # fmt: skip
                assert self.broker.subscribed(connection, topic, 1) == 1
        self.broker.started(connection)
        return connection  # type: ignore[no-any-return]  # typed as the broker's protocol wants it

    def publish(self, connection: Any, output: str, body: bytes, *, dup: bool = False, properties: str = "") -> None:
        sender = connection.client_id.partition("/")[2]
        topic = f"devices/{DEVICE}/modules/{sender}/messages/events/%24.on={output}{properties}"
        self.broker.published(connection, Publish(topic, body, 1, 7, dup))

    def upstream(self) -> list[Any]:
        return [json.loads(line)["body"] for line in (self.folder / "upstream.jsonl").read_text().splitlines()]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
