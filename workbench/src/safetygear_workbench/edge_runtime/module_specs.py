"""What a rendered manifest asks edgeAgent to run: one typed specification per module. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.manifest import Image, Manifest

RestartPolicy = Literal["always", "on-unhealthy", "on-failure", "never"]
_MODULE_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_LAST_ORDER = 2**32 - 1
"""edgeAgent's default startupOrder: after every module that has one."""


@dataclass(frozen=True)
class Mount:
    """A folder of the container that comes from outside it."""

    source: str
    """A volume's name, or a host path for a bind."""
    target: str
    kind: Literal["tmpfs-volume", "volume", "bind"]


@dataclass(frozen=True)
class ModuleSpec:
    """A module as the manifest describes it."""

    id: str
    image: Image | None
    """None: an image that this repository doesn't build."""
    image_name: str
    arguments: tuple[str, ...]
    """createOptions.Cmd."""
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]
    restart_policy: RestartPolicy
    running: bool
    """False: `status` is `stopped`."""
    startup_order: int


def module_specs(manifest: Manifest) -> tuple[ModuleSpec, ...]:
    """The modules in the order in which edgeAgent starts them. Raises UserError naming the field."""
    path = "modulesContent.$edgeAgent.properties.desired.modules"
    modules = manifest.content["modulesContent"]["$edgeAgent"]["properties.desired"].get("modules", {})
    if not isinstance(modules, dict):
        raise UserError(f"{path} must be an object.")
    specs = [_spec(manifest, module_id, modules[module_id], f"{path}.{module_id}") for module_id in modules]
    return tuple(sorted(specs, key=lambda spec: spec.startup_order))


def _spec(manifest: Manifest, module_id: str, content: Any, path: str) -> ModuleSpec:
    if _MODULE_ID.fullmatch(module_id) is None or module_id in (".", ".."):
        raise UserError(f"{path}: the stand-in takes module ids of A-Z a-z 0-9 _ . - (at most 128 characters).")
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict) or not isinstance(settings.get("image"), str):
        raise UserError(f"{path}.settings.image must be a string.")
    policy = content.get("restartPolicy", "always")
    if policy not in get_args(RestartPolicy):
        raise UserError(f"{path}.restartPolicy is {policy!r}:", hint=f"use {', '.join(get_args(RestartPolicy))}.")
    status = content.get("status", "running")
    if status not in ("running", "stopped"):
        raise UserError(f"{path}.status is {status!r}:", hint="use running or stopped.")
    order = content.get("startupOrder", _LAST_ORDER)
    if not isinstance(order, int) or isinstance(order, bool) or order < 0:
        raise UserError(f"{path}.startupOrder is {order!r}:", hint="use a whole number from 0.")
    options = _create_options(settings, f"{path}.settings.createOptions")
    command = options.get("Cmd") or []
    if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        raise UserError(f"{path}.settings.createOptions.Cmd must be a list of strings.")
    return ModuleSpec(
        id=module_id,
        image=_image_of(settings["image"], manifest.images),
        image_name=settings["image"],
        arguments=tuple(command),
        env=_env(content.get("env", {}), options.get("Env") or [], path),
        mounts=tuple(_mounts(options.get("HostConfig") or {}, f"{path}.settings.createOptions.HostConfig")),
        restart_policy=policy,
        running=status == "running",
        startup_order=order,
    )


def _image_of(name: str, images: tuple[Image, ...]) -> Image | None:
    """By the whole tag, else by the repository's last part: a generated deployment names another registry."""
    for image in images:
        if image.tag == name:
            return image
    return next((image for image in images if _repository(image.tag) == _repository(name)), None)


def _repository(tag: str) -> str:
    return tag.rpartition("/")[2].partition("@")[0].partition(":")[0].lower()


def _create_options(settings: Mapping[str, Any], path: str) -> dict[str, Any]:
    options = settings.get("createOptions", {})
    if isinstance(options, str):
        # genconfig cuts the text into pieces of 512 characters: createOptions, createOptions01, …
        pieces = sorted(key for key in settings if re.fullmatch(r"createOptions\d\d", key))
        text = options + "".join(str(settings[key]) for key in pieces)
        try:
            options = json.loads(text or "{}")
        except json.JSONDecodeError as exc:
            raise UserError(f"{path} is not JSON: {exc.msg} at character {exc.pos}.") from exc
    if not isinstance(options, dict):
        raise UserError(f"{path} must be an object.")
    return options


def _env(entries: Any, image_env: Any, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in image_env if isinstance(image_env, list) else []:
        name, _, value = str(line).partition("=")
        found[name] = value
    if not isinstance(entries, dict):
        raise UserError(f"{path}.env must be an object.")
    for name, entry in entries.items():
        # iotedgehubdev turns a JSON boolean into `False`, whatever it was: strings only.
        if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
            raise UserError(f"{path}.env.{name}.value must be a string.")
        found[name] = entry["value"]
    return found


def _mounts(host_config: Any, path: str) -> list[Mount]:
    if not isinstance(host_config, dict):
        raise UserError(f"{path} must be an object.")
    found = []
    for index, entry in enumerate(host_config.get("Mounts") or []):
        try:
            kind, target = str(entry["Type"]), str(entry["Target"])
            source = str(entry.get("Source") or target)
            driver = (entry.get("VolumeOptions") or {}).get("DriverConfig") or {}
            in_memory = kind == "tmpfs" or (driver.get("Options") or {}).get("type") == "tmpfs"
        except (KeyError, TypeError, AttributeError) as exc:
            raise UserError(f"{path}.Mounts[{index}] needs Type, Source and Target.") from exc
        found.append(Mount(source, target, "bind" if kind == "bind" else _volume_kind(in_memory)))
    for index, text in enumerate(host_config.get("Binds") or []):
        parts = str(text).split(":")
        if len(parts) not in (2, 3):
            raise UserError(f"{path}.Binds[{index}] is {text!r}:", hint="use SOURCE:TARGET[:ro].")
        source, target = parts[0], parts[1]
        if source.startswith("/"):
            found.append(Mount(source, target, "tmpfs-volume" if source.startswith("/dev/shm/") else "bind"))
        else:
            found.append(Mount(source, target, "volume"))
    return found


def _volume_kind(in_memory: bool) -> Literal["tmpfs-volume", "volume"]:
    return "tmpfs-volume" if in_memory else "volume"
