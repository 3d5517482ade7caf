"""The module's environment variables, read once into one typed object."""

from __future__ import annotations

import math
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetygear.errors import UserError
from safetygear.listen import Listen, parse_listen
from safetygear_inference.web.access import host_name

Transport = Literal["ring", "jpeg"]
SHARD = re.compile(r"[A-Za-z0-9_-]{1,64}")
INSTANCE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""cgroup v2: `<quota or max> <period>` in microseconds; what `docker run --cpus` sets."""


@dataclass(frozen=True)
class Environment:
    """Where things are, where to listen, and which shards to read."""

    frames_dir: Path
    data_dir: Path
    secrets_dir: Path
    models_dir: Path
    metrics_listen: Listen | None
    page_listen: Listen | None
    page_token: str | None
    """A secret reference, not the token."""
    page_hosts: tuple[str, ...]
    log_level: str
    shards: tuple[str, ...]
    transport: Transport
    instance: str
    workers: int


def read_environment(environ: Mapping[str, str], *, cores: int | None = None) -> Environment:
    """Raises UserError naming the variable, its value and what would be right. An empty variable counts as unset."""

    def get(name: str, default: str) -> str:
        return environ.get(name, "").strip() or default

    transport = get("SAFETYGEAR_FRAMES_TRANSPORT", "ring")
    if transport not in ("ring", "jpeg"):
        raise UserError(f"SAFETYGEAR_FRAMES_TRANSPORT is {transport!r}:", hint="use ring or jpeg")
    shards = tuple(part.strip() for part in get("SAFETYGEAR_SHARDS", "default").split(",") if part.strip())
    if not shards or any(SHARD.fullmatch(shard) is None for shard in shards):
        raise UserError(
            f"SAFETYGEAR_SHARDS is {environ['SAFETYGEAR_SHARDS']!r}:",
            hint="give names of A-Z a-z 0-9 _ - (at most 64 characters), separated by commas",
        )
    instance = get("SAFETYGEAR_INSTANCE", get("IOTEDGE_MODULEID", socket.gethostname()))
    if INSTANCE.fullmatch(instance) is None:
        raise UserError(f"SAFETYGEAR_INSTANCE is {instance!r}:", hint="use A-Z a-z 0-9 _ . - (at most 128 characters)")
    return Environment(
        frames_dir=Path(get("SAFETYGEAR_FRAMES_DIR", "/frames")),
        data_dir=Path(get("SAFETYGEAR_DATA_DIR", "/data")),
        secrets_dir=Path(get("SAFETYGEAR_SECRETS_DIR", "/secrets")),
        models_dir=Path(get("MODELS_DIR", "/app/models")),
        metrics_listen=_listen("SAFETYGEAR_METRICS_LISTEN", get("SAFETYGEAR_METRICS_LISTEN", "0.0.0.0:9600")),
        page_listen=_listen("SAFETYGEAR_PAGE_LISTEN", get("SAFETYGEAR_PAGE_LISTEN", "127.0.0.1:8080")),
        page_token=get("SAFETYGEAR_PAGE_TOKEN", "") or None,
        page_hosts=_page_hosts(get("SAFETYGEAR_PAGE_HOSTS", "")),
        log_level=_log_level(get("SAFETYGEAR_LOG_LEVEL", "INFO")),
        shards=tuple(dict.fromkeys(shards)),
        transport="jpeg" if transport == "jpeg" else "ring",
        instance=instance,
        workers=_workers(get("SAFETYGEAR_WORKERS", "0"), cores if cores is not None else available_cores()),
    )


def available_cores() -> int:
    """Cores this process may keep busy: its CPU affinity, and the container's CPU quota if there is one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        cores = os.cpu_count() or 1
    try:
        quota = CGROUP_CPU_MAX.read_text()
    except OSError:
        return cores
    return min(cores, cores_of_quota(quota) or cores)


def cores_of_quota(cpu_max: str) -> int | None:
    """Whole cores in cgroup v2's `cpu.max`, rounded up; None for no limit or text of another form."""
    match = re.fullmatch(r"(\d+) (\d+)\s*", cpu_max)
    if match is None or int(match[2]) == 0:
        return None
    return max(1, math.ceil(int(match[1]) / int(match[2])))


def _listen(name: str, text: str) -> Listen | None:
    if text == "off":
        return None
    try:
        return parse_listen(text)
    except UserError as exc:
        raise UserError(f"{name}: {exc}", hint="Or write off.") from exc


def _page_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip() for part in text.split(",") if part.strip())
    if any(host_name(host) is None for host in hosts):
        raise UserError(
            f"SAFETYGEAR_PAGE_HOSTS is {text!r}:",
            hint="give host names or addresses, separated by commas, such as site-07.example,10.0.0.5",
        )
    return hosts


def _log_level(text: str) -> str:
    level = text.upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise UserError(f"SAFETYGEAR_LOG_LEVEL is {text!r}:", hint="use DEBUG, INFO, WARNING or ERROR")
    return level


def _workers(text: str, cores: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 64:
        raise UserError(f"SAFETYGEAR_WORKERS is {text!r}:", hint="use 1 to 64, or 0 for one per core")
    return int(text) or cores
