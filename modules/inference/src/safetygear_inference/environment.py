"""The module's environment variables, read once into one typed object."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from safetygear.environment import FramesTransport, Variables
from safetygear.errors import UserError
from safetygear.listen import Listen
from safetygear_inference.detectors.runtimes.choice import BY_TRYING, WantedPrecision, WantedRuntime, Wish
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, ORT_NAMES, Provider
from safetygear_inference.prediction.settings import PredictionSettings, read_settings
from safetygear_inference.web.access import host_name
from safetygear_inference.web.local_zones import VARIABLE as APPLY
from safetygear_inference.web.local_zones import local_address

SHARD = re.compile(r"[A-Za-z0-9_-]{1,64}")
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
    transport: FramesTransport
    instance: str
    workers: int
    providers: tuple[Provider, ...] = CPU_ONLY
    """The hardware to run networks on, in order of preference."""
    wish: Wish = BY_TRYING
    """How a network is run on the CPU, where it isn't to be chosen by trying."""
    page_apply: str | None = None
    """Where a stand-in runtime on this machine takes zones; holds a secret."""
    device: str = ""
    """The edge device's id; empty outside of IoT Edge."""
    owner: str = "/"
    """`DEVICE/MODULE`."""
    prediction: PredictionSettings = PredictionSettings()  # noqa: RUF009  # frozen
    """The prediction API beside the cameras."""


def read_environment(environ: Mapping[str, str], *, cores: int | None = None) -> Environment:
    """Raises UserError naming the variable, its value and what would be right. An empty variable counts as unset."""
    variables = Variables(environ)
    shards = tuple(part.strip() for part in variables.text("SAFETYGEAR_SHARDS", "default").split(",") if part.strip())
    if not shards or any(SHARD.fullmatch(shard) is None for shard in shards):
        raise UserError(
            f"SAFETYGEAR_SHARDS is {environ['SAFETYGEAR_SHARDS']!r}:",
            hint="give names of A-Z a-z 0-9 _ - (at most 64 characters), separated by commas",
        )
    return Environment(
        frames_dir=variables.folder("SAFETYGEAR_FRAMES_DIR", "/frames"),
        data_dir=variables.folder("SAFETYGEAR_DATA_DIR", "/data"),
        secrets_dir=variables.folder("SAFETYGEAR_SECRETS_DIR", "/secrets"),
        models_dir=variables.folder("MODELS_DIR", "/app/models"),
        metrics_listen=variables.listen("SAFETYGEAR_METRICS_LISTEN", "0.0.0.0:9600"),
        page_listen=variables.listen("SAFETYGEAR_PAGE_LISTEN", "127.0.0.1:8080"),
        page_token=variables.text("SAFETYGEAR_PAGE_TOKEN", "") or None,
        page_apply=local_address(variables.text(APPLY, "")),
        page_hosts=_page_hosts(variables.text("SAFETYGEAR_PAGE_HOSTS", "")),
        log_level=variables.log_level(),
        shards=tuple(dict.fromkeys(shards)),
        transport=variables.frames_transport(),
        instance=variables.instance(),
        device=variables.text("IOTEDGE_DEVICEID", ""),
        owner=variables.owner(),
        prediction=read_settings(variables, listen="off"),
        providers=_providers(variables.text("SAFETYGEAR_PROVIDERS", "cpu")),
        wish=_wish(variables),
        workers=_workers(variables.text("SAFETYGEAR_WORKERS", "0"), cores if cores is not None else available_cores()),
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


def _page_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip() for part in text.split(",") if part.strip())
    if any(host_name(host) is None for host in hosts):
        raise UserError(
            f"SAFETYGEAR_PAGE_HOSTS is {text!r}:",
            hint="give host names or addresses, separated by commas, such as site-07.example,10.0.0.5",
        )
    return hosts


def _providers(text: str) -> tuple[Provider, ...]:
    names = dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip())
    providers = tuple(provider for name in names for provider in ORT_NAMES if provider == name)
    if not providers or len(providers) < len(names):
        raise UserError(
            f"SAFETYGEAR_PROVIDERS is {text!r}:",
            hint=f"give {', '.join(ORT_NAMES)}, those that are wanted most first, separated by commas",
        )
    return providers


def _wish(variables: Variables) -> Wish:
    runtime, precision = (
        variables.text(name, "auto").strip().lower() for name in ("SAFETYGEAR_RUNTIME", "SAFETYGEAR_PRECISION")
    )
    runtimes, precisions = get_args(WantedRuntime), get_args(WantedPrecision)
    if runtime not in runtimes:
        raise UserError(f"SAFETYGEAR_RUNTIME is {runtime!r}:", hint=f"use {', '.join(runtimes)}")
    if precision not in precisions:
        raise UserError(f"SAFETYGEAR_PRECISION is {precision!r}:", hint=f"use {', '.join(precisions)}")
    return Wish(cast(WantedRuntime, runtime), cast(WantedPrecision, precision))


def _workers(text: str, cores: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 64:
        raise UserError(f"SAFETYGEAR_WORKERS is {text!r}:", hint="use 1 to 64, or 0 for one per core")
    return int(text) or cores
