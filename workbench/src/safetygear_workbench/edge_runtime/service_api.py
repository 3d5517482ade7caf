"""IoT Hub's REST paths for twins, direct methods and module identities: the real service clients work with them.

Source: Microsoft, "IoT Hub service REST API" (twins, module methods, modules), and what azure-iot-hub 2.7 sends.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from safetygear.clock import Clock
from safetygear_workbench.edge_runtime import sas
from safetygear_workbench.edge_runtime.broker import EdgeBroker
from safetygear_workbench.edge_runtime.modules import ModuleState
from safetygear_workbench.edge_runtime.store import StoreError
from safetygear_workbench.edge_runtime.twins import InvalidPropertiesError

KEY_NAME = "iothubowner"
MAX_TIMEOUT_S = 300
MAX_PAYLOAD_BYTES = 128 * 1024
MAX_METHOD_NAME = 1000
_NEVER = "0001-01-01T00:00:00"
"""What IoT Hub says of a time that it does not know."""


def service_app(broker: EdgeBroker, hosts: frozenset[str], clock: Clock) -> web.Application:
    """The application. Each request needs a service token for one of `hosts`."""

    @web.middleware
    async def authorised(request: web.Request, handler: Any) -> web.StreamResponse:
        token = request.headers.get("Authorization", "")
        host = sas.resource(token)[0].partition(":")[0].lower()
        reason = sas.refusal(token, broker.service_key, clock.now_s())
        if reason is None and host not in hosts:
            reason = "the token is for another host"
        if reason is None and sas.fields(token).get("skn") != KEY_NAME:
            reason = f"the token is not for the policy {KEY_NAME}"
        if reason is not None:
            return _error(401, "IotHubUnauthorizedAccess", reason)
        try:
            response: web.StreamResponse = await handler(request)
        except StoreError as exc:
            return _error(500, "ServerError", str(exc))
        return response

    def find(request: web.Request) -> ModuleState:
        module = broker.modules.get(request.match_info["module"])
        if module is None or request.match_info["device"] != broker.device:
            raise web.HTTPNotFound(text=_message("ModuleNotFound", "no such module"), content_type="application/json")
        return module

    def twin_json(module: ModuleState) -> dict[str, Any]:
        desired = module.twin.desired
        return {
            "deviceId": broker.device,
            "moduleId": module.id,
            "etag": f'"{desired["$version"]}"',
            "version": desired["$version"],
            "status": "enabled",
            "connectionState": "Connected" if module.connection is not None else "Disconnected",
            "tags": {},
            "properties": {"desired": desired, "reported": module.twin.reported},
        }

    def identity_json(module: ModuleState) -> dict[str, Any]:
        return {
            "deviceId": broker.device,
            "moduleId": module.id,
            "managedBy": "IotEdge",
            "generationId": module.generation_id,
            "etag": f'"{module.generation_id}"',
            "connectionState": "Connected" if module.connection is not None else "Disconnected",
            "connectionStateUpdatedTime": _NEVER,
            "lastActivityTime": _NEVER,
            "cloudToDeviceMessageCount": 0,
            # A hub has two keys, to change one after the other; here one is both.
            "authentication": {
                "type": "sas",
                "symmetricKey": {"primaryKey": module.key, "secondaryKey": module.key},
                "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
            },
        }

    async def get_identity(request: web.Request) -> web.Response:
        return web.json_response(identity_json(find(request)))

    async def get_identities(request: web.Request) -> web.Response:
        if request.match_info["device"] != broker.device:
            raise web.HTTPNotFound(text=_message("DeviceNotFound", "no such device"), content_type="application/json")
        return web.json_response([identity_json(module) for module in broker.modules.values()])

    async def get_twin(request: web.Request) -> web.Response:
        return web.json_response(twin_json(find(request)))

    async def change_twin(request: web.Request) -> web.Response:
        raw = await request.read()
        module = find(request)
        wanted = request.headers.get("If-Match", "*").strip('"')
        if wanted not in ("*", "", str(module.twin.desired["$version"])):
            return _error(412, "PreconditionFailed", "the twin has another etag by now")
        try:
            body = json.loads(raw)
            desired = body.get("properties", {}).get("desired") or {}
            if not isinstance(desired, dict):
                return _error(400, "ArgumentInvalid", "properties.desired must be an object")
            if body.get("tags"):
                return _error(400, "ArgumentInvalid", "the stand-in keeps no tags")
            broker.change_desired(module.id, desired, replace=request.method == "PUT")
            changed = twin_json(module)
            await broker.committed()
        except InvalidPropertiesError as exc:
            return _error(400, "ArgumentInvalid", str(exc))
        except (ValueError, AttributeError, RecursionError) as exc:
            return _error(400, "ArgumentInvalid", f"the body is not a twin: {exc}")
        return web.json_response(changed)

    async def call_method(request: web.Request) -> web.Response:
        module = find(request)
        try:
            body = json.loads(await request.read())
            name = body["methodName"]
            if not isinstance(name, str) or not 0 < len(name) <= MAX_METHOD_NAME:
                raise ValueError(f"methodName must be a text of 1 to {MAX_METHOD_NAME} characters")
            response_s = float(body.get("responseTimeoutInSeconds") or 30)
            connect_s = float(body.get("connectTimeoutInSeconds") or 0)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            return _error(400, "ArgumentInvalid", f"the body is not a method call: {exc}")
        if not (0 < response_s <= MAX_TIMEOUT_S and 0 <= connect_s <= MAX_TIMEOUT_S):
            return _error(400, "ArgumentInvalid", f"a method's timeouts are at most {MAX_TIMEOUT_S} s")
        if len(json.dumps(body.get("payload")).encode()) > MAX_PAYLOAD_BYTES:
            return _error(413, "MessageTooLarge", f"a method's payload is at most {MAX_PAYLOAD_BYTES} bytes")
        result = await broker.invoke(
            module.id, name, body.get("payload"), response_timeout_s=response_s, connect_timeout_s=connect_s
        )
        return web.json_response(result.body, status=result.http_status)

    app = web.Application(middlewares=[authorised])
    twin = "/twins/{device}/modules/{module}"
    app.router.add_get(twin, get_twin)
    app.router.add_patch(twin, change_twin)
    app.router.add_put(twin, change_twin)
    app.router.add_post(f"{twin}/methods", call_method)
    app.router.add_get("/devices/{device}/modules", get_identities)
    app.router.add_get("/devices/{device}/modules/{module}", get_identity)
    return app


def _message(code: str, text: str) -> str:
    return json.dumps({"Message": f"ErrorCode:{code};{text}"})


def _error(status: int, code: str, text: str) -> web.Response:
    return web.Response(status=status, text=_message(code, text), content_type="application/json")
