"""The topics and property names of IoT Hub's MQTT dialect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.edge_runtime.topics import (
    encode_properties,
    forwarded_properties,
    granted_qos,
    input_topic,
    is_event,
    may_subscribe,
    parse_event,
    parse_properties,
    request_id,
)

EVENTS = "devices/d/modules/m/messages/events"


def test_an_event_as_the_sdk_publishes_it() -> None:
    topic = f"{EVENTS}/%24.on=out&%24.mid=7&%24.ct=application%2Fjson&%24.ce=utf-8&camera=gate%202"
    event = parse_event("d", "m", topic)
    assert (event.output, event.properties) == ("out", {"camera": "gate 2"})
    assert event.system_properties == {
        "outputName": "out", "messageId": "7", "contentType": "application/json", "contentEncoding": "utf-8",
        "connectionDeviceId": "d", "connectionModuleId": "m",
    }  # fmt: skip


def test_a_sender_cannot_pass_for_another() -> None:
    event = parse_event("d", "m", f"{EVENTS}/%24.cmid=other&%24.cdid=x&%24.on=out&n=1")
    assert event.system_properties["connectionModuleId"] == "m"
    assert forwarded_properties(event, "d", "m") == {"n": "1", "$.cdid": "d", "$.cmid": "m"}


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=5))
def test_properties_survive_a_topic(properties: dict[str, str]) -> None:
    properties = {k: v for k, v in properties.items() if (k + v).isprintable()}
    topic = input_topic("d", "m", "in put", properties)
    assert topic.startswith("devices/d/modules/m/inputs/in%20put/")
    assert parse_properties(topic.rpartition("/inputs/in%20put")[2]) == properties
    assert parse_properties(f"?{encode_properties(properties)}") == properties


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (EVENTS, True),
        (f"{EVENTS}/", True),
        (f"{EVENTS}/a=b", True),
        (f"{EVENTS}?a=b", True),
        (f"{EVENTS}s/a=b", False),
        ("devices/d/modules/other/messages/events/", False),
        ("devices/e/modules/m/messages/events/", False),
    ],
)
def test_only_its_own_topic_is_a_modules_event(topic: str, expected: bool) -> None:
    assert is_event("d", "m", topic) is expected


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("devices/d/modules/m/inputs/#", True),
        ("$iothub/twin/res/#", True),
        ("$iothub/methods/POST/#", True),
        ("devices/d/modules/other/inputs/#", False),
        ("#", False),
        ("devices/+/modules/+/inputs/#", False),
        ("devices/d/modules/m/#", True),
        ("devices/d/modules/m/inputs/in/#", True),
        ("$iothub/methods/POST/stop/#", True),
        # edgeHub takes these and answers nothing.
        ("devices/d/modules/m/inputs/in/+", False),
        ("$iothub/twin/#", False),
        ("$iothub/#", False),
    ],
)
def test_only_its_own_topics_can_be_subscribed(topic: str, expected: bool) -> None:
    assert may_subscribe("d", "m", topic) is expected


@pytest.mark.parametrize(
    ("wanted", "topic", "expected"),
    [
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/+/#", "a", False),
        ("a/b", "a/b", True),
        ("a/b/c/#", "a/b", False),
    ],
)
def test_what_a_filter_covers(wanted: str, topic: str, expected: bool) -> None:
    assert (granted_qos({wanted: 0}, topic) is not None) is expected


def test_of_overlapping_filters_the_higher_qos_holds() -> None:
    assert granted_qos({"a/#": 0, "a/b/#": 1, "c/#": 1}, "a/b/x") == 1
    assert granted_qos({"a/#": 0, "a/b/#": 1}, "a/c") == 0
    assert granted_qos({}, "a") is None


def test_the_request_id() -> None:
    assert request_id("$iothub/twin/GET/?$rid=ab-1") == "ab-1"
    assert request_id("$iothub/methods/res/200/?$rid=7&x=1") == "7"
    assert request_id("$iothub/twin/GET/") == ""
