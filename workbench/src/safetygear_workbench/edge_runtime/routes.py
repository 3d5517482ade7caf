"""Routes of a deployment: `FROM <source> [WHERE <condition>] INTO <sink>`, with priority and time to live.

Source: Microsoft, "Learn how to deploy modules and establish routes in IoT Edge": a plain string (schema 1.0) or
{route, priority 0..9, timeToLiveSecs} (schema 1.1 and later).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.condition_terms import ConditionError, RoutedMessage
from safetygear_workbench.edge_runtime.conditions import parse_condition

UPSTREAM = "$upstream"
DEFAULT_PRIORITY = 10
"""Below every priority that can be given: 0 (first) to 9."""
LONGEST_TTL_S = 2**32 - 1
_ROUTE = re.compile(
    r"^\s*(?:SELECT\s+\*\s+)?FROM\s+(?P<source>/\S*)(?:\s+WHERE\s+(?P<condition>.+?))?\s+INTO\s+"
    r"(?:(?P<upstream>\$upstream)|BrokeredEndpoint\(\s*[\"'](?P<endpoint>[^\"']+)[\"']\s*\))\s*$",
    re.IGNORECASE | re.DOTALL,
)
_ENDPOINT = re.compile(r"^/?modules/(?P<module>[^/]+)/inputs/(?P<input>[^/]+)/?$", re.IGNORECASE)
_DEFINED_IN_BODY = re.compile(r"\bis_(?:defined|null)\s*\(\s*\{?\$body\b", re.IGNORECASE)
_CAUTION = (
    "edgeHub takes a field that the body lacks for null: to it, is_defined holds for every field, and is_null can't be "
    "relied on; write $body.… != null, or = null"
)


@dataclass(frozen=True)
class Sink:
    """Where messages go: a module's input, or upstream (input empty)."""

    module: str
    input: str = ""

    @property
    def is_upstream(self) -> bool:
        return self.module == UPSTREAM


@dataclass(frozen=True)
class Route:
    """One parsed route."""

    name: str
    sink: Sink
    source: str
    """A path in lower case that ends with `/`: what is below it is meant."""
    condition: Callable[[RoutedMessage], bool] | None = None
    priority: int = DEFAULT_PRIORITY
    time_to_live_s: float | None = None
    caution: str = ""
    """Where the condition means something else to edgeHub than to Microsoft's description of the language: what."""

    def matches(self, message: RoutedMessage) -> bool:
        path = f"/messages/modules/{message.module}/outputs/{message.output}/"
        if not message.output:
            path = f"/messages/modules/{message.module}/"
        return path.lower().startswith(self.source) and (self.condition is None or self.condition(message))


def parse_route(name: str, value: Any) -> Route:
    """The route called `name`. Raises UserError naming the route and what is wrong with it."""
    if not isinstance(value, Mapping):
        text, priority, ttl = value, DEFAULT_PRIORITY, None
    else:
        text, priority, ttl = (
            value.get("route", ""),
            value.get("priority", DEFAULT_PRIORITY),
            value.get("timeToLiveSecs"),
        )
        if "priority" in value and (type(priority) is not int or priority not in range(10)):
            raise UserError(f"route {name}: priority is {priority!r}.", hint="It must be 0 (first) to 9.")
        if ttl is not None and not is_time_to_live(ttl):
            raise UserError(f"route {name}: timeToLiveSecs is {ttl!r}.", hint=f"Use seconds, 0 to {LONGEST_TTL_S}.")
    match = _ROUTE.match(text) if isinstance(text, str) else None
    if match is None:
        raise UserError(
            f"route {name} can't be read: {text!r}.",
            hint='Expected FROM /messages/… [WHERE …] INTO $upstream or BrokeredEndpoint("/modules/M/inputs/I").',
        )
    if match["upstream"]:
        sink = Sink(UPSTREAM)
    else:
        endpoint = _ENDPOINT.match(match["endpoint"])
        if endpoint is None:
            raise UserError(f"route {name}: endpoint {match['endpoint']!r}.", hint="Expected /modules/M/inputs/I.")
        sink = Sink(endpoint["module"], endpoint["input"])
    try:
        condition = parse_condition(match["condition"]) if match["condition"] else None
    except ConditionError as exc:
        raise UserError(f"route {name}: {exc}.", hint="See the IoT Hub routing query syntax.") from exc
    caution = _CAUTION if match["condition"] and _DEFINED_IN_BODY.search(match["condition"]) else ""
    return Route(name, sink, _source(name, match["source"]), condition, priority, ttl or None, caution)


def parse_routes(hub_desired: Mapping[str, Any]) -> tuple[Route, ...]:
    """The routes of an edgeHub's desired properties, in the order of priority; a null removes a route.

    Of routes into one sink, the first that matches takes the message.
    """
    routes = hub_desired.get("routes") or {}
    if not isinstance(routes, Mapping):
        raise UserError("$edgeHub's routes must be an object.")
    parsed = [parse_route(name, value) for name, value in routes.items() if value is not None]
    return tuple(sorted(parsed, key=lambda route: route.priority))


def is_time_to_live(value: Any) -> bool:
    """Whether a manifest may have `value` as a number of seconds; 0 stands for the hub's default."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_TTL_S


def _source(name: str, source: str) -> str:
    """edgeHub cuts a final `*` off and compares whole steps of the path; a `*` elsewhere is a letter to it."""
    path = source.rstrip("*").rstrip("/").lower() + "/"
    if "*" in path:
        raise UserError(
            f"route {name}: the source {source} has a * before its end, and edgeHub would find nothing for it.",
            hint="End it with the *: FROM /messages/modules/M/outputs/* or FROM /messages/*.",
        )
    return path
