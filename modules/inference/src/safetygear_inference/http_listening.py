"""An HTTP server with a bound on its connections, whose log says nothing of what strangers send."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from safetygear.listen import Listen

FIRST_REQUEST_S: Final = 10.0
"""For the head of a connection's first request: one that says nothing would hold its place for ever."""
UNREAD_S: Final = 20.0
"""For what was sent to be taken: one that asks and never reads, or has vanished, would hold its place for ever."""
SHUTDOWN_S: Final = 1.0
KEEPALIVE_S: Final = 30.0
LINGERING_S: Final = 2.0
"""For the rest of a body that was refused before it was read: who is cut off while he sends may miss the answer."""


class HttpServer:
    """A server that listens."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner = runner
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no longer; what is under way has `SHUTDOWN_S` left."""
        self._server.close()
        await self._runner.cleanup()


async def serve_http(
    application: web.Application,
    listen: Listen,
    *,
    connections: int,
    log_name: str,
    turned_away: bytes = b"",
    auto_decompress: bool = True,
    handler_cancellation: bool = False,
) -> HttpServer:
    """Serve `application`. A connection keeps its place while a request is under way, or its first one may come: one
    more than `connections` takes the place of the one that has been idle longest. Where none is, it is answered 503,
    with the body `turned_away`, and closed. Raises OSError where the address can't be had.
    """
    heard, idle = _Heard(), _Idle()
    application.middlewares[:0] = [idle.middleware, heard.middleware]
    runner = web.AppRunner(
        application,
        access_log=None,
        auto_decompress=auto_decompress,
        handler_cancellation=handler_cancellation,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGERING_S,
        logger=_quiet_log(log_name),
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()

    def connection() -> asyncio.BaseProtocol:
        server = runner.server
        assert server is not None
        connected = server.connections
        idle.keep_only(connected)
        # One that was ended lasts until what it was sent is taken: so many of these may there be beside the others.
        if len(connected) >= 2 * connections or (len(connected) >= connections and not idle.end_one()):
            return _TurnedAway(turned_away)
        return heard.expect(server())

    try:
        server = await asyncio.get_running_loop().create_server(connection, listen.host, listen.port)
    except OSError:
        await runner.cleanup()
        raise
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # macOS has none
        for listening in server.sockets:
            # The system's own clock (tcp(7)), which each connection takes over from where it was accepted.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_S * 1000))
    return HttpServer(runner, server)


def _quiet_log(name: str) -> logging.Logger:
    """aiohttp's, without what strangers send: each line of theirs that is no HTTP would be a traceback of ours."""
    http_log = logging.getLogger(name)
    http_log.addFilter(_is_our_fault)
    return http_log


def _is_our_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class _Heard:
    """Ends connections that have not come to a request in time."""

    def __init__(self) -> None:
        self._silent: set[web.RequestHandler] = set()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        return await handler(request)

    def expect(self, protocol: web.RequestHandler) -> web.RequestHandler:
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._end, protocol)
        return protocol

    def _end(self, protocol: web.RequestHandler) -> None:
        if protocol not in self._silent:
            return
        self._silent.discard(protocol)
        if protocol.transport is not None:
            protocol.transport.abort()


class _Idle:
    """Connections that wait for another request after their first, the one that has waited longest first."""

    def __init__(self) -> None:
        self._idle: dict[web.RequestHandler, None] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._idle.pop(request.protocol, None)
        try:
            response = await handler(request)
            # Here, and not after: who still waits for the rest of his answer is not idle.
            with contextlib.suppress(ConnectionError):  # aiohttp meets it again, and knows what to do
                await response.prepare(request)
                await response.write_eof()
            return response
        finally:
            self._idle[request.protocol] = None

    def keep_only(self, connected: Collection[web.RequestHandler]) -> None:
        """Forget those that are gone."""
        self._idle = {one: None for one in self._idle if one in connected}

    def end_one(self) -> bool:
        """End the one that has been idle longest; False: none is."""
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        del self._idle[longest]
        longest.force_close()
        return True


@dataclass(eq=False)
class _TurnedAway(asyncio.Protocol):
    body: bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        kind = b"Content-Type: application/json\r\nRetry-After: 1\r\n" if self.body else b""
        length = b"Content-Length: %d\r\n\r\n" % len(self.body)
        transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n" + kind + length + self.body)
        transport.close()
