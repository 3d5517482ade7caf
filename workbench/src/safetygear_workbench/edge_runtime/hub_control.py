"""How other processes find a running hub and steer it: the ready file in its state folder, and its control API."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from safetygear.errors import HubError

READY_FILE = "ready.json"
"""In the hub's state folder while it serves (hub.READY_FILE, without loading the hub)."""


@dataclass(frozen=True)
class HubReady:
    """What the hub says of itself once it serves. Holds keys: it is in no log and in no message."""

    pid: int
    address: str
    control: str
    control_token: str
    rest: str
    service_connection_string: str
    authority: Path
    upstream: Path
    device: str


def read_ready(state: Path) -> HubReady | None:
    """The running hub of a state folder; None while there is none."""
    try:
        saved = json.loads((state / READY_FILE).read_text(encoding="utf-8"))
        return HubReady(
            pid=saved["pid"],
            address=saved["address"],
            control=saved["control"],
            control_token=saved["controlToken"],
            rest=saved["rest"],
            service_connection_string=saved["serviceConnectionString"],
            authority=Path(saved["authority"]),
            upstream=Path(saved["upstream"]),
            device=saved["device"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_hub(state: Path) -> HubReady | None:
    """The hub that runs in a state folder: of `simulate` (in `hub` below it), or a hub on its own.

    What a killed hub has left behind is not taken for one.
    """
    for folder in (state / "hub", state):
        ready = read_ready(folder)
        if ready is not None and _is_running(ready.pid):
            return ready
    return None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


class HubControl:
    """The control API. Every call raises HubError while the hub can't be reached."""

    def __init__(self, ready: HubReady, *, timeout_s: float = 5.0) -> None:
        self._ready = ready
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {ready.control_token}"},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            # A proxy from the environment has no business between two processes of this machine.
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def status(self) -> dict[str, Any]:
        """Routes, upstream's state and counts, modules with their connection and queues."""
        return await self._call("GET", "/status")

    async def module_environment(self, module_id: str) -> dict[str, str]:
        """The IOTEDGE_* variables that make a process this module."""
        return await self._call("GET", f"/modules/{module_id}/environment")

    async def twin(self, module_id: str) -> dict[str, Any]:
        """Both halves of a module's twin: {desired, reported}."""
        return await self._call("GET", f"/modules/{module_id}/twin")

    async def deploy(self, manifest: Mapping[str, Any]) -> None:
        """Apply a deployment again: its desired properties replace what stands in the twins."""
        await self._call("PUT", "/manifest?redeploy=1", manifest)

    async def set_upstream(self, state: str) -> None:
        """`on`, `off` or `quota-exceeded`."""
        await self._call("PUT", "/upstream", {"state": state})

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            async with self._session.request(method, self._ready.control + path, json=body) as response:
                content: dict[str, Any] = await response.json()
                if response.status != 200:
                    raise HubError(f"the hub refused {method} {path}: {content.get('error')}", code="hub-refused")
                return content
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise HubError(f"the hub process does not answer ({type(exc).__name__})", code="hub-unreachable") from exc
