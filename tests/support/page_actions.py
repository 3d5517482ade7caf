"""A page's actions without a module behind them: verdicts are noted, and zones have a twin of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safetygear.errors import HubError
from safetygear.hub.port import Json, MethodRequest, MethodResponse
from safetygear.twin.desired import merged
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.web.actions import PageActions
from safetygear_inference.zone_desk import ZoneDesk

LABELS = ("person", "helmet", "vest", "head", "no-vest", "gloves")


class Actions:
    """`of_page` is what the page is served with. `verdicts`: what was said, by event."""

    def __init__(self, desired: Mapping[str, Any], *, can_apply: bool = True, labels: tuple[str, ...] = LABELS) -> None:
        self.desired = dict(desired)
        self.verdicts: dict[str, str] = {}
        self.refusal: MethodResponse | None = None
        self.applying_fails = False
        desk = ZoneDesk(self.config, lambda: labels, self._apply if can_apply else None)
        self.of_page = PageActions(self._call, desk)

    def config(self) -> InferenceTwin:
        reading = read_desired(InferenceTwin, self.desired, last_good=None)
        assert reading.errors == ()
        return reading.config

    async def _apply(self, zones: Mapping[str, Json]) -> None:
        if self.applying_fails:
            raise HubError("the stand-in runtime does not answer", code="hub-unreachable")
        self.desired = merged(self.desired, {"zones": zones})

    async def _call(self, request: MethodRequest) -> MethodResponse:
        if self.refusal is not None:
            return self.refusal
        assert isinstance(request.payload, dict)
        self.verdicts[request.payload["eventId"]] = request.payload["verdict"]
        return MethodResponse(200, request.payload)
