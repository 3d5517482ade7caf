"""Arguments of the direct methods. Pure: what is wrong is named by its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from safetygear.errors import SafetyGearError
from safetygear.hub.port import Json
from safetygear.twin.wire_types import wire_type
from safetygear_inference.compliance.kpi import Verdict

T = TypeVar("T", bound=msgspec.Struct)
Sequence = Annotated[int, Meta(ge=1, le=2**53)]


class MethodArgumentError(SafetyGearError):
    """An argument of a direct method can't be used; `field` is its name."""

    default_code = "bad-argument"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class ResendEvents(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Send `from..to` again."""

    first: Sequence = msgspec.field(name="from")
    last: Sequence = msgspec.field(name="to")
    outbox_epoch: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a person says of an event."""

    event_id: Annotated[str, Meta(pattern=r"^ep-[0-9a-f]{24}$")]
    verdict: Verdict
    note: Annotated[str, Meta(max_length=200)] = ""


def resend_events(payload: Json) -> ResendEvents:
    """Raises MethodArgumentError."""
    asked = _read(ResendEvents, payload)
    if asked.last < asked.first:
        raise MethodArgumentError("to", f"must not be less than from ({asked.first})")
    return asked


def acknowledge(payload: Json) -> Acknowledge:
    """Raises MethodArgumentError."""
    return _read(Acknowledge, payload)


def _read(kind: type[T], payload: Json) -> T:
    infos = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    known = ", ".join(infos)
    if not isinstance(payload, Mapping):
        raise MethodArgumentError("", f"the payload must be an object with {known}")
    for name in payload:
        if name not in infos:
            raise MethodArgumentError(str(name)[:40], f"unknown; there are {known}")
    for name, info in infos.items():
        if name not in payload:
            if info.required:
                raise MethodArgumentError(name, f"is missing: {wire_type(info.type).sentence()}")
            continue
        try:
            msgspec.convert(payload[name], info.type)
        except (msgspec.ValidationError, RecursionError) as exc:
            raise MethodArgumentError(name, f"must be {wire_type(info.type).sentence()}") from exc
    return msgspec.convert(payload, kind)
