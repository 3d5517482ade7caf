"""The hub's core on a fake clock, with connections that only remember what they were sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.broker import ACK_TIMEOUT_S
from safetygear_workbench.edge_runtime.packets import Publish
from safetygear_workbench.edge_runtime.store import Store, StoreError
from support.edge_world import DEVICE, GATEWAY, HUB, MANIFEST, FakeConnection, World, settle
from support.runtime import minimal_manifest


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.broker.apply_manifest(MANIFEST)
    await settle()
    return made


async def test_the_publisher_is_told_after_the_commit_and_the_receiver_gets_it(world: World) -> None:
    a, b = world.connect("a"), world.connect("b")
    await settle()
    world.publish(a, "work", b"1")
    assert (a.sent, b.sent) == ([], [])
    assert list(Store(world.folder / "hub.sqlite").messages()) == [], "not committed yet"
    await settle()
    assert a.sent == ["puback"]
    [message] = b.sent
    assert (message.payload, message.qos, message.dup) == (b"1", 1, False)
    assert message.topic.startswith("devices/dev/modules/b/inputs/in/")
    assert "%24.cmid=a" in message.topic
    assert len(list(Store(world.folder / "hub.sqlite").messages())) == 1, "kept until it is acknowledged"
    world.broker.acknowledged(b, 1)  # type: ignore[arg-type]
    await settle()
    assert list(Store(world.folder / "hub.sqlite").messages()) == []


async def test_without_a_store_nobody_is_told(world: World) -> None:
    a = world.connect("a")
    await settle()
    world.store.fail("full")
    with pytest.raises(StoreError):
        world.publish(a, "work", b"1")
    await settle()
    assert a.sent == []
    world.broker.close()


async def test_one_message_at_a_time_per_input_by_priority(world: World) -> None:
    a = world.connect("a")
    for output, body in (("work", b"1"), ("work", b"2"), ("first", b"3"), ("side", b"4")):
        world.publish(a, output, body)
    await settle()
    b = world.connect("b")
    assert sorted(b.bodies()) == [b"3", b"4"]
    in_packet = next(packet for packet in b.sent if packet.payload == b"3")
    world.broker.acknowledged(b, in_packet.packet_id)  # type: ignore[arg-type]
    assert b.bodies()[2:] == [b"1"]
    world.broker.acknowledged(b, b.sent[-1].packet_id)  # type: ignore[arg-type]
    assert b.bodies()[3:] == [b"2"]
    world.publish(a, "work", b"5")
    await settle()
    assert b.bodies()[4:] == [], "the one before is not acknowledged yet"


async def test_a_message_goes_into_a_sink_once(world: World) -> None:
    a = world.connect("a")
    world.publish(a, "up", b"1", properties="&twice=1")
    world.publish(a, "nothing", b"2")
    world.publish(a, "gone", b"3")
    await settle()
    assert world.upstream() == [1]
    assert (world.broker.counts["unrouted"], world.broker.counts["no-such-module"]) == (2, 1)
    assert a.sent == ["puback"] * 3
    assert "gone" not in world.broker.modules


async def test_what_was_not_acknowledged_comes_again_marked(world: World) -> None:
    a, b = world.connect("a"), world.connect("b")
    world.publish(a, "work", b"1")
    await settle()
    world.broker.closed(b)  # type: ignore[arg-type]
    again = world.connect("b")
    assert [(packet.payload, packet.dup) for packet in again.sent] == [(b"1", True)]
    assert world.broker.modules["b"].counts["delivered-again"] == 1
    await world.clock.advance(ACK_TIMEOUT_S + 1)
    world.broker.housekeeping()
    assert [(packet.payload, packet.dup) for packet in again.sent[1:]] == [(b"1", True)]
    assert again.sent[1].packet_id == again.sent[0].packet_id


async def test_nothing_is_delivered_after_its_time(world: World) -> None:
    a = world.connect("a")
    world.publish(a, "work", b"old")
    world.publish(a, "side", b"young")
    await settle()
    await world.clock.advance(60)
    b = world.connect("b")
    assert b.bodies() == [b"young"]
    assert world.broker.counts["expired"] == 1


async def test_what_expires_for_a_module_that_is_down_leaves_the_store(world: World) -> None:
    a = world.connect("a")
    world.publish(a, "work", b"old")
    await settle()
    await world.clock.advance(60)
    world.broker.housekeeping()
    assert (world.broker.modules["b"].queued, list(world.store.messages())) == (0, [])


async def test_a_new_process_has_queues_twins_sessions_and_keys(world: World) -> None:
    a, b = world.connect("a"), world.connect("b")
    world.broker.change_desired("a", {"colour": "blue"})
    world.publish(a, "work", b"1")
    await settle()
    keys = {name: module.key for name, module in world.broker.modules.items()}
    service_key = world.broker.service_key
    assert b.bodies() == [b"1"]
    world.restart()
    assert {name: module.key for name, module in world.broker.modules.items()} == keys
    assert world.broker.service_key == service_key
    assert world.broker.modules["a"].twin.desired["colour"] == "blue"
    assert world.broker.apply_manifest(MANIFEST) is False, "unchanged: the patched twin stays"
    connection: Any = FakeConnection("b")
    packet = world.connect_packet("b")
    assert world.broker.opened(connection, packet) is True, "session present"
    world.broker.started(connection)
    assert connection.bodies() == [b"1"]


async def test_a_clean_session_ends_with_its_connection(world: World) -> None:
    connection = world.connect("b", clean_session=True)
    world.broker.closed(connection)  # type: ignore[arg-type]
    again: Any = FakeConnection("b")
    assert world.broker.opened(again, world.connect_packet("b")) is False
    world.connect("a", clean_session=True)
    await settle()
    world.restart()
    assert world.broker.opened(FakeConnection("a"), world.connect_packet("a")) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "b3RoZXI="},
        {"expiry_s": 1},
        {"resource": f"{HUB}/devices/{DEVICE}/modules/b"},
        {"resource": f"{HUB}/devices/{DEVICE}"},
        {"resource": HUB},
        {"resource": f"evil.example/devices/{DEVICE}/modules/a"},
        {"client_id": f"{DEVICE}/b"},
        {"client_id": DEVICE},
        {"client_id": f"{DEVICE}/nobody", "username": f"{HUB}/{DEVICE}/nobody/?api-version=1"},
        {"username": f"{HUB}/{DEVICE}/b/?api-version=1"},
        {"username": f"{HUB}/other/a/?api-version=1"},
        {"username": f"other.example/{DEVICE}/a/?api-version=1"},
        {"username": ""},
        {"password": ""},
        {"password": "SharedAccessSignature sr=&sig=&se="},
    ],
)
async def test_who_may_not_connect(world: World, changes: dict[str, Any]) -> None:
    assert world.refusal("a") == 0
    assert world.refusal("a", **changes) == 5
    assert world.broker.counts["refused"] == 1


async def test_with_another_modules_key_nobody_is_this_module(world: World) -> None:
    assert world.refusal("a", key=world.broker.modules["b"].key) == 5


async def test_a_token_may_name_the_gateway(world: World) -> None:
    assert world.refusal("a", resource=f"{GATEWAY}/devices/{DEVICE}/modules/a") == 0


async def test_the_newest_connection_of_a_module_stays(world: World) -> None:
    first, second = world.connect("a"), world.connect("a")
    assert first.closed_because and second.closed_because is None
    world.broker.closed(first)  # type: ignore[arg-type]
    assert world.broker.modules["a"].connection is second


async def test_a_connection_ends_with_its_token(world: World) -> None:
    connection = world.connect("a", expiry_s=int(world.clock.now_s()) + 10)
    await world.clock.advance(9)
    world.broker.housekeeping()
    assert connection.closed_because is None
    await world.clock.advance(1)
    world.broker.housekeeping()
    assert connection.closed_because == "its token has expired"


async def test_a_module_has_its_own_topics_only(world: World) -> None:
    a: Any = world.connect("a")
    assert world.broker.subscribed(a, f"devices/{DEVICE}/modules/b/inputs/#", 1) == 0x80
    assert world.broker.subscribed(a, "#", 1) == 0x80
    world.broker.published(a, Publish(f"devices/{DEVICE}/modules/b/messages/events/%24.on=work", b"x", 1, 1))
    assert "not its own" in a.closed_because
    await settle()
    assert a.sent == []


async def test_twin_requests(world: World) -> None:
    a: Any = world.connect("a")
    await settle()
    world.broker.published(a, Publish("$iothub/twin/GET/?$rid=1", b" ", 1, 1))
    world.broker.published(a, Publish("$iothub/twin/PATCH/properties/reported/?$rid=2", b'{"s": {"x": 1}}', 1, 2))
    for body in (b"[]", b"{", b"\xff", b'{"a.b": 1}', b'{"a": NaN}', b"[" * 100_000):
        world.broker.published(a, Publish("$iothub/twin/PATCH/properties/reported/?$rid=3", body, 1, 3))
    large = json.dumps({str(n): "x" * 4000 for n in range(9)}).encode()
    world.broker.published(a, Publish("$iothub/twin/PATCH/properties/reported/?$rid=4", large, 1, 4))
    await settle()
    answers = [packet for packet in a.sent if packet != "puback"]
    assert answers[0].topic == "$iothub/twin/res/200/?$rid=1"
    assert json.loads(answers[0].payload)["desired"] == {"colour": "red", "$version": 2}
    assert answers[1].topic == "$iothub/twin/res/204/?$rid=2&$version=2"
    assert [packet.topic for packet in answers[2:8]] == ["$iothub/twin/res/400/?$rid=3"] * 6
    assert answers[8].topic == "$iothub/twin/res/413/?$rid=4"
    assert world.broker.modules["a"].twin.reported == {"s": {"x": 1}, "$version": 2}
    assert a.sent.count("puback") == 9


async def test_a_redeployment_overwrites_desired_properties_and_tells_the_module(world: World) -> None:
    a = world.connect("a")
    world.broker.change_desired("a", {"colour": "blue", "cameras": {"x": 1}})
    assert world.broker.apply_manifest(MANIFEST) is False
    assert world.broker.modules["a"].twin.desired["colour"] == "blue"
    assert world.broker.apply_manifest(MANIFEST, redeploy=True) is True
    assert world.broker.modules["a"].twin.desired == {"colour": "red", "$version": 4}
    assert a.sent == [], "not before it is kept"
    await world.broker.committed()
    assert Store(world.folder / "hub.sqlite").documents("module/")["a"]["twin"]["desired"]["colour"] == "red"
    told = json.loads(a.sent[-1].payload)
    assert told == {"colour": "red", "cameras": None, "$version": 4}


async def test_a_bad_deployment_changes_nothing(world: World) -> None:
    before = (world.broker.routes, world.broker.modules["a"].twin.as_json())
    for routes, desired in (({"r": "FROM"}, {"a": {"colour": "x"}}), ({}, {"a": {"k": "x" * 5000}}), ({}, {"a": []})):
        with pytest.raises(UserError):
            world.broker.apply_manifest(minimal_manifest(routes, desired), redeploy=True)
        assert (world.broker.routes, world.broker.modules["a"].twin.as_json()) == before
        assert set(world.broker.modules) == {"a", "b"}


async def test_a_module_that_is_no_longer_deployed_is_gone(world: World) -> None:
    a, b = world.connect("a"), world.connect("b")
    world.publish(a, "work", b"1")
    await settle()
    world.broker.apply_manifest(minimal_manifest({}, {"a": None}))
    assert b.closed_because == "the module is no longer deployed"
    world.broker.closed(b)  # type: ignore[arg-type]
    await settle()
    world.restart()
    assert set(world.broker.modules) == {"a"}
    assert list(world.store.messages()) == []
    assert world.broker.modules["a"].twin.desired["colour"] == "red", "no desired properties: the twin stays"


async def test_a_method_is_answered_or_ends_as_iot_hub_says(world: World) -> None:
    async def call(timeout_s: float = 5.0) -> tuple[int, Any]:
        result = await world.broker.invoke("a", "set it", {"x": 1}, response_timeout_s=timeout_s, connect_timeout_s=0)
        return result.http_status, result.body

    assert (await call())[0] == 404
    a: Any = world.connect("a")
    task = asyncio.create_task(call())
    await settle()
    [request] = a.sent
    assert request.topic.startswith("$iothub/methods/POST/set%20it/?$rid=") and json.loads(request.payload) == {"x": 1}
    rid = request.topic.rpartition("=")[2]
    world.broker.published(a, Publish("$iothub/methods/res/200/?$rid=unknown", b"{}", 0, 0))
    world.broker.published(a, Publish(f"$iothub/methods/res/201/?$rid={rid}", b'{"ok": true}', 0, 0))
    assert await task == (200, {"status": 201, "payload": {"ok": True}})
    assert (await call(0.01))[0] == 504
    task = asyncio.create_task(call())
    await settle()
    rid = a.sent[-1].topic.rpartition("=")[2]
    world.broker.published(a, Publish(f"$iothub/methods/res/200/?$rid={rid}", b"{no json", 0, 0))
    assert (await task)[0] == 502
    assert world.broker.methods._waiting == {}
