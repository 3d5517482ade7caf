"""The deployment that a simulation runs: the manifest with this run's cameras and settings. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from safetygear.errors import UserError
from safetygear.secret_references import ENVIRONMENT_PREFIX, Secret
from safetygear_workbench.edge_runtime.manifest import Manifest
from safetygear_workbench.edge_runtime.module_specs import ModuleSpec
from safetygear_workbench.edge_runtime.process_plan import on_loopback
from safetygear_workbench.simulation.options import SimulatedCamera

CAPTURE, INFERENCE = "safetygear_capture", "safetygear_inference"
_INFERENCE_SETTINGS: dict[str, Any] = {
    "detections": {"policy": "all"},
    # What one S1 unit of a hub takes in a day, and no pacing: one camera can send `all` for 20 hours.
    "budget": {"dailyBlocks": 400_000, "burstPercent": 100},
    "healthIntervalS": 10,
}
DESIRED = "properties.desired"


def modules_of(specs: Sequence[ModuleSpec], package: str) -> list[str]:
    """Ids of the modules that run `package`."""
    return [spec.id for spec in specs if spec.running and spec.image is not None and spec.image.package == package]


def has_cameras(manifest: Manifest, specs: Sequence[ModuleSpec]) -> bool:
    """Whether the manifest names cameras of its own, as the demo template does."""
    return any(_desired(manifest.content, module).get("cameras") for module in modules_of(specs, CAPTURE))


def camera_properties(camera: SimulatedCamera, served_at: Mapping[str, int]) -> dict[str, Any]:
    """The camera as a desired property; `served_at`: the port of each camera that is a clip."""
    if camera.address is None:
        return {"url": f"rtsp://127.0.0.1:{served_at[camera.id]}/{camera.id}"}
    properties = {"url": camera.address.url}
    for name, variable, secret in _secret_fields(camera):
        if secret is not None:
            properties[name] = f"env:{variable}"
    return properties


def camera_secrets(cameras: Sequence[SimulatedCamera]) -> dict[str, str]:
    """The environment variables that `camera_properties` refers to."""
    return {
        variable: secret.reveal()
        for camera in cameras
        for _, variable, secret in _secret_fields(camera)
        if secret is not None
    }


def deployment(
    manifest: Manifest,
    specs: Sequence[ModuleSpec],
    cameras: Mapping[str, Mapping[str, Any]],
    *,
    zones: Mapping[str, Mapping[str, Any]] | None = None,
    rendered: bool = False,
) -> dict[str, Any]:
    """The rendered manifest with `cameras` instead of its own (where any are given) and policy `all`.

    `zones`: of cameras for which the manifest has none. `rendered`: nobody real is to be seen on any of them, so that
    the live page may show faces. Registry credentials are left out: nothing is pulled. Raises UserError where nobody
    would take the cameras.
    """
    captures = modules_of(specs, CAPTURE)
    if cameras and not captures:
        raise UserError("the manifest runs no capture module:", hint="it needs one whose image is ${MODULES.capture}.")
    content = copy.deepcopy(manifest.content)
    settings = content["modulesContent"]["$edgeAgent"][DESIRED].get("runtime", {}).get("settings", {})
    settings.pop("registryCredentials", None)
    if cameras:
        for module in captures:
            _desired(content, module)["cameras"] = {}
        _desired(content, captures[0])["cameras"] = {name: dict(value) for name, value in cameras.items()}
    for module in modules_of(specs, INFERENCE):
        desired = _desired(content, module)
        _overlay(desired, _INFERENCE_SETTINGS)
        if zones:
            desired["zones"] = {**zones, **desired.get("zones", {})}
        if rendered:
            _overlay(desired, {"page": {"faces": "clear"}})
        elif cameras and has_cameras(manifest, specs) and isinstance(desired.get("page"), dict):
            # What the manifest says of its own cameras does not hold for others.
            desired["page"].pop("faces", None)
    hosts = [spec.id for spec in specs if spec.image is not None]
    for module in captures:
        # A container's name, as in the demo template, is nobody's name on this machine.
        content["modulesContent"][module][DESIRED] = on_loopback(_desired(content, module), hosts)
    return content


def _desired(content: dict[str, Any], module: str) -> dict[str, Any]:
    part = content["modulesContent"].setdefault(module, {})
    desired = part.setdefault(DESIRED, {}) if isinstance(part, dict) else None
    if not isinstance(desired, dict):
        raise UserError(f"the manifest's modulesContent.{module}.{DESIRED} must be an object.")
    return desired


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping):
            old = below.get(key)
            below[key] = {**(old if isinstance(old, dict) else {}), **value}
        else:
            below[key] = value


def _secret_fields(camera: SimulatedCamera) -> tuple[tuple[str, str, Secret | None], ...]:
    if camera.address is None:
        return ()
    prefix = f"{ENVIRONMENT_PREFIX}CAMERA_{re.sub('[^A-Z0-9]', '_', camera.id.upper())[:40]}"
    return (
        ("username", f"{prefix}_USER", camera.address.username),
        ("password", f"{prefix}_PASSWORD", camera.address.password),
    )
