"""A server that speaks the paths of Custom Vision's training API, for the unmodified client.

It runs in a thread of its own, because the client blocks. What lines and gateways do to requests is put into `faults`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import re
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.training_project import DOMAINS, RefusalError, TrainingProject, image_json

KEY = "0123456789abcdef0123456789abcdef"
BASE = "/customvision/{version:v3\\.[34](?:-preview)?}/training"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass
class TrainingServer:
    """`faults`: what is done with the next requests whose path has the key in it, one each."""

    project: TrainingProject
    export: Callable[[TrainingProject, str], bytes]
    """Makes the zip of an iteration."""
    port: int = 0
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Method and path with query, without the part that all have."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calls(self, part: str) -> int:
        """How many requests had that in their line."""
        return sum(part in line for line in self.requests)

    # Handlers

    async def domains(self, request: web.Request) -> web.Response:
        domain = DOMAINS.get(request.match_info["domain"])
        if domain is None:
            raise RefusalError(404, "NotFoundDomain", "Domain not found")
        return web.json_response(domain)

    async def get_project(self, request: web.Request) -> web.Response:
        return web.json_response(self.project.as_json())

    async def get_tags(self, request: web.Request) -> web.Response:
        return web.json_response(self.project.tag_list())

    async def create_tag(self, request: web.Request) -> web.Response:
        return web.json_response(self.project.create_tag(request.query.get("name", "")))

    async def add_images(self, request: web.Request) -> web.Response:
        body = await _json(request)
        entries = []
        for entry in body.get("images") or []:
            try:
                contents = base64.b64decode(entry["contents"], validate=True)
            except (KeyError, binascii.Error) as exc:
                raise RefusalError(400, "BadRequestImageStream", "Invalid image contents") from exc
            regions = [_checked_region(one) for one in entry.get("regions") or []]
            entries.append({"name": entry.get("name"), "contents": contents, "regions": regions})
        summary = self.project.add_images(entries, body.get("tagIds") or [], body.get("metadata") or {})
        return web.json_response(summary, status=200 if summary["isBatchSuccessful"] else 207)

    async def add_regions(self, request: web.Request) -> web.Response:
        body = await _json(request)
        entries = [_checked_region(one) | {"imageId": one["imageId"]} for one in body.get("regions") or []]
        summary = self.project.add_regions(entries)
        return web.json_response(summary, status=207 if summary["duplicated"] or summary["exceeded"] else 200)

    async def images_by_ids(self, request: web.Request) -> web.Response:
        ids = [one for one in request.query.get("imageIds", "").split(",") if one]
        if len(ids) > 256:
            raise RefusalError(400, "BadRequestExceededBatchSize", "Batch size limit exceeded")
        found = [self.project.images[one] for one in ids if one in self.project.images]
        return web.json_response([image_json(one, self.project.tags) for one in found])

    async def count_images(self, request: web.Request) -> web.Response:
        wanted = re.fullmatch(r"metadata=(\w+) eq '(\w*)'", request.query.get("$filter", ""))
        if wanted is None:
            raise RefusalError(400, "BadRequestInvalid", "Invalid filter")
        images = self.project.images.values()
        return web.json_response(sum(image.metadata.get(wanted[1]) == wanted[2] for image in images))

    async def train(self, request: web.Request) -> web.Response:
        kind = request.query.get("trainingType", "Regular")
        force = request.query.get("forceTrain", "false") == "true"
        return web.json_response(self.project.train(kind, int(request.query.get("reservedBudgetInHours", 0)), force))

    async def iterations(self, request: web.Request) -> web.Response:
        return web.json_response(self.project.iterations)

    async def iteration(self, request: web.Request) -> web.Response:
        return web.json_response(self.project.look_at_iteration(request.match_info["iteration"]))

    async def performance(self, request: web.Request) -> web.Response:
        return web.json_response(self.project.performance(request.match_info["iteration"]))

    async def exports(self, request: web.Request) -> web.Response:
        iteration = request.match_info["iteration"]
        address = f"{self.endpoint}/exports/{iteration}.zip?sv=2024&sig=c2lnbmVk%2B"
        return web.json_response(self.project.look_at_exports(iteration, address))

    async def order_export(self, request: web.Request) -> web.Response:
        platform, flavor = request.query.get("platform", ""), request.query.get("flavor")
        return web.json_response(self.project.order_export(request.match_info["iteration"], platform, flavor))

    async def download(self, request: web.Request) -> web.Response:
        if "Training-Key" in request.headers or request.query.get("sig") != "c2lnbmVk+":
            return web.Response(status=403)
        return web.Response(body=self.export(self.project, request.match_info["iteration"]))

    # Around them

    @web.middleware
    async def gateway(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The key, faults, the project's id, and errors in the service's own form."""
        self.requests.append(f"{request.method} {request.path_qs.partition('/training')[2] or request.path}")
        number = next((n for n, (part, _) in enumerate(self.faults) if part in self.requests[-1]), None)
        if number is not None:
            return await self.faults.pop(number)[1](request, lambda again: self._answer(again, handler))
        return await self._answer(request, handler)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if "version" not in request.match_info:
            return await handler(request)
        if request.headers.get("Training-Key") != KEY:
            message = "Access denied due to invalid subscription key or wrong API endpoint."
            return web.json_response({"error": {"code": "401", "message": message}}, status=401)
        project = request.match_info.get("project")
        try:
            if project is not None:
                if not _is_uuid(project):
                    raise RefusalError(400, "BadRequestInvalidIds", "Invalid project id")
                if project != self.project.id:
                    raise RefusalError(404, "NotFoundProject", "Project not found")
            return await handler(request)
        except RefusalError as exc:
            return web.json_response({"code": exc.code, "message": exc.message}, status=exc.status)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self.gateway], client_max_size=100 * 2**20)
        inside = f"{BASE}/projects/{{project}}"
        look = f"{inside}/iterations/{{iteration}}"
        app.add_routes(
            [
                web.get(f"{BASE}/domains/{{domain}}", self.domains),
                web.get(inside, self.get_project),
                web.get(f"{inside}/tags", self.get_tags),
                web.post(f"{inside}/tags", self.create_tag),
                web.post(f"{inside}/images/files", self.add_images),
                web.post(f"{inside}/images/regions", self.add_regions),
                web.get(f"{inside}/images/id", self.images_by_ids),
                web.get(f"{inside}/images/count", self.count_images),
                web.post(f"{inside}/train", self.train),
                web.get(f"{inside}/iterations", self.iterations),
                web.get(look, self.iteration),
                web.get(f"{look}/performance", self.performance),
                web.get(f"{look}/export", self.exports),
                web.post(f"{look}/export", self.order_export),
                web.get("/exports/{iteration}.zip", self.download),
            ]
        )
        return app


