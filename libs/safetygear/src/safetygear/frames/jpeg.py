"""Frames as JPEG in the message, for modules that share no memory: body `image/jpeg`, the reference as properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from safetygear.messages.codec import MessageError
from safetygear.messages.frames import FrameReference

JPEG_CONTENT_TYPE: Final = "image/jpeg"


def to_properties(reference: FrameReference) -> dict[str, str]:
    """The reference's fields by their wire names, as text (application properties are text)."""
    return {name: str(value) for name, value in msgspec.to_builtins(reference).items()}


def from_properties(properties: Mapping[str, str]) -> FrameReference:
    """The inverse; other properties (`shard`, `schema`) are ignored. Raises MessageError naming the field."""
    try:
        # Not strict: the numbers come as text.
        return msgspec.convert(dict(properties), FrameReference, strict=False)
    except msgspec.ValidationError as exc:
        raise MessageError(f"FrameReference in properties: {exc}") from exc
