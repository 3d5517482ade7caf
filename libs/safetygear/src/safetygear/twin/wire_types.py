"""What a typed field takes, in words: for error messages and for the twin's reference page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import inspect

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class WireType:
    """`name` is JSON's idea of it (`whole number`); `limits` what else holds (`1 to 30`), empty without any."""

    name: str
    limits: str = ""

    def sentence(self) -> str:
        """`a whole number, 1 to 30`."""
        article = "" if self.name.startswith(("true", "one of", "any")) else "an " if self.name[0] in "aeiou" else "a "
        return f"{article}{self.name}{', ' if self.limits else ''}{self.limits}"


def wire_type(kind: Any) -> WireType:
    """The words for a Python type that msgspec can read."""
    return _words(inspect.type_info(kind))


def description(kind: Any) -> str:
    """The `msgspec.Meta(description=…)` of an annotated type, or an empty string."""
    return str(_extra(inspect.type_info(kind)).get("description", ""))


def examples(kind: Any) -> list[Any]:
    """The `msgspec.Meta(examples=…)` of an annotated type."""
    return list(_extra(inspect.type_info(kind)).get("examples", ()))


def _extra(node: inspect.Type) -> dict[str, Any]:
    return dict(node.extra_json_schema or {}) if isinstance(node, inspect.Metadata) else {}


def _words(node: inspect.Type) -> WireType:
    match node:
        case inspect.Metadata():
            return _words(node.type)
        case inspect.BoolType():
            return WireType("true or false")
        case inspect.IntType():
            return WireType("whole number", _range(node))
        case inspect.FloatType():
            return WireType("number", _range(node))
        case inspect.StrType():
            return WireType("text", _text_limits(node))
        case inspect.LiteralType() | inspect.EnumType():
            values = node.values if isinstance(node, inspect.LiteralType) else [member.value for member in node.cls]
            return WireType("one of " + ", ".join(str(value) for value in values))
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            return WireType(f"list of {_plural(_words(node.item_type).name)}", _lengths(node, "entries"))
        case inspect.TupleType(item_types=(inspect.FloatType(), inspect.FloatType())):
            return WireType("pair of numbers")
        case inspect.TupleType():
            return WireType("list of " + ", ".join(_words(item).name for item in node.item_types))
        case inspect.DictType():
            value = _words(node.value_type)
            return WireType(f"object of {_plural(value.name)} by name", value.limits)
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return WireType("object")
        case inspect.UnionType():
            taken = [_words(item) for item in node.types if not isinstance(item, inspect.NoneType)]
            limits = "; ".join(item.limits for item in taken if item.limits)
            return WireType(" or ".join(item.name for item in taken), limits)
        case _:
            return WireType("any value")


def _plural(name: str) -> str:
    first, of, rest = name.partition(" of ")
    return name if " or " in first else f"{first}s{of}{rest}"


def _range(node: inspect.IntType | inspect.FloatType) -> str:
    low = node.ge if node.ge is not None else None
    high = node.le if node.le is not None else None
    parts = []
    if node.gt is not None:
        parts.append(f"more than {_number(node.gt)}")
    if low is not None and high is not None:
        parts.append(f"{_number(low)} to {_number(high)}")
    elif low is not None:
        parts.append(f"at least {_number(low)}")
    elif high is not None:
        parts.append(f"at most {_number(high)}")
    if node.lt is not None:
        parts.append(f"less than {_number(node.lt)}")
    if node.multiple_of is not None:
        parts.append(f"in steps of {_number(node.multiple_of)}")
    return ", ".join(parts)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _text_limits(node: inspect.StrType) -> str:
    parts = [part for part in (_lengths(node, "characters"),) if part]
    if node.pattern is not None:
        parts.append(f"of the form {node.pattern}")
    return ", ".join(parts)


def _lengths(node: Any, unit: str) -> str:
    low, high = node.min_length, node.max_length
    if low is not None and high is not None:
        return f"{low} to {high} {unit}"
    if low is not None:
        return f"at least {low} {unit}"
    return f"at most {high} {unit}" if high is not None else ""


def has_unfit_text(value: Any) -> bool:
    """Whether a JSON value has, at any depth, a control character or half a surrogate pair in a text or a name.

    JSON allows both; no UTF-8 can hold the second, and what is made of these texts is written down somewhere.
    """
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str) and _UNFIT.search(item):
            return True
        if isinstance(item, Mapping):
            rest += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            rest += item
    return False


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """A struct field's default value, or msgspec.NODEFAULT where it is required."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct behind annotations and `| None`, else None."""
    bare = _bare(kind)
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def entry_struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct of a `dict[str, Struct]` (objects keyed by id), else None."""
    bare = _bare(kind)
    return struct_of(get_args(bare)[1]) if get_origin(bare) is dict else None


def entry_dict_of(kind: Any) -> Any:
    """The inner dict of a `dict[str, dict[str, Struct]]` (objects keyed by two ids), else None."""
    bare = _bare(kind)
    if get_origin(bare) is not dict:
        return None
    inner = get_args(bare)[1]
    return inner if entry_struct_of(inner) is not None else None


def item_struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct of a `list[Struct]`, else None."""
    bare = _bare(kind)
    return struct_of(get_args(bare)[0]) if get_origin(bare) is list else None


def _bare(kind: Any) -> Any:
    """`kind` without annotations and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
            continue
        if get_origin(kind) not in (Union, UnionType):
            return kind
        rest = [item for item in get_args(kind) if item is not type(None)]
        if len(rest) != 1:
            return kind
        kind = rest[0]
