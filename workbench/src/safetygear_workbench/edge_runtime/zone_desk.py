"""Takes zones from the live page's editor into a module's twin: on loopback, at an address of its own per module.

The address holds a secret that only that module's process is given, and it can do one thing: patch `zones` of that
module's desired properties. It stands in for whoever holds the hub's keys in front of a real device.
"""

from __future__ import annotations

import hmac
import json
from typing import Final

from aiohttp import web

from safetygear_workbench.edge_runtime.broker import EdgeBroker
from safetygear_workbench.edge_runtime.twins import InvalidPropertiesError

VARIABLE: Final = "SAFETYGEAR_PAGE_APPLY"
"""As the inference module reads it."""
MAX_BODY_BYTES: Final = 64 * 1024


def capability(broker: EdgeBroker, module_id: str) -> str:
    """The secret part of a module's address; the same for as long as the hub keeps its keys."""
    key = broker.service_key.encode()
    return hmac.digest(key, f"zones of {module_id}".encode(), "sha256").hex()


def zone_app(broker: EdgeBroker) -> web.Application:
    """The application: `PATCH /<capability>` with {"zones": {camera: {id: zone or null}}}."""

    async def change(request: web.Request) -> web.Response:
        given = request.match_info["capability"].encode()
        modules = [one for one in broker.modules if hmac.compare_digest(capability(broker, one).encode(), given)]
        if not modules:
            return _refused(404, "no such address")
        if request.headers.get("Origin") is not None:
            return _refused(403, "only a module may ask for it, not a page")
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            return _refused(400, "the body is not JSON")
        if not isinstance(body, dict) or set(body) != {"zones"} or not isinstance(body["zones"], dict):
            return _refused(400, "the body must be an object with zones, and nothing else")
        try:
            broker.change_desired(modules[0], body)
            # As a layered deployment's: the fleet's manifest, deployed again, leaves them alone.
            broker.site.change(modules[0], body)
        except InvalidPropertiesError as exc:
            return _refused(400, str(exc))
        await broker.committed()
        return web.json_response({"module": modules[0]})

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_patch("/{capability:[0-9a-f]{64}}", change)
    return app


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
