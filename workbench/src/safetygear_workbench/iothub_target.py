"""Which IoT Hub a command speaks to: the stand-in that runs here, or a real one by its connection string.

A connection string comes from the environment only: command lines show in every process list.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.hub_control import find_hub

CONNECTION_STRING_VARIABLE = "SAFETYGEAR_HUB_CONNECTION_STRING"
DEFAULT_STATE = Path(".safetygear")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?")


@dataclass(frozen=True)
class HubTarget:
    """Where twins and methods of one device are."""

    host: str
    """With the port, where it is not 443."""
    key_name: str
    key: str = field(repr=False)
    device: str
    authority: Path | None = None
    """The stand-in's own certificate authority; None: the machine's."""

    @property
    def is_stand_in(self) -> bool:
        return self.authority is not None


def choose_target(environ: Mapping[str, str], *, state: Path | None, device: str | None) -> HubTarget:
    """`state` names the stand-in's folder; without it the connection string counts, if there is one.

    Raises UserError: no stand-in runs, the connection string can't be used, or the device is not named.
    """
    text = environ.get(CONNECTION_STRING_VARIABLE, "")
    if state is None and text:
        host, key_name, key = parse_connection_string(text)
        if device is None:
            raise UserError(f"a real hub has many devices ({host}).", hint="Name one with --device.")
        return HubTarget(host, key_name, key, device)
    folder = state or DEFAULT_STATE
    ready = find_hub(folder)
    if ready is None:
        raise UserError(
            f"no stand-in runtime runs with the state folder {folder}.",
            hint=f"Start `safetygear simulate`, name its folder with --state, or set {CONNECTION_STRING_VARIABLE} for "
            "a real hub.",
        )
    host, key_name, key = parse_connection_string(ready.service_connection_string)
    return HubTarget(host, key_name, key, device or ready.device, ready.authority)


def parse_connection_string(text: str) -> tuple[str, str, str]:
    """Host, policy and key. Raises UserError, which shows nothing of the string: all of it may be a key."""
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";") if part.strip())
    wrong = [name for name in ("HostName", "SharedAccessKeyName", "SharedAccessKey") if not parts.get(name)]
    problem = f"has no {wrong[0]}" if wrong else ""
    if not problem and not _HOST.fullmatch(parts["HostName"]):
        problem = "has a HostName that is no host"
    if not problem and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", parts["SharedAccessKeyName"]):
        problem = "has a SharedAccessKeyName that is no policy's name"
    if not problem and not _is_base64(parts["SharedAccessKey"]):
        problem = "has a SharedAccessKey that is not base64"
    if problem:
        raise UserError(
            f"{CONNECTION_STRING_VARIABLE} {problem}.",
            hint="It must be a service policy's: HostName=…;SharedAccessKeyName=service;SharedAccessKey=…",
        )
    return parts["HostName"], parts["SharedAccessKeyName"], parts["SharedAccessKey"]


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
