"""From a deployment to processes: what a container would see, mapped to this machine. Pure.

Paths below a mount's target become folders of the state folder (or of the memory folder, for tmpfs); every listen
address becomes a loopback port of its own; `/app/models` becomes the image's folder in the repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetygear_workbench.edge_runtime.module_specs import ModuleSpec, Mount, RestartPolicy

_LISTEN = re.compile(r"(?P<host>[^:]*|\[[^]]*\]):(?P<port>\d{1,5})")
LOOPBACK = "127.0.0.1"
_IMAGE_DEFAULTS = {
    "safetygear_capture": {"SAFETYGEAR_METRICS_LISTEN": "0.0.0.0:9600"},
    "safetygear_inference": {
        "SAFETYGEAR_METRICS_LISTEN": "0.0.0.0:9600",
        "SAFETYGEAR_PAGE_LISTEN": "127.0.0.1:8080",
        "MODELS_DIR": "/app/models",
    },
}
"""What the images listen on without being told: two processes on one machine would clash."""
PAGE = "SAFETYGEAR_PAGE_LISTEN"
PAGE_TOKEN = "SAFETYGEAR_PAGE_TOKEN"


@dataclass(frozen=True)
class Folders:
    """Where things lie on this machine."""

    state: Path
    memory: Path
    """On a tmpfs where there is one; removed at the end."""
    solution: Path


@dataclass(frozen=True)
class ProcessPlan:
    """One process for the supervisor."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Beside what the hub gives a module and what is inherited."""
    inherited_secrets: tuple[str, ...] = ()
    """Names of variables that only this process inherits."""
    is_module: bool = True
    """False: a camera server; it has no identity at the hub."""
    restart_policy: RestartPolicy = "always"
    folders: tuple[str, ...] = ()
    """To be made before its start."""
    listens: Mapping[str, str] = field(default_factory=dict)
    """What people may open: {page, metrics: host:port}."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> ProcessPlan:
        lists = {name: tuple(saved[name]) for name in ("command", "inherited_secrets", "folders")}
        return cls(**{**saved, **lists})


def plan_modules(
    specs: Sequence[ModuleSpec],
    folders: Folders,
    *,
    python: str,
    page_port: int,
    free_port: Callable[[], int],
    usable_secret: Callable[[str], bool],
) -> tuple[ProcessPlan, ...]:
    """Processes for the modules that this repository builds and that are to run, in the order of their start.

    The first page gets `page_port`; every other listener gets a port from `free_port`. A page token whose reference
    `usable_secret` denies is left out: these pages are on loopback, where they need none.
    """
    plans = []
    pages = 0
    for spec in specs:
        if spec.image is None or not spec.running:
            continue
        env = {**_IMAGE_DEFAULTS.get(spec.image.package, {}), **spec.env}
        if PAGE_TOKEN in env and not usable_secret(env[PAGE_TOKEN]):
            del env[PAGE_TOKEN]
        listens = {}
        for name, value in sorted(env.items()):
            if name.endswith("_LISTEN") and _LISTEN.fullmatch(value):
                is_first_page = name == PAGE and pages == 0
                pages += name == PAGE
                port = page_port if is_first_page and page_port else free_port()
                env[name] = f"{LOOPBACK}:{port}"
                listens[name.removeprefix("SAFETYGEAR_").removesuffix("_LISTEN").lower()] = env[name]
        mapped = {name: _on_this_machine(value, spec, folders) for name, value in env.items()}
        command = (python, "-m", spec.image.package, *(_loopback(part) for part in spec.arguments))
        made = tuple(str(_folder(mount, folders)) for mount in spec.mounts)
        plans.append(
            ProcessPlan(spec.id, command, mapped, restart_policy=spec.restart_policy, folders=made, listens=listens)
        )
    return tuple(plans)


def secrets_folder(specs: Sequence[ModuleSpec], folders: Folders) -> Path:
    """Where a `file:` secret reference points to on this machine."""
    for spec in specs:
        for mount in spec.mounts:
            if mount.target == spec.env.get("SAFETYGEAR_SECRETS_DIR", "/secrets"):
                return _folder(mount, folders)
    return folders.state / "secrets"


def on_loopback(content: Any, hosts: Sequence[str]) -> Any:
    """`content` with URLs that name a module as their host (a container's name) pointing to loopback."""
    if isinstance(content, dict):
        return {key: on_loopback(below, hosts) for key, below in content.items()}
    if isinstance(content, list):
        return [on_loopback(below, hosts) for below in content]
    if isinstance(content, str) and "://" in content:
        for host in hosts:
            content = re.sub(rf"(://(?:[^/@]*@)?){re.escape(host)}(?=[:/]|$)", rf"\g<1>{LOOPBACK}", content)
    return content


def _on_this_machine(value: str, spec: ModuleSpec, folders: Folders) -> str:
    for mount in sorted(spec.mounts, key=lambda mount: -len(mount.target)):
        target = mount.target.rstrip("/")
        if value == target or value.startswith(f"{target}/"):
            return f"{_folder(mount, folders)}{value[len(target) :]}"
    if spec.image is not None and (value == "/app/models" or value.startswith("/app/models/")):
        return f"{folders.solution / spec.image.folder}{value.removeprefix('/app')}"
    return value


def _folder(mount: Mount, folders: Folders) -> Path:
    if mount.kind == "bind":
        return folders.state / _name(mount.target)
    return (folders.memory if mount.kind == "tmpfs-volume" else folders.state / "volumes") / _name(mount.source)


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text.strip("/")) or "root"


def _loopback(argument: str) -> str:
    """A container may listen on all of its addresses; a process of this machine on loopback only."""
    return LOOPBACK if argument in ("0.0.0.0", "::", "[::]") else argument
