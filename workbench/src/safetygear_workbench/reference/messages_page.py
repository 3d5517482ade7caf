"""docs/messages.md. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from safetygear_workbench.reference.fields import FieldRow, own_text, rows
from safetygear_workbench.reference.markdown import NOTICE, code, json_block, page, table
from safetygear_workbench.reference.messages_catalogue import ENTRIES, PROPERTY_MEANINGS, MessageEntry

_ROUTE = re.compile(r"FROM /messages/modules/(\w+)/outputs/(\w+) INTO (\S+)")
_SINK = re.compile(r'BrokeredEndpoint\("/modules/(\w+)/inputs/(\w+)"\)')


@dataclass(frozen=True)
class Route:
    """Where a manifest's route leads."""

    sink: str
    priority: int
    time_to_live_s: int


def routes_of(template: Mapping[str, Any]) -> dict[tuple[str, str], Route]:
    """A manifest's routes by module and output; those without a condition."""
    found = {}
    for value in template["modulesContent"]["$edgeHub"]["properties.desired"]["routes"].values():
        match = _ROUTE.match(value["route"])
        if match is None:
            continue
        sink = _SINK.match(match[3])
        target = "IoT Hub (`$upstream`)" if sink is None else f"{sink[1]}'s input `{sink[2]}`"
        found[match[1], match[2]] = Route(target, value["priority"], value["timeToLiveSecs"])
    return found


def messages_page(template: Mapping[str, Any]) -> str:
    """The whole page; `template` is the deployment whose routes it names."""
    routes = routes_of(template)
    overview = table(
        ("schema", "from", "to", "kept for", "what it says"),
        [
            (
                f"[`{entry.schema}`](#{_anchor(entry.schema)})",
                f"{entry.module} `{entry.output}`",
                routes[entry.module, entry.output].sink,
                _duration(routes[entry.module, entry.output].time_to_live_s),
                own_text(entry.kind).split(". ")[0].rstrip("."),
            )
            for entry in ENTRIES
        ],
    )
    return page(NOTICE, "# Messages", _INTRODUCTION, overview, _ROUTING, *(_section(entry) for entry in ENTRIES))


def fields_table(fields: list[FieldRow]) -> str:
    """The table below an example."""
    return table(
        ("field", "type", "unit", "meaning"),
        [(code(row.path), row.form(), row.unit, row.meaning) for row in fields],
    )


def _section(entry: MessageEntry) -> str:
    properties = table(
        ("routing property", "in the example", "meaning"),
        [(code(name), code(value), PROPERTY_MEANINGS.get(name, "")) for name, value in entry.properties.items()],
    )
    return page(
        f"## {entry.schema}",
        own_text(entry.kind),
        f"**Sent** {entry.when[0].lower()}{entry.when[1:]}",
        *entry.reading,
        json_block(msgspec.to_builtins(entry.example)),
        properties,
        fields_table(rows(entry.kind)),
        f"JSON Schema: [schemas/{schema_file(entry.schema)}](schemas/{schema_file(entry.schema)})",
    )


def schema_file(schema: str) -> str:
    """`safetygear.detections/1` to `safetygear.detections.1.json`."""
    return f"{schema.replace('/', '.')}.json"


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _duration(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds > size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


_INTRODUCTION = """\
Everything that travels between the modules or to IoT Hub. JSON in UTF-8, names in camelCase, and `schema` names layout
and version: within a version fields are only added, so ignore what you do not know. Times are UTC as RFC 3339 with
milliseconds. Boxes are shares (0 to 1) of the camera's full frame, named as Custom Vision names them. `null` says
"there is none". Content type and encoding are set (`application/json`, `utf-8`): IoT Hub can route on the body."""

_ROUTING = """\
**Routing in IoT Hub.** Each message carries application properties; a route's query may look at them or at the body:

```
schema = 'safetygear.event/1' AND severity = 'high'
schema = 'safetygear.health/1' AND $body.budget.shedding = true
```

The device and the module are in the system properties (`iothub-connection-device-id`, `iothub-connection-module-id`).
Delivery is at least once: a message may come twice, and after a time without a connection in bulk. *Kept for* is the
time to live of the template's route: as long as the device has no connection, edgeHub keeps a message for that time."""
