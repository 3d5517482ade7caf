"""What the hub takes from a rendered deployment: modules, routes, desired properties. Pure; all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.routes import LONGEST_TTL_S, Route, is_time_to_live, parse_routes
from safetygear_workbench.edge_runtime.twins import InvalidPropertiesError, TwinDocument

DEFAULT_TTL_S = 7200.0
"""edgeHub's storeAndForwardConfiguration.timeToLiveSecs where the deployment says nothing."""


@dataclass(frozen=True)
class Deployment:
    """A deployment that can be applied as it is."""

    routes: tuple[Route, ...]
    default_ttl_s: float
    desired: Mapping[str, Mapping[str, Any] | None]
    """By module id; None leaves the module's twin as it stands."""


def parse_deployment(manifest: Any) -> Deployment:
    """Raises UserError naming the place that is wrong."""
    content = manifest.get("modulesContent") if isinstance(manifest, dict) else None
    if not isinstance(content, dict):
        raise UserError("the manifest has no modulesContent.", hint="Is it a deployment manifest?")
    agent, hub = _desired(content, "$edgeAgent"), _desired(content, "$edgeHub")
    modules = agent.get("modules", {})
    if not isinstance(modules, dict):
        raise UserError("modulesContent.$edgeAgent.properties.desired.modules must be an object.")
    forward = hub.get("storeAndForwardConfiguration") or {}
    if not isinstance(forward, dict):
        raise UserError("storeAndForwardConfiguration must be an object.")
    ttl_s = forward.get("timeToLiveSecs")
    if ttl_s is not None and not is_time_to_live(ttl_s):
        raise UserError(
            f"storeAndForwardConfiguration.timeToLiveSecs is {ttl_s!r}.", hint=f"Use seconds, 0 to {LONGEST_TTL_S}."
        )
    desired = {module: _module_desired(content, module) for module in modules}
    return Deployment(parse_routes(hub), float(ttl_s or DEFAULT_TTL_S), desired)


def _desired(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    desired = part.get("properties.desired") if isinstance(part, dict) else None
    if not isinstance(desired, dict):
        raise UserError(
            f"the manifest has no object modulesContent.{name}.properties.desired.", hint="Is it a deployment manifest?"
        )
    return desired


def _module_desired(content: Mapping[str, Any], module: str) -> Mapping[str, Any] | None:
    part = content.get(module)
    if part is None or (isinstance(part, dict) and part.get("properties.desired") is None):
        return None
    desired = _desired(content, module)
    try:
        TwinDocument().replace_desired(desired)
    except InvalidPropertiesError as exc:
        raise UserError(f"module {module}'s desired properties: {exc}.") from exc
    return desired
