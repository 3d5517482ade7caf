"""JSON in and out for every message type, and what routes may look at."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from safetygear.errors import SafetyGearError

M = TypeVar("M", bound="Message")

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {}


class MessageError(SafetyGearError):
    """A message does not have the form its schema demands."""

    default_code = "message-invalid"


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all wire types. Unknown fields are ignored on reading, so that a newer sender can add some."""


class BoundingBox(Message, frozen=True, kw_only=True):
    """A box in 0..1 of the camera's full frame, with Custom Vision's names."""

    left: float
    top: float
    width: float
    height: float


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
    except msgspec.DecodeError as exc:
        raise MessageError(f"{kind.__name__}: {exc}") from exc
    assert isinstance(message, kind)
    return message
