"""Zones into the twin by way of a stand-in runtime on this machine, whose address names a secret of its own.

Only `safetygear simulate` gives such an address. Nobody else's is taken: it has to be on loopback.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

from safetygear.errors import HubError, UserError
from safetygear.hub.port import Json

VARIABLE: Final = "SAFETYGEAR_PAGE_APPLY"
TIMEOUT_S: Final = 5.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9]\d{0,4}/[A-Za-z0-9_-]{20,64}")


def local_address(text: str) -> str | None:
    """The address in the environment's variable; None where it is empty. Raises UserError, without the address: it
    holds a secret."""
    if not text:
        return None
    if _ADDRESS.fullmatch(text) is None:
        raise UserError(f"{VARIABLE} is not an address that the stand-in runtime gives:", hint="leave it unset")
    return text


class LocalZones:
    """An ApplyZones."""

    def __init__(self, address: str) -> None:
        self._address = address
        # No proxy from the environment: both ends are on this machine. A PATCH follows no redirect.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def __call__(self, zones: Mapping[str, Json]) -> None:
        """Raises HubError: the stand-in refused them (`hub-refused`), or does not answer (`hub-unreachable`)."""
        await asyncio.to_thread(self._send, json.dumps({"zones": zones}).encode())

    def _send(self, body: bytes) -> None:
        request = urllib.request.Request(
            self._address, body, {"Content-Type": "application/json"}, method="PATCH"
        )  # its scheme and host were checked
        try:
            with self._opener.open(request, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as exc:
            raise HubError(f"the stand-in runtime refused the zones ({exc.code})", code="hub-refused") from exc
        except OSError as exc:
            raise HubError(
                "the stand-in runtime does not answer; if its hub was restarted, restart the simulation",
                code="hub-unreachable",
            ) from exc
