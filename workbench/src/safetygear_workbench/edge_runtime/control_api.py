"""How the supervisor and tests steer the hub process: on loopback, with a token from the state folder."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any, get_args

from aiohttp import web

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.broker import EdgeBroker
from safetygear_workbench.edge_runtime.store import StoreError
from safetygear_workbench.edge_runtime.upstream import State
from safetygear_workbench.edge_runtime.workload import WorkloadServer

ModuleEnvironment = Callable[[str, str, str | None], dict[str, str]]


def control_app(
    broker: EdgeBroker, workload: WorkloadServer, token: str, module_env: ModuleEnvironment
) -> web.Application:
    """The application: status, upstream's state, deployments, module environments, a live tail of upstream."""

    @web.middleware
    async def authorised(request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return web.json_response({"error": "the control token is missing or wrong"}, status=401)
        try:
            response: web.StreamResponse = await handler(request)
        except UserError as exc:
            return web.json_response({"error": str(exc)}, status=400)
        except StoreError as exc:
            return web.json_response({"error": str(exc)}, status=500)
        except (KeyError, ValueError) as exc:
            return web.json_response({"error": f"{type(exc).__name__}: {exc}"}, status=400)
        return response

    async def status(_: web.Request) -> web.Response:
        return web.json_response(status_json(broker))

    async def upstream_state(request: web.Request) -> web.Response:
        state = (await request.json())["state"]
        if state not in get_args(State):
            raise UserError(f"upstream can't be {state!r}.", hint=f"Choose one of {', '.join(get_args(State))}.")
        broker.upstream.set_state(state)
        return web.json_response(status_json(broker)["upstream"])

    async def manifest(request: web.Request) -> web.Response:
        applied = broker.apply_manifest(await request.json(), redeploy=request.query.get("redeploy") == "1")
        await workload.serve_all()
        await broker.committed()
        return web.json_response({"applied": applied})

    async def environment(request: web.Request) -> web.Response:
        name, mode = request.match_info["module"], request.query.get("mode", "workload")
        return web.json_response(module_env(name, mode, request.query.get("gateway")))

    async def twin(request: web.Request) -> web.Response:
        return web.json_response(broker.modules[request.match_info["module"]].twin.as_json())

    async def drop(request: web.Request) -> web.Response:
        connection = broker.modules[request.match_info["module"]].connection
        if connection is not None:
            connection.close("dropped on request")
        return web.json_response({"dropped": connection is not None})

    async def refuse(request: web.Request) -> web.Response:
        broker.refuse_with = (await request.json())["returnCode"]
        return web.json_response({"returnCode": broker.refuse_with})

    async def tail(request: web.Request) -> web.StreamResponse:
        lines = broker.upstream.open_tail()
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            while True:
                while lines:
                    await response.write(lines.popleft().encode() + b"\n")
                await broker.upstream.wait(1.0)
        except (ConnectionError, OSError):
            return response
        finally:
            broker.upstream.close_tail(lines)

    app = web.Application(middlewares=[authorised], client_max_size=4 * 1024 * 1024)
    app.router.add_get("/status", status)
    app.router.add_put("/upstream", upstream_state)
    app.router.add_get("/upstream/tail", tail)
    app.router.add_put("/manifest", manifest)
    app.router.add_get("/modules/{module}/environment", environment)
    app.router.add_get("/modules/{module}/twin", twin)
    app.router.add_post("/modules/{module}/drop", drop)
    app.router.add_put("/refuse", refuse)
    return app


def status_json(broker: EdgeBroker) -> dict[str, Any]:
    """What the hub is doing, for people and tests."""
    upstream = broker.upstream
    status = {
        "device": broker.device,
        "routes": [route.name for route in broker.routes],
        "counts": broker.counts,
        "upstream": {
            "state": upstream.state,
            "delivered": upstream.delivered,
            "waiting": upstream.waiting,
            "expired": upstream.expired,
            "refused": upstream.refused,
        },
        "modules": {
            module.id: {
                "connected": module.connection is not None,
                "subscriptions": sorted(module.subscriptions),
                "queued": module.queued,
                "inFlight": len(module.in_flight),
                "counts": module.counts,
            }
            for module in broker.modules.values()
        },
    }
    content: dict[str, Any] = json.loads(json.dumps(status))
    return content
