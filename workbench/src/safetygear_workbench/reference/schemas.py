"""JSON Schemas of the messages and of both modules' desired properties. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from safetygear.twin.wire_types import entry_struct_of, item_struct_of, struct_of
from safetygear_workbench.reference.fields import meanings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"


def message_schema(kind: type[msgspec.Struct], name: str) -> dict[str, Any]:
    """The schema of a message. Unknown fields are allowed: a newer sender may add some within a version."""
    schema = _schema(kind)
    own = schema["$defs"][kind.__name__]
    own["properties"]["schema"] = {"const": name, "description": meanings(kind)["schema"]}
    own["required"] = ["schema", *own["required"]]
    return {"$schema": DIALECT, "title": name, **schema}


def twin_schema(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    """The schema of a module's desired properties as a whole. Null removes, so it may stand anywhere.

    Unknown fields are refused, since the module reports them as mistakes.
    """
    schema = _schema(kind)
    for struct in _structs(kind):
        own = schema["$defs"][struct.__name__]
        own["additionalProperties"] = False
        fields = {info.encode_name: info.type for info in msgspec.structs.fields(struct)}
        for name, form in own["properties"].items():
            if entry_struct_of(fields[name]) is not None:
                form["propertyNames"] = {"pattern": ID_PATTERN}
                form["additionalProperties"] = _or_null(form["additionalProperties"])
            if not _takes_null(form):
                described = {key: form.pop(key) for key in ("description", "default") if key in form}
                own["properties"][name] = {**described, **_or_null(form)}
    # `$version` and `$metadata` stand in what IoT Hub hands out.
    schema["$defs"][kind.__name__]["patternProperties"] = {r"^\$": {}}
    return {"$schema": DIALECT, "title": title, **schema}


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """msgspec's schema with the fields' own texts in it."""
    schema = msgspec.json.schema(kind)
    for struct in _structs(kind):
        own = schema["$defs"][struct.__name__]
        if "description" in own:
            # Python 3.13 takes a docstring's indent away by itself; the text must not depend on it.
            own["description"] = " ".join(own["description"].split())
        properties = own["properties"]
        for info in msgspec.structs.fields(struct):
            text = meanings(struct).get(info.name)
            form = properties[info.encode_name]
            if text and "$ref" in form:
                # Beside a reference older validators look at nothing: allOf keeps both.
                properties[info.encode_name] = {"description": text, "allOf": [{"$ref": form.pop("$ref")}], **form}
            elif text:
                properties[info.encode_name] = {"description": text, **form}
    return schema


def _structs(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """`kind` and every struct in it, each once."""
    found = [kind]
    for struct in found:
        for info in msgspec.structs.fields(struct):
            for inner in (struct_of(info.type), item_struct_of(info.type), entry_struct_of(info.type)):
                if inner is not None and inner not in found:
                    found.append(inner)
    return found


def _or_null(form: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [form, {"type": "null"}]}


def _takes_null(form: dict[str, Any]) -> bool:
    return {"type": "null"} in form.get("anyOf", [])
