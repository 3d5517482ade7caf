"""The topics and property names of IoT Hub's MQTT dialect. Pure.

Source: Microsoft, "Communicate with an IoT hub using the MQTT protocol", and what azure-iot-device puts on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

TWIN_RESPONSES = "$iothub/twin/res/"
DESIRED_PATCHES = "$iothub/twin/PATCH/properties/desired/"
METHODS = "$iothub/methods/POST/"
_SYSTEM_NAMES = {
    "$.mid": "messageId", "$.cid": "correlationId", "$.uid": "userId", "$.ct": "contentType",
    "$.ce": "contentEncoding", "$.on": "outputName", "$.ctime": "creationTimeUtc", "$.sub": "dt-subject",
    "$.ifid": "iothub-interface-id",
}  # fmt: skip
_NOT_FORWARDED = {"$.on", "$.ifid"}


@dataclass(frozen=True)
class Event:
    """A message a module publishes: what its topic says."""

    output: str
    properties: dict[str, str]
    system_properties: dict[str, str]
    wire: dict[str, str]


def parse_properties(text: str) -> dict[str, str]:
    """`a=b&c=d`, percent-encoded, in any of the places the protocol puts it."""
    pairs = (pair.partition("=") for pair in text.strip("/").lstrip("?").split("&") if pair)
    return {unquote(key): unquote(value) for key, _, value in pairs}


def encode_properties(properties: Mapping[str, str]) -> str:
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in properties.items())


def events_prefix(device: str, module: str) -> str:
    return f"devices/{device}/modules/{module}/messages/events"


def is_event(device: str, module: str, topic: str) -> bool:
    """Whether the topic is the module's own for its messages."""
    prefix = events_prefix(device, module)
    return topic == prefix or topic.startswith((f"{prefix}/", f"{prefix}?"))


def may_subscribe(device: str, module: str, topic_filter: str) -> bool:
    """What edgeHub answers for: twin, methods, and the module's own messages, these with a final `#`."""
    own = topic_filter.startswith(f"devices/{device}/modules/{module}/") and topic_filter.endswith("/#")
    return own or topic_filter.startswith((TWIN_RESPONSES, DESIRED_PATCHES, METHODS))


def granted_qos(subscriptions: Mapping[str, int], topic: str) -> int | None:
    """The QoS a topic's messages go out with; None where no filter of the session covers it.

    Clients differ: azure-iot-device asks for `…/inputs/#`, the SDKs for C and .NET for `devices/D/modules/M/#`.
    """
    return max((qos for wanted, qos in subscriptions.items() if _covers(wanted, topic)), default=None)


def _covers(topic_filter: str, topic: str) -> bool:
    """MQTT 3.1.1, 4.7.1: `+` is one level, a final `#` is the level above it and all below."""
    levels = topic.split("/")
    wanted = topic_filter.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else levels
    return len(wanted) == len(levels) and all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))


def marks(*, retain: bool, dup: bool, is_will: bool) -> dict[str, str]:
    """What becomes of MQTT's flags: IoT Hub and edgeHub keep no message for later, they tell of it in a property."""
    values = {
        "mqtt-retain": "true" if retain else "",
        "mqtt-dup": "true" if dup else "",
        "iothub-MessageType": "Will" if is_will else "",
    }
    return {name: value for name, value in values.items() if value}


def parse_event(device: str, module: str, topic: str, marked: Mapping[str, str] | None = None) -> Event:
    """The event a module publishes on its own topic; `marked`: application properties that the hub adds."""
    wire = parse_properties(topic[len(events_prefix(device, module)) :]) | dict(marked or {})
    system = {_SYSTEM_NAMES[key]: value for key, value in wire.items() if key in _SYSTEM_NAMES}
    system |= {"connectionDeviceId": device, "connectionModuleId": module}
    application = {key: value for key, value in wire.items() if not key.startswith("$.")}
    return Event(system.get("outputName", ""), application, system, wire)


def input_topic(device: str, module: str, input_: str, forwarded: Mapping[str, str]) -> str:
    return f"devices/{device}/modules/{module}/inputs/{quote(input_, safe='')}/{encode_properties(forwarded)}"


def forwarded_properties(event: Event, device: str, sender: str) -> dict[str, str]:
    """What the receiver gets: the sender's properties, and who the sender was."""
    kept = {key: value for key, value in event.wire.items() if key not in _NOT_FORWARDED}
    return kept | {"$.cdid": device, "$.cmid": sender}


def request_id(text: str) -> str:
    """The `$rid` of a topic's query, as it is written there: the answer repeats it."""
    pairs = (pair.partition("=") for pair in text.partition("?")[2].split("&"))
    return next((value for key, _, value in pairs if unquote(key) == "$rid"), "")
