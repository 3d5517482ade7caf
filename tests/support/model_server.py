"""A file server over https that does what servers and lines do to a download; its certificate is signed by its own
authority, which a client trusts by SSL_CERT_FILE."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from safetygear_workbench.edge_runtime.pki import ensure_certificates

Answer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class ModelServer:
    """`files` by path; `answers` is what to do with the next requests, one each; afterwards they are answered well."""

    port: int
    authority: Path
    files: dict[str, bytes] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path with query, and the Range header."""

    def uri(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path_qs, request.headers.get("Range", "")))
        data = self.files.get(request.path)
        if self.answers:
            return await self.answers.pop(0)(request, data or b"")
        return web.Response(status=404) if data is None else await whole(request, data)


async def whole(request: web.Request, data: bytes) -> web.StreamResponse:
    """The file, or the part of it that is asked for."""
    asked = request.http_range
    start = asked.start or 0
    if start >= len(data) and start:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    if not start:
        return web.Response(body=data)
    span = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return web.Response(status=206, body=data[start:], headers={"Content-Range": span})


def cut_after(count: int) -> Answer:
    """The connection ends after so many bytes of the part that is asked for."""

    async def answer(request: web.Request, data: bytes) -> web.StreamResponse:
        start = request.http_range.start or 0
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(data) - start
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        await response.prepare(request)
        await response.write(data[start : start + count])
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer


def status(code: int, **headers: str) -> Answer:
    async def answer(request: web.Request, data: bytes) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def other(data: bytes, *, announced: int | None = None) -> Answer:
    """Other bytes than the file's, perhaps with a length that is not theirs."""

    async def answer(request: web.Request, _: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        if announced is not None:
            response.content_length = announced
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(data)
            await response.write_eof()
        return response

    return answer


def drip(every_s: float) -> Answer:
    """A byte now and then, without end."""

    async def answer(request: web.Request, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(data)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for number in range(len(data)):
                await response.write(data[number : number + 1])
                await asyncio.sleep(every_s)
        return response

    return answer


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[ModelServer]:
    """On a free port of this machine; keys and certificates go into `folder`."""
    certificates = ensure_certificates(folder, ["localhost", "127.0.0.1"], time.time())
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    server = ModelServer(port=0, authority=certificates.authority)
    app.router.add_get("/{path:.*}", server.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context())
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
