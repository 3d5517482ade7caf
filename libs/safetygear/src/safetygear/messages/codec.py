"""JSON in and out for every message type, and what routes may look at."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from safetygear.errors import SafetyGearError

M = TypeVar("M", bound="Message")

# What a type says beyond its JSON form; it goes into the schemas and the reference.
UtcTime = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Pixels = Annotated[int, msgspec.Meta(extra_json_schema={"x-unit": "px"})]
FrameShare = Annotated[float, msgspec.Meta(extra_json_schema={"x-unit": "share of the frame"})]
Sha256 = Annotated[str, msgspec.Meta(extra_json_schema={"x-unit": "hex"})]

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {}


class MessageError(SafetyGearError):
    """A message does not have the form its schema demands."""

    default_code = "message-invalid"


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all wire types. Unknown fields are ignored on reading, so that a newer sender can add some."""


class BoundingBox(Message, frozen=True, kw_only=True):
    """A box in 0..1 of the camera's full frame, with Custom Vision's names."""

    left: FrameShare
    """Distance of the box's left edge from the frame's left edge."""
    top: FrameShare
    """Distance of the box's upper edge from the frame's upper edge."""
    width: FrameShare
    """The box's width, of the frame's width."""
    height: FrameShare
    """The box's height, of the frame's height."""


def encode(message: Message) -> bytes:
    """UTF-8 JSON of `message`."""
    return _encoder.encode(message)


def decode(body: bytes, kind: type[M]) -> M:
    """The message of type `kind` in `body`. Raises MessageError naming the field that is wrong."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        message = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        # msgspec lets the latter two through: text that is not UTF-8, and a body nested without end.
        raise MessageError(f"{kind.__name__}: {exc}") from exc
    assert isinstance(message, kind)
    return message
