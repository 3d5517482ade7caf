"""One inference module becomes several, each with a share of the cameras. Pure.

Every instance is a module with its own data volume and page. capture names the shards in its twin and spreads the
cameras over them; a route's condition on the property `shard` takes each shard's messages to its instance.
"""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from safetygear.errors import UserError

CAPTURE, INFERENCE = "capture", "inference"
DESIRED: Final = "properties.desired"
MOST: Final = 16
_DATA_TARGET = "/data"
_PAGE_PORT = "8080/tcp"
_TO_INFERENCE = re.compile(rf'^(FROM \S+) INTO BrokeredEndpoint\("/modules/{INFERENCE}/inputs/(\w+)"\)$')
_FROM_INFERENCE = re.compile(rf"^FROM /messages/modules/{INFERENCE}/")


def sharded(template: dict[str, Any], instances: int) -> dict[str, Any]:
    """`template` with so many inference modules. The first keeps its name, its data and its page.

    Raises UserError where the template has no capture or inference module, or a route that can't be split.
    """
    if not 2 <= instances <= MOST:
        raise UserError(f"{instances} instances:", hint=f"give 2 to {MOST}; one is what the template has.")
    content = copy.deepcopy(template)
    try:
        contents = content["modulesContent"]
        modules = contents["$edgeAgent"][DESIRED]["modules"]
        routes = contents["$edgeHub"][DESIRED]["routes"]
        first = modules[INFERENCE]
        capture = contents[CAPTURE][DESIRED]
    except (KeyError, TypeError) as exc:
        raise UserError("the template needs modules named capture and inference, and routes:", hint=str(exc)) from exc
    names = {name_of(number): shard_of(number) for number in range(1, instances + 1)}
    capture["shards"] = list(names.values())
    for number, (name, shard) in enumerate(names.items(), 1):
        if number > 1:
            modules[name] = copy.deepcopy(first)
            contents[name] = copy.deepcopy(contents[INFERENCE])
            _set_apart(modules[name]["settings"]["createOptions"], name, number)
        modules[name].setdefault("env", {})["SAFETYGEAR_SHARDS"] = {"value": shard}
    contents["$edgeHub"][DESIRED]["routes"] = {
        key: value for old, route in routes.items() for key, value in _routes(old, route, names).items()
    }
    return content


def name_of(number: int) -> str:
    """inference, inference-2, …"""
    return INFERENCE if number == 1 else f"{INFERENCE}-{number}"


def shard_of(number: int) -> str:
    """shard-1, shard-2, …"""
    return f"shard-{number}"


def _set_apart(options: dict[str, Any], name: str, number: int) -> None:
    host = options["HostConfig"]
    for mount in host.get("Mounts", []):
        if mount["Target"] == _DATA_TARGET:
            # Two outboxes in one folder would take each other for a leftover.
            mount["Source"] = mount["Source"].replace(INFERENCE, name)
    for binding in host.get("PortBindings", {}).get(_PAGE_PORT, []):
        binding["HostPort"] = str(int(binding["HostPort"]) + number - 1)


def _routes(name: str, route: dict[str, Any], names: dict[str, str]) -> dict[str, dict[str, Any]]:
    text = route["route"]
    to_inference = _TO_INFERENCE.match(text)
    if to_inference is not None:
        source, port = to_inference.groups()
        return {
            _numbered(name, number): route
            | {"route": f"{source} WHERE shard = '{shard}' INTO BrokeredEndpoint(\"/modules/{module}/inputs/{port}\")"}
            for number, (module, shard) in enumerate(names.items(), 1)
        }
    if _FROM_INFERENCE.match(text):
        return {
            _numbered(name, number): route | {"route": _FROM_INFERENCE.sub(f"FROM /messages/modules/{module}/", text)}
            for number, module in enumerate(names, 1)
        }
    if f"/modules/{INFERENCE}/" in text:
        raise UserError(
            f"route {name} can't be split: {text}", hint="give it the form FROM … INTO BrokeredEndpoint(…)."
        )
    return {name: route}


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}{number}"
