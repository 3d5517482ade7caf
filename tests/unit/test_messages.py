"""Every message type over the wire and back, and against its published schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear.messages.codec import Message, MessageError, decode, encode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.event import EventMessage
from safetygear.messages.frames import CamerasMessage, FramesMessage, ReadersMessage
from safetygear.messages.health import HealthMessage

REPO = Path(__file__).resolve().parents[2]
SCHEMAS = {
    path.name.removesuffix(".json"): json.loads(path.read_text())
    for path in (REPO / "docs" / "schemas").glob("safetygear.*.json")
}
KINDS: tuple[type[Message], ...] = (
    DetectionsMessage, EventMessage, HealthMessage, FramesMessage, CamerasMessage, ReadersMessage,
)  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
moments = st.floats(0, 4_000_000_000).map(rfc3339)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, within its limits."""
    match msgspec.inspect.type_info(kind) if not isinstance(kind, msgspec.inspect.Type) else kind:
        case msgspec.inspect.Metadata(type=inner, extra_json_schema=extra):
            return moments if (extra or {}).get("format") == "date-time" else values(inner)
        case msgspec.inspect.StrType(pattern=pattern):
            return st.from_regex(pattern.replace("$", r"\Z"), fullmatch=False) if pattern else texts
        case msgspec.inspect.IntType():
            return st.integers(0, 2**53)
        case msgspec.inspect.FloatType():
            return st.floats(0, 1)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType(values=options):
            return st.sampled_from(list(options))
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(*(values(one) for one in types))
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(values(item), max_size=2)
        case msgspec.inspect.DictType(value_type=value):
            return st.dictionaries(texts, values(value), max_size=2)
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: values(field.type) for field in fields})
        case other:
            raise AssertionError(f"no strategy for {other}")


any_message = st.one_of(*(values(kind) for kind in KINDS))


def schema_of(message: Message) -> Mapping[str, Any]:
    name: str = message.schema  # type: ignore[attr-defined]  # every message that travels has one
    schema: Mapping[str, Any] = SCHEMAS[name.replace("/", ".")]
    return schema


@given(any_message)
def test_a_message_survives_the_wire_and_fits_its_schema(message: Message) -> None:
    body = encode(message)
    assert decode(body, type(message)) == message
    jsonschema.Draft202012Validator(schema_of(message)).validate(json.loads(body))


@given(any_message)
def test_names_on_the_wire_are_camel_case(message: Message) -> None:
    free = {"dropped", "evicted", "failed", "kept", "refused", "taken"}  # counts by reason

    def names(value: Any, within: str = "") -> list[str]:
        if isinstance(value, dict):
            here = [] if within in free else list(value)
            return here + [name for key, below in value.items() for name in names(below, key)]
        return [name for below in value for name in names(below, within)] if isinstance(value, list) else []

    assert all(name[0].islower() and name.isalnum() for name in names(json.loads(encode(message))))


@given(any_message, st.dictionaries(texts, st.none() | texts, max_size=2))
def test_what_a_newer_sender_adds_is_ignored(message: Message, more: dict[str, Any]) -> None:
    content = json.loads(encode(message))
    body = json.dumps({f"new-{name}": value for name, value in more.items()} | content).encode()
    assert decode(body, type(message)) == message


@each_kind
def test_another_schema_is_not_this_one(kind: type[Message]) -> None:
    with pytest.raises(MessageError, match=f"{kind.__name__}: .*schema"):
        decode(b'{"schema": "safetygear.other/1"}', kind)


@each_kind
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="ignore")))
def test_no_body_makes_it_raise_anything_else(kind: type[Message], body: bytes) -> None:
    with pytest.raises(MessageError) as caught:
        decode(body, kind)
    assert caught.value.code == "message-invalid"


@each_kind
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'"\xff"', b'{"schema": "\xff"}', b"[" * 200_000, b'{"a":' * 200_000, b"1e999"]
)
def test_what_is_no_message(kind: type[Message], body: bytes) -> None:
    with pytest.raises(MessageError):
        decode(body, kind)


DETECTIONS = {
    "schema": "safetygear.detections/1", "camera": "gate-2", "shard": "capture", "sequence": 1, "frameNumber": 2,
    "capturedAt": "2026-11-24T08:00:00.123Z", "clock": "rtcp", "frame": {"width": 1280, "height": 720},
    "model": {"name": "ppe", "version": "1", "sha256": "a"}, "people": [],
    "detections": [{"label": "helmet", "probability": 0.5,
                    "boundingBox": {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2}}],
    "latencyMs": {"capture": 1, "queue": 2, "inference": 3, "total": 6},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ("camera", "gate 2", r"`\$.camera`"),
        ("camera", None, r"`\$.camera`"),
        ("clock", "gps", r"`\$.clock`"),
        ("sequence", "1", r"`\$.sequence`"),
        ("sequence", 1.5, r"`\$.sequence`"),
        ("detections.0.probability", 1.5, r"probability"),
        ("detections.0.boundingBox.left", None, r"boundingBox.left"),
        ("frame.width", True, r"frame.width"),
    ],
)
def test_the_field_that_is_wrong_is_named(path: str, value: Any, part: str) -> None:
    content = json.loads(json.dumps(DETECTIONS))
    assert decode(json.dumps(content).encode(), DetectionsMessage).camera == "gate-2"
    place: Any = content
    *parents, last = path.split(".")
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[last] = value
    with pytest.raises(MessageError, match=part):
        decode(json.dumps(content).encode(), DetectionsMessage)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMAS["safetygear.detections.1"]).validate(content)


def test_a_missing_field_is_named() -> None:
    content = {name: value for name, value in DETECTIONS.items() if name != "frameNumber"}
    with pytest.raises(MessageError, match="frameNumber"):
        decode(json.dumps(content).encode(), DetectionsMessage)


def test_messages_cannot_be_changed() -> None:
    message = decode(json.dumps(DETECTIONS).encode(), DetectionsMessage)
    with pytest.raises(AttributeError):
        message.camera = "other"  # type: ignore[misc]  # that it can't be set


def test_a_status_of_a_sender_that_does_not_say_which_instance_it_is_can_be_read() -> None:
    older = b'{"schema":"safetygear.cameras/1","shard":"default","sentAt":"t","startedAt":"t","cameras":[]}'
    assert decode(older, CamerasMessage).instance == ""
