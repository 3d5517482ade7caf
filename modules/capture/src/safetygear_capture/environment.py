"""The module's environment variables, read once into one typed object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetygear.environment import FramesTransport, Variables
from safetygear.listen import Listen


@dataclass(frozen=True)
class Environment:
    """Where things are, where to listen."""

    frames_dir: Path
    secrets_dir: Path
    data_dir: Path
    metrics_listen: Listen | None
    log_level: str
    transport: FramesTransport
    instance: str
    owner: str
    """`DEVICE/MODULE`."""


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Raises UserError naming the variable, its value and what would be right. An empty variable counts as unset."""
    variables = Variables(environ)
    return Environment(
        frames_dir=variables.folder("SAFETYGEAR_FRAMES_DIR", "/frames"),
        secrets_dir=variables.folder("SAFETYGEAR_SECRETS_DIR", "/secrets"),
        data_dir=variables.folder("SAFETYGEAR_DATA_DIR", "/data"),
        metrics_listen=variables.listen("SAFETYGEAR_METRICS_LISTEN", "0.0.0.0:9600"),
        log_level=variables.log_level(),
        transport=variables.frames_transport(),
        instance=variables.instance(),
        owner=variables.owner(),
    )
