"""A struct's fields, depth first, with what each one means: the rows of the reference's tables."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import inspect as msgspec_inspect

from safetygear.twin.wire_types import (
    description,
    entry_dict_of,
    entry_struct_of,
    item_struct_of,
    struct_of,
    wire_type,
)


@dataclass(frozen=True)
class FieldRow:
    """One field. `path` by wire names: `cameras[].latencyMs.p50`, `dropped.<name>`."""

    path: str
    type: str
    unit: str
    """Empty where there is none."""
    limits: str
    meaning: str
    """Empty where nobody has written it down."""

    def form(self) -> str:
        """Type and limits in one cell."""
        limits = re.sub(r"of the form (\S+)", r"of the form `\1`", self.limits)
        return f"{self.type}, {limits}" if limits else self.type


def rows(kind: type[msgspec.Struct]) -> list[FieldRow]:
    """Every field of a struct and of the structs in it; those of an object come after the object."""
    return _rows(kind, "", "")


@cache
def meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Python field name to its text: `Meta(description=…)`, else the docstring below the field in the source, else that
    of the struct it holds."""
    found = _attribute_docs(kind)
    for info in msgspec.structs.fields(kind):
        text = description(info.type)
        if text:
            found[info.name] = text
        struct = struct_of(info.type)
        if info.name not in found and struct is not None:
            found[info.name] = own_text(struct)
    return found


@cache
def own_text(kind: type[msgspec.Struct]) -> str:
    """The class's docstring as one paragraph."""
    return _one_paragraph(kind.__doc__ or "")


def unit_of(name: str, kind: Any, inherited: str) -> str:
    """The unit that a field's type or, by house rule, its Python name carries; else the one around it."""
    stated = _extra(kind).get("x-unit")
    if stated is not None:
        return str(stated)
    if _extra(kind).get("format") == "date-time":
        return "RFC 3339, UTC"
    for pattern, unit in _UNITS:
        if re.search(pattern, name):
            return unit
    return inherited if _is_number(kind) or struct_of(kind) is not None else ""


_UNITS = (
    (r"_ms$", "ms"),
    (r"_s$|^seconds_", "s"),
    (r"_px$", "px"),
    (r"_fps$", "frames/s"),
    (r"_blocks$", "4 KB blocks"),
    (r"_percent$", "%"),
    (r"_bytes$", "bytes"),
)


def _rows(kind: type[msgspec.Struct], prefix: str, unit: str) -> list[FieldRow]:
    texts = meanings(kind)
    found: list[FieldRow] = []
    for info in msgspec.structs.fields(kind):
        path = f"{prefix}{info.encode_name}"
        words = wire_type(info.type)
        own_unit = unit_of(info.name, info.type, unit)
        inner, item, entry = struct_of(info.type), item_struct_of(info.type), entry_struct_of(info.type)
        by_two = entry_dict_of(info.type)
        by_id = entry is not None or by_two is not None
        name = "object by id" if by_id else _choice(info.type) or words.name
        shown_unit = "" if inner is not None or item is not None or by_id else own_unit
        found.append(FieldRow(path, name + _or_null(info.type), shown_unit, words.limits, texts.get(info.name, "")))
        if inner is not None:
            found += _rows(inner, f"{path}.", own_unit)
        elif item is not None:
            found += _rows(item, f"{path}[].", "")
        elif entry is not None:
            found += _rows(entry, f"{path}.<id>.", "")
        elif by_two is not None:
            below = entry_struct_of(by_two)
            assert below is not None
            found += _rows(below, f"{path}.<id>.<id>.", "")
    return found


def _choice(kind: Any) -> str:
    """The values of a Literal in the order in which the type names them; empty for other types."""
    kind = _without_annotations(kind)
    for bare in (kind, *map(_without_annotations, get_args(kind))):
        if get_origin(bare) is Literal:
            values = [f"`{value}`" for value in get_args(bare)]
            return f"one of {', '.join(values)}" if len(values) > 1 else values[0]
    return ""


def _or_null(kind: Any) -> str:
    return " or null" if NoneType in get_args(_without_annotations(kind)) else ""


def _without_annotations(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _is_number(kind: Any) -> bool:
    return wire_type(kind).name in ("number", "whole number")


def _extra(kind: Any) -> dict[str, Any]:
    node = msgspec_inspect.type_info(kind)
    if isinstance(node, msgspec_inspect.UnionType):
        node = next((item for item in node.types if isinstance(item, msgspec_inspect.Metadata)), node)
    return dict(node.extra_json_schema or {}) if isinstance(node, msgspec_inspect.Metadata) else {}


def _attribute_docs(kind: type) -> dict[str, str]:
    """The string literal below each annotated field: Python keeps it in the source only."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = _one_paragraph(below.value.value)
    return found


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())
