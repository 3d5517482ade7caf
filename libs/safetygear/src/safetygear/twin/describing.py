"""The twin's reference, made from the config types themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from safetygear.twin.wire_types import default_of, description, entry_dict_of, entry_struct_of, struct_of, wire_type


@dataclass(frozen=True)
class FieldDescription:
    """One desired property."""

    path: str
    """By wire names; `<id>` stands for a key: `cameras.<id>.analysedFps`."""
    type: str
    default: str
    """As JSON; `required` for a field without one."""
    limits: str
    description: str


def describe(kind: type[msgspec.Struct]) -> list[FieldDescription]:
    """Every field of a config type, depth first; texts come from `msgspec.Meta(description=…)`."""
    return _describe(kind, "")


def _describe(kind: type[msgspec.Struct], prefix: str) -> list[FieldDescription]:
    found: list[FieldDescription] = []
    for info in msgspec.structs.fields(kind):
        path = f"{prefix}{info.encode_name}"
        words = wire_type(info.type)
        struct, entry, inner = struct_of(info.type), entry_struct_of(info.type), entry_dict_of(info.type)
        default = _default(default_of(info), nested=struct is not None)
        name = "object by id" if entry or inner else words.name
        found.append(FieldDescription(path, name, default, words.limits, description(info.type)))
        if struct is not None:
            found += _describe(struct, f"{path}.")
        elif entry is not None:
            found += _describe(entry, f"{path}.<id>.")
        elif inner is not None:
            below = entry_struct_of(inner)
            assert below is not None
            found += _describe(below, f"{path}.<id>.<id>.")
    return found


def _default(value: Any, *, nested: bool) -> str:
    if value is msgspec.NODEFAULT:
        return "required"
    # An object's defaults are those of its fields.
    return "" if nested and value is not None else msgspec.json.encode(value).decode()
