"""What MQTT offers and IoT Hub has its own meaning for (wills, retained messages), and requests no SDK would send."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from safetygear_workbench.edge_runtime.packets import ProtocolError, Publish
from support.edge_world import DEVICE, MANIFEST, World, settle
from support.runtime import minimal_manifest

EVENTS = f"devices/{DEVICE}/modules/a/messages/events"
WILL = Publish(f"{EVENTS}/%24.on=up&%24.ct=application%2Fjson&camera=gate", b'"gone"', 1)
REPORTED = "$iothub/twin/PATCH/properties/reported/"


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.broker.apply_manifest(MANIFEST)
    await settle()
    return made


def received(world: World) -> list[dict[str, Any]]:
    """What IoT Hub has, whole."""
    return [json.loads(line) for line in (world.folder / "upstream.jsonl").read_text().splitlines()]


async def test_a_will_is_sent_marked_when_its_connection_is_lost(world: World) -> None:
    a: Any = world.connect("a", will=WILL)
    world.publish(a, "up", b"1")
    world.broker.closed(a)
    await settle()
    before, will = received(world)
    assert before["body"] == 1 and "iothub-MessageType" not in before["properties"]
    assert will["body"] == "gone" and will["output"] == "up"
    assert will["properties"] == {"camera": "gate", "iothub-MessageType": "Will"}
    assert will["systemProperties"]["contentType"] == "application/json"
    world.broker.closed(world.connect("a"))  # type: ignore[arg-type]
    await settle()
    assert len(received(world)) == 2, "a will is its own connection's"


async def test_a_will_is_void_after_a_disconnect_and_where_the_hub_itself_ends_the_connection(world: World) -> None:
    a: Any = world.connect("a", will=WILL)
    world.broker.disconnected(a)
    world.broker.closed(a)
    taken_over: Any = world.connect("a", will=WILL)
    world.connect("a")
    world.broker.closed(taken_over)
    last: Any = world.connect("a", will=WILL)
    world.broker.close()
    world.broker.closed(last)
    await settle()
    assert (last.closed_because, received(world)) == ("the hub is stopping", [])


async def test_a_late_disconnect_leaves_the_will_of_the_newer_connection(world: World) -> None:
    old: Any = world.connect("a")
    new: Any = world.connect("a", will=WILL)
    world.broker.disconnected(old)
    world.broker.closed(new)
    await settle()
    assert world.upstream() == ["gone"]


@pytest.mark.parametrize(
    ("will", "part"),
    [
        (Publish(f"devices/{DEVICE}/modules/b/messages/events/%24.on=up", b"1"), "which is not its own"),
        (Publish("", b"1"), "which is not its own"),
        (Publish(f"{EVENTS}/%24.on=work&p=" + "é" * 30_000, b"1"), "fit into no topic"),
    ],
)
async def test_a_will_that_cannot_be_sent_is_told_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, will: Publish, part: str
) -> None:
    a: Any = world.connect("a", will=will)
    world.broker.closed(a)
    await settle()
    assert part in caplog.text
    assert list(world.store.messages()) == []


async def test_flags_become_properties_that_routes_can_ask_for(world: World) -> None:
    routes = {"kept": "FROM /messages/* WHERE mqtt-retain = 'true' INTO $upstream",
              "loop": "FROM /messages/* INTO BrokeredEndpoint('/modules/b/inputs/in')"}  # fmt: skip
    world.broker.apply_manifest(minimal_manifest(routes, {"a": None, "b": None}))
    a: Any = world.connect("a")
    b: Any = world.connect("b")
    for packet in (
        Publish(f"{EVENTS}/k=v", b"1", 1, 1, retain=True),
        Publish(f"{EVENTS}/k=v", b"2", 1, 2),
        Publish(f"{EVENTS}/k=v&mqtt-retain=false", b"3", 1, 3, dup=True, retain=True),
    ):
        world.broker.published(a, packet)
    for packet_id in range(1, 4):
        await settle()
        world.broker.acknowledged(b, packet_id)
    await settle()
    assert [message["properties"] for message in received(world)] == [
        {"k": "v", "mqtt-retain": "true"}, {"k": "v", "mqtt-retain": "true", "mqtt-dup": "true"},
    ]  # fmt: skip
    kept, plain, _ = b.sent
    assert "mqtt-retain=true" in kept.topic and not kept.retain
    assert "mqtt-" not in plain.topic
    assert world.connect("b").bodies() == [], "nothing is kept for who subscribes later"


async def test_who_asks_for_its_twin_must_say_where_to_answer(world: World) -> None:
    a: Any = world.connect("a")
    await settle()
    for topic in ("$iothub/twin/GET/", "$iothub/twin/GET", "$iothub/twin/GET/?$rid=", "$iothub/twin/GET/?rid=1"):
        with pytest.raises(ProtocolError, match="without a \\$rid"):
            world.broker.published(a, Publish(topic, b"", 1, 1))
    world.broker.published(a, Publish(REPORTED, b'{"seen": 1}', 1, 1))
    world.broker.published(a, Publish(f"{REPORTED}?$version=3", b"no JSON", 1, 2))
    await settle()
    assert a.sent == ["puback"] * 2, "a report may do without an answer"
    assert world.broker.modules["a"].twin.reported == {"seen": 1, "$version": 2}
    world.restart()
    assert world.broker.modules["a"].twin.reported == {"seen": 1, "$version": 2}


@pytest.mark.parametrize(
    ("topic", "body", "status"),
    [
        ("$iothub/twin/POST/", b"{}", 400),
        ("$iothub/twin/GETS/", b"", 400),
        ("$iothub/twin/PATCH/properties/desired/", b"{}", 400),
        (f"{REPORTED}more/", b"{}", 400),
        (REPORTED, b"", 400),
        (REPORTED, b"null", 400),
        (REPORTED, b'{"a": 1e999}', 400),
        (REPORTED, b'{"a": ' + b"9" * 5000 + b"}", 400),
        (REPORTED, b'{"a":' * 11 + b"1" + b"}" * 11, 400),
        (REPORTED, b'{"a": {"$version": 7}}', 400),
        (REPORTED, b'{"$version": 7}', 204),
        (REPORTED, b'{"a": [1, null, {"b": []}], "a": "\\ud800"}', 204),
        (REPORTED, '{"a": null}'.encode("utf-16"), 204),
    ],
)
async def test_any_twin_request_is_answered(world: World, topic: str, body: bytes, status: int) -> None:
    a: Any = world.connect("a")
    world.broker.published(a, Publish(f"{topic}?$rid=x", body, 0))
    await settle()
    [answer] = a.sent
    assert answer.topic.startswith(f"$iothub/twin/res/{status}/?$rid=x")
    assert world.broker.modules["a"].twin.reported["$version"] == (2 if status == 204 else 1)


async def test_a_method_is_answered_once_by_whom_it_was_asked(world: World) -> None:
    a: Any = world.connect("a")
    b: Any = world.connect("b")
    task = asyncio.create_task(world.broker.invoke("a", "m", None, response_timeout_s=5, connect_timeout_s=0))
    await settle()
    rid = a.sent[0].topic.rpartition("=")[2]
    world.broker.published(b, Publish(f"$iothub/methods/res/500/?$rid={rid}", b"1", 0))
    world.broker.published(a, Publish(f"$iothub/methods/res/200/?%24rid={rid}", b"2", 0))
    world.broker.published(a, Publish(f"$iothub/methods/res/200/?$rid={rid}", b"3", 0))
    assert (await task).body == {"status": 200, "payload": 2}
    world.broker.published(a, Publish(f"$iothub/methods/res/200/?$rid={rid}", b"4", 0))


@pytest.mark.parametrize(
    ("status", "payload"), [("200", b"NaN"), ("200", b'{"a": -Infinity}'), ("ok", b"1"), ("", b"")]
)
async def test_an_answer_that_is_none_is_told_to_the_caller(world: World, status: str, payload: bytes) -> None:
    a: Any = world.connect("a")
    task = asyncio.create_task(world.broker.invoke("a", "m", None, response_timeout_s=5, connect_timeout_s=0))
    await settle()
    rid = a.sent[0].topic.rpartition("=")[2]
    world.broker.published(a, Publish(f"$iothub/methods/res/{status}/?$rid={rid}", payload, 0))
    assert (await task).http_status == 502


async def test_methods_reach_every_filter_that_covers_them(world: World) -> None:
    for below, status in (("+/+", 504), ("#", 504), ("m/#", 504), ("+/#", 504), ("m", 404), ("other/#", 404)):
        a: Any = world.connect("a", subscribe=False, clean_session=True)
        assert world.broker.subscribed(a, f"$iothub/methods/POST/{below}", 0) == 0
        result = await world.broker.invoke("a", "m", None, response_timeout_s=0.01, connect_timeout_s=0)
        assert result.http_status == status, below


async def test_a_client_without_an_id_is_told_so(world: World) -> None:
    assert world.refusal("a", client_id="") == 2


async def test_a_subscription_of_a_module_that_went_meanwhile_is_let_be(world: World) -> None:
    b: Any = world.connect("b")
    world.broker.apply_manifest(minimal_manifest({}, {"a": None}))
    world.broker.started(b)
    world.broker.disconnected(b)
    world.broker.closed(b)
    assert "b" not in world.broker.modules


async def test_a_condition_that_means_something_else_to_edgehub_is_told_at_the_deployment(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    routes = {"plain": "FROM /* WHERE $body.x != null AND is_defined(y) INTO $upstream",
              "odd": "FROM /* WHERE NOT Is_Defined( $body.x ) INTO $upstream"}  # fmt: skip
    world.broker.apply_manifest(minimal_manifest(routes, {"a": None}))
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["odd"]
    assert "write $body.… != null, or = null" in caplog.text
