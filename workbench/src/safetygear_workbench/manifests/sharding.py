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
    contents = _object(content, "modulesContent")
    in_agent = ("modulesContent", "$edgeAgent", DESIRED, "modules")
    modules = _object(content, *in_agent)
    routes = _object(content, "modulesContent", "$edgeHub", DESIRED, "routes")
    first = _object(content, *in_agent, INFERENCE)
    _object(content, *in_agent, INFERENCE, "settings", "createOptions", "HostConfig")
    first.setdefault("env", {})
    _object(content, *in_agent, INFERENCE, "env")
    _object(content, "modulesContent", INFERENCE, DESIRED)
    capture = _object(content, "modulesContent", CAPTURE, DESIRED)
    names = {name_of(number): shard_of(number) for number in range(1, instances + 1)}
    capture["shards"] = list(names.values())
    for number, (name, shard) in enumerate(names.items(), 1):
        if number > 1:
            modules[name] = copy.deepcopy(first)
            contents[name] = copy.deepcopy(contents[INFERENCE])
            _set_apart(modules[name]["settings"]["createOptions"]["HostConfig"], name, number)
        modules[name]["env"]["SAFETYGEAR_SHARDS"] = {"value": shard}
    contents["$edgeHub"][DESIRED]["routes"] = {
        key: value
        for old, route in routes.items()
        if route is not None
        for key, value in _routes(old, route, names).items()
    }
    return content


def name_of(number: int) -> str:
    """inference, inference-2, …"""
    return INFERENCE if number == 1 else f"{INFERENCE}-{number}"


def shard_of(number: int) -> str:
    """shard-1, shard-2, …"""
    return f"shard-{number}"


def _object(content: Any, *path: str) -> dict[str, Any]:
    """The object below `content`. Raises UserError naming it."""
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    if not isinstance(content, dict):
        raise UserError(
            f"the template has no object {'.'.join(path)}.", hint="Give a template, not what genconfig makes."
        )
    return content


def _set_apart(host: dict[str, Any], name: str, number: int) -> None:
    """Another folder for the data and another port for the page than the first instance has."""
    try:
        for mount in host.get("Mounts", []):
            if mount["Target"] == _DATA_TARGET:
                mount["Source"] = _own_data(mount["Source"], name)
        binds = [bind.split(":") for bind in host.get("Binds", [])]
        for bind in binds:
            if bind[1] == _DATA_TARGET:
                bind[0] = _own_data(bind[0], name)
        if binds:
            host["Binds"] = [":".join(bind) for bind in binds]
        for binding in host.get("PortBindings", {}).get(_PAGE_PORT, []):
            binding["HostPort"] = str(int(binding["HostPort"]) + number - 1)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as exc:
        raise UserError(
            f"{INFERENCE}'s HostConfig has a mount, a bind or a port that can't be read ({exc}).",
            hint="Mounts need Source and Target, Binds SOURCE:TARGET, PortBindings a HostPort that is a number.",
        ) from exc


def _own_data(source: str, name: str) -> str:
    """Two outboxes in one folder would take each other for a leftover."""
    own = source.replace(INFERENCE, name)
    if own == source:
        raise UserError(
            f"the data of {INFERENCE} is kept in {source}, which every instance would share.",
            hint=f"Name it after the module, such as {INFERENCE}-data.",
        )
    return own


def _routes(name: str, value: Any, names: dict[str, str]) -> dict[str, Any]:
    text = value.get("route") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise UserError(f"route {name} is neither a text nor an object with a route.")

    def like_it(changed: str) -> Any:
        return value | {"route": changed} if isinstance(value, dict) else changed

    to_inference = _TO_INFERENCE.match(text)
    if to_inference is not None:
        source, port = to_inference.groups()
        return {
            _numbered(name, number): like_it(
                f"{source} WHERE shard = '{shard}' INTO BrokeredEndpoint(\"/modules/{module}/inputs/{port}\")"
            )
            for number, (module, shard) in enumerate(names.items(), 1)
        }
    if _FROM_INFERENCE.match(text):
        return {
            _numbered(name, number): like_it(_FROM_INFERENCE.sub(f"FROM /messages/modules/{module}/", text))
            for number, module in enumerate(names, 1)
        }
    if f"/modules/{INFERENCE}/" in text:
        raise UserError(
            f"route {name} can't be split: {text}", hint="give it the form FROM … INTO BrokeredEndpoint(…)."
        )
    return {name: value}


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}{number}"
