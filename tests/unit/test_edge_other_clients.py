"""Clients that speak to the hub otherwise than azure-iot-device for Python does, and some that mean it no good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetygear_workbench.edge_runtime import packets
from safetygear_workbench.edge_runtime.packets import Publish
from support.edge_world import DEVICE, GATEWAY, HUB, MANIFEST, FakeConnection, World, settle
from support.runtime import minimal_manifest


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.broker.apply_manifest(MANIFEST)
    await settle()
    return made


def subscribed(world: World, module: str, topic: str, qos: int = 1) -> Any:
    connection: Any = world.connect(module, subscribe=False)
    assert world.broker.subscribed(connection, topic, qos) == qos
    world.broker.started(connection)
    return connection


@pytest.mark.parametrize("below", ["#", "inputs/#", "inputs/in/#", "+/in/#"])
async def test_whatever_filter_covers_an_input_brings_its_messages(world: World, below: str) -> None:
    # The SDKs for C and .NET ask for everything below the module.
    a, b = world.connect("a"), subscribed(world, "b", f"devices/{DEVICE}/modules/b/{below}")
    world.publish(a, "work", b"1")
    await settle()
    assert b.bodies() == [b"1"]


async def test_a_filter_that_does_not_cover_an_input_brings_nothing(world: World) -> None:
    a, b = world.connect("a"), subscribed(world, "b", f"devices/{DEVICE}/modules/b/inputs/side/#")
    world.publish(a, "work", b"1")
    world.publish(a, "side", b"2")
    await settle()
    assert b.bodies() == [b"2"]
    assert world.broker.subscribed(b, f"devices/{DEVICE}/modules/b/#", 1) == 1
    world.broker.started(b)
    assert b.bodies() == [b"2", b"1"]


async def test_who_asks_for_qos_0_is_not_waited_for(world: World) -> None:
    a, b = world.connect("a"), subscribed(world, "b", f"devices/{DEVICE}/modules/b/#", 0)
    for body in (b"1", b"2"):
        world.publish(a, "work", body)
    await settle()
    assert [(packet.payload, packet.qos) for packet in b.sent] == [(b"1", 0), (b"2", 0)]
    assert list(world.store.messages()) == []
    b.takes_more = False
    world.publish(a, "work", b"3")
    await settle()
    assert b.bodies() == [b"1", b"2"], "it waits in the store while the socket is full"
    b.takes_more = True
    world.broker.started(b)
    assert b.bodies() == [b"1", b"2", b"3"]


async def test_methods_by_name_and_other_twin_filters(world: World) -> None:
    async def called(name: str) -> int:
        result = await world.broker.invoke("a", name, None, response_timeout_s=0.01, connect_timeout_s=0)
        return result.http_status

    a = subscribed(world, "a", "$iothub/methods/POST/stop/#")
    assert (await called("stop"), await called("start")) == (504, 404)
    world.broker.published(a, Publish("$iothub/twin/GET/?$rid=1", b"", 0))
    await settle()
    assert len(a.sent) == 1, "nobody has asked for the twin's answers"


@pytest.mark.parametrize(
    ("username", "expected"),
    [
        (f"{HUB}/{DEVICE}/a/?api-version=2021-04-12&DeviceClientType=.NET%2F1.42.3%20%28.NET%208%29", 0),
        (f"{HUB.upper()}/{DEVICE}/a/?api-version=2020-09-30&DeviceClientType=iothubclient%2F1.14.0&model-id=x", 0),
        (f"{HUB}/{DEVICE}/a/api-version=2016-11-14", 0),
        (f"{GATEWAY}/{DEVICE}/a/?api-version=2018-06-30", 0),
        (f"{HUB}/{DEVICE}/a/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1", 0),
        (f"{HUB}/{DEVICE}/a/?DeviceClientType=x", 5),
        (f"{HUB}/{DEVICE}/a/?api-version=", 5),
        (f"{HUB}/{DEVICE}/a/?api-version= &DeviceClientType=x", 5),
        (f"{HUB}/{DEVICE}/a/?no-api-version=1", 5),
        (f"{HUB}/{DEVICE}/a/", 5),
        (f"{HUB}/{DEVICE}/a", 5),
        (f"{HUB}/{DEVICE}/?api-version=2021-04-12", 5),
    ],
)
async def test_user_names_as_other_sdks_write_them(world: World, username: str, expected: int) -> None:
    assert world.refusal("a", username=username) == expected


async def test_the_request_id_comes_back_as_it_was_written(world: World) -> None:
    a: Any = world.connect("a")
    for rid in ("7", "0ab3-f%20g", "a~b,c"):
        world.broker.published(a, Publish(f"$iothub/twin/GET/?$rid={rid}", b"", 0))
        world.broker.published(a, Publish(f"$iothub/twin/PATCH/properties/reported/?$version=1&$rid={rid}", b"{}", 0))
    await settle()
    assert [packet.topic.partition("&")[0].partition("$rid=")[2] for packet in a.sent] == [
        "7", "7", "0ab3-f%20g", "0ab3-f%20g", "a~b,c", "a~b,c",
    ]  # fmt: skip


async def test_a_topic_that_grows_too_long_ends_its_senders_connection_and_nothing_else(world: World) -> None:
    a, b = world.connect("a"), world.connect("b")
    world.publish(a, "work", b"1", properties="&p=" + "é" * 30_000)
    await settle()
    assert a.closed_because and "fit into no topic" in a.closed_because
    assert (a.sent, b.sent, list(world.store.messages())) == ([], [], [])
    world.publish(world.connect("a"), "work", b"2")
    await settle()
    assert b.bodies() == [b"2"]


async def test_an_answer_that_no_topic_can_carry_is_the_askers_protocol_error(world: World) -> None:
    a: Any = world.connect("a")
    topic = "$iothub/twin/GET/?$rid=" + "x" * 65_510
    with pytest.raises(packets.ProtocolError, match="above MQTT's limit"):
        world.broker.published(a, Publish(topic, b"", 0))


async def test_the_route_of_the_highest_priority_takes_a_message(world: World) -> None:
    into_b = 'INTO BrokeredEndpoint("/modules/b/inputs/in")'
    routes = {
        "any": f"FROM /messages/* {into_b}",
        "urgent": {"route": f"FROM /messages/* WHERE urgent = '1' {into_b}", "priority": 0, "timeToLiveSecs": 9},
    }
    world.broker.apply_manifest(minimal_manifest(routes, {"a": None, "b": None}))
    a = world.connect("a")
    world.publish(a, "x", b"1")
    world.publish(a, "x", b"2", properties="&urgent=1")
    await settle()
    assert [(m.priority, m.expires_s - world.clock.now_s()) for m in world.store.messages()] == [(10, 7200), (0, 9)]
    assert world.connect("b").bodies() == [b"2"]


async def test_many_subscriptions_in_one_packet_are_kept_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []
    save = world.store.save
    monkeypatch.setattr(world.store, "save", lambda name, content: (saved.append(name), save(name, content)))
    a: Any = world.connect("a", subscribe=False)
    for number in range(4096):
        world.broker.subscribed(a, f"devices/{DEVICE}/modules/a/inputs/{number}/#", 1)
    await settle()
    assert saved == ["module/a"]
    world.restart()
    assert len(world.broker.modules["a"].subscriptions) == 4096


async def test_a_session_that_began_clean_is_not_what_a_killed_hub_remembers(world: World) -> None:
    world.connect("b")
    await settle()
    world.connect("b", subscribe=False, clean_session=True)
    await settle()
    world.restart()
    again: Any = FakeConnection("b")
    assert world.broker.opened(again, world.connect_packet("b")) is False


async def test_properties_keep_their_meaning_however_they_were_encoded(world: World) -> None:
    a, b = world.connect("a"), world.connect("b")
    world.publish(a, "work", b"{}", properties="&$.ct=application%2fjson&%24.ce=utf-8&$.mid=m%201&a%20b=c%26d&flag&x=")
    await settle()
    assert b.sent[0].topic.partition("/inputs/in/")[2] == (
        "%24.ct=application%2Fjson&%24.ce=utf-8&%24.mid=m%201&a%20b=c%26d&flag=&x=&%24.cdid=dev&%24.cmid=a"
    )
