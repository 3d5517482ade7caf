"""What is in force, as it is kept for the next run: a mistake in the twin must not cost a restarted site its cameras.

Kept is the config, so no value is in it that a check has refused: secrets are references, and no address has a
password in a form that is known. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from safetygear.errors import SafetyGearError
from safetygear.messages.codec import Message, MessageError, decode, encode
from safetygear.twin.reading import FieldError, Reading, read_in_force

T = TypeVar("T", bound=msgspec.Struct)

LAYOUT: Final = "safetygear.last-good-twin/1"
MAX_KEPT_BYTES: Final = 1 << 20
"""A twin has 32 KB; every default that is written out with it makes it several times as long."""
OF_EARLIER_RUN: Final = "; the last good value, of an earlier run, is in force"
"""Ends the message of an error whose property has it."""


class LastGoodError(SafetyGearError):
    """What was kept can't be used, or not be kept. `code`: `too-large`, `damaged`, `other-layout`, `other-module`."""

    default_code = "damaged"


class _Layout(Message, frozen=True, kw_only=True):
    layout: str


class _Kept(Message, frozen=True, kw_only=True):
    layout: str = LAYOUT
    owner: str
    config: dict[str, Any]


def packed(config: msgspec.Struct, owner: str) -> bytes:
    """What to keep of `config`. `owner`: whose it is, `DEVICE/MODULE`. Raises LastGoodError (`too-large`)."""
    data = encode(_Kept(owner=owner, config=msgspec.to_builtins(config)))
    if len(data) > MAX_KEPT_BYTES:
        raise LastGoodError(f"has {len(data)} bytes, at most {MAX_KEPT_BYTES} are kept", code="too-large")
    return data


def unpacked(kind: type[T], data: bytes, owner: str) -> Reading[T]:
    """What `packed` was given; the errors name what this version of `kind` can't use, and has left out.

    Raises LastGoodError where it is damaged or not for this module.
    """
    if len(data) > MAX_KEPT_BYTES:
        raise LastGoodError(f"has more than {MAX_KEPT_BYTES} bytes", code="too-large")
    try:
        layout = decode(data, _Layout).layout
        if layout != LAYOUT:
            raise LastGoodError(f"has another layout than {LAYOUT}", code="other-layout")
        kept = decode(data, _Kept)
    except MessageError as exc:
        raise LastGoodError(f"is damaged ({exc})", code="damaged") from exc
    if kept.owner != owner:
        raise LastGoodError("was kept by another device or module", code="other-module")
    return read_in_force(kind, kept.config)


def told(errors: Iterable[FieldError], of_earlier_run: Iterable[str]) -> tuple[FieldError, ...]:
    """`errors`, and with each that is about what has the value of an earlier run, that it has.

    `of_earlier_run`: paths as in `Reading.stays`.
    """
    paths = frozenset(of_earlier_run)
    return tuple(
        msgspec.structs.replace(error, message=f"{error.message}{OF_EARLIER_RUN}")
        if any(error.path == path or error.path.startswith(f"{path}.") for path in paths)
        else error
        for error in errors
    )
