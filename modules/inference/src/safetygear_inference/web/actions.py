"""What the page lets somebody do beside looking: judge events, and draw zones. Who may is the server's business."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from safetygear.errors import SafetyGearError
from safetygear.hub.port import Json, MethodRequest, MethodResponse
from safetygear_inference.zone_desk import ZoneDesk

Answer = tuple[int, dict[str, Any]]
"""HTTP status and JSON document; {"error", "code"} where it is no 200."""


@dataclass(frozen=True)
class PageActions:
    """`call` answers direct methods: the page's verdicts are checked and kept as those from the hub are."""

    call: Callable[[MethodRequest], Awaitable[MethodResponse]]
    zones: ZoneDesk

    async def judge(self, body: bytes) -> Answer:
        """`{"eventId", "verdict", "note"?}`: the method `acknowledge`."""
        said = _read(body)
        if said is None:
            return _NOT_JSON
        answer = await self.call(MethodRequest("acknowledge", said))
        return answer.status, dict(answer.payload) if isinstance(answer.payload, dict) else {}

    def check_zones(self, body: bytes) -> Answer:
        """`{"zones": {camera: {id: zone or null}}}`: 200 and `errors`, what would be wrong."""
        patch = _read(body)
        if patch is None:
            return _NOT_JSON
        return 200, {"errors": [msgspec.to_builtins(error) for error in self.zones.errors(patch)]}

    async def apply_zones(self, body: bytes) -> Answer:
        """The same, and into the twin where nothing is wrong: 200; 400 with `errors`; 409 on a device; 502."""
        if not self.zones.can_apply:
            return 409, {
                "error": "a module can't change its own twin: copy the fragment into it",
                "code": "copy-only",
            }
        status, found = self.check_zones(body)
        if status != 200:
            return status, found
        if found["errors"]:
            return 400, {"error": "these zones can't be used", "code": "zones-invalid", **found}
        try:
            await self.zones.apply(json.loads(body))
        except SafetyGearError as exc:
            return 502, {"error": str(exc), "code": exc.code}
        return 200, {"errors": []}


_NOT_JSON: Answer = (400, {"error": "the body must be a JSON object", "code": "bad-argument"})


def _read(body: bytes) -> dict[str, Json] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
