"""The module's environment variables, read once into one typed object."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetygear.errors import UserError
from safetygear.listen import Listen, parse_listen

FramesTransport = Literal["ring", "jpeg"]
_INSTANCE = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True)
class Environment:
    """Where things are, where to listen."""

    frames_dir: Path
    secrets_dir: Path
    metrics_listen: Listen | None
    log_level: str
    transport: FramesTransport
    instance: str


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Raises UserError naming the variable, its value and what would be right. An empty variable counts as unset."""

    def get(name: str, default: str) -> str:
        return environ.get(name, "").strip() or default

    transport = get("SAFETYGEAR_FRAMES_TRANSPORT", "ring")
    if transport not in ("ring", "jpeg"):
        raise UserError(f"SAFETYGEAR_FRAMES_TRANSPORT is {transport!r}:", hint="use ring or jpeg")
    level = get("SAFETYGEAR_LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise UserError(f"SAFETYGEAR_LOG_LEVEL is {level!r}:", hint="use DEBUG, INFO, WARNING or ERROR")
    instance = get("SAFETYGEAR_INSTANCE", get("IOTEDGE_MODULEID", socket.gethostname()))
    if _INSTANCE.fullmatch(instance) is None:
        raise UserError(f"SAFETYGEAR_INSTANCE is {instance!r}:", hint="use A-Z a-z 0-9 _ . - (at most 128 characters)")
    return Environment(
        frames_dir=Path(get("SAFETYGEAR_FRAMES_DIR", "/frames")),
        secrets_dir=Path(get("SAFETYGEAR_SECRETS_DIR", "/secrets")),
        metrics_listen=_metrics_listen(get("SAFETYGEAR_METRICS_LISTEN", "0.0.0.0:9600")),
        log_level=level,
        transport="jpeg" if transport == "jpeg" else "ring",
        instance=instance,
    )


def _metrics_listen(text: str) -> Listen | None:
    if text == "off":
        return None
    try:
        return parse_listen(text)
    except UserError as exc:
        raise UserError(f"SAFETYGEAR_METRICS_LISTEN: {exc}", hint="Or write off.") from exc