def status(code: int, body: dict[str, Any] | None = None, **headers: str) -> Fault:
    """Answers so, and does nothing."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body or {"error": {"code": str(code), "message": "no"}}, status=code, headers=named)

    return fault


async def cut_before(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The line is cut before the service has the request."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The service does it, and the line is cut before the answer."""
    await handler(request)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def silent(release: threading.Event) -> Fault:
    """The service does it, and answers nothing until `release` is set."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        await asyncio.to_thread(release.wait, 30)
        return answer

    return fault


@contextlib.contextmanager
def serving(
    project: TrainingProject, export: Callable[[TrainingProject, str], bytes] = lambda *_: b""
) -> Iterator[TrainingServer]:
    """On a free port of this machine."""
    server = TrainingServer(project, export)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="training-server", daemon=True)
    thread.start()
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]

    asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as exc:
        raise RefusalError(400, "BadRequestInvalid", "Invalid body") from exc
    if not isinstance(body, dict):
        raise RefusalError(400, "BadRequestRequiredParamIsNull", "Body is null")
    return body


def _checked_region(region: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in ("tagId", "left", "top", "width", "height") if region.get(name) is None]
    if missing:
        raise RefusalError(400, "BadRequestImageRegions", f"{missing[0]} is missing")
    return {name: region[name] for name in ("tagId", "left", "top", "width", "height")}


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
