"""The RTSP server: clips as cameras, for any number of clients."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping

from safetygear.clock import Clock, SystemClock
from safetygear.errors import UserError
from safetygear_workbench.cameras.authentication import Credentials
from safetygear_workbench.cameras.clip import Clip
from safetygear_workbench.cameras.faults import Faults
from safetygear_workbench.cameras.session import Session


class CameraServer:
    """Serves `clips` by name. Faults set with `set_faults` come before those in a URL, and apply while streaming."""

    def __init__(
        self,
        clips: Mapping[str, Clip],
        *,
        credentials: Credentials | None = None,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clips = clips
        self.credentials = credentials
        self.clock: Clock = clock or SystemClock()
        self._tls = tls
        self._faults: dict[str, Faults] = {}
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], Session] = {}

    @property
    def clients(self) -> int:
        return len(self._sessions)

    def live_faults(self, name: str) -> Faults | None:
        """What `set_faults` has set for this camera."""
        return self._faults.get(name)

    def set_faults(self, name: str, faults: Faults | None) -> None:
        """Let `name` misbehave from now on; None ends it."""
        if faults is None:
            self._faults.pop(name, None)
        else:
            self._faults[name] = faults

    async def listen(self, address: str, port: int) -> int:
        """Start to accept clients; the port. Raises UserError where the address can't be had."""
        try:
            self._server = await asyncio.start_server(self._serve, address, port, ssl=self._tls, reuse_address=True)
        except OSError as exc:
            why = "the port is in use" if exc.errno == errno.EADDRINUSE else (exc.strerror or str(exc))
            raise UserError(
                f"can't serve cameras on {address}:{port}: {why}.", hint="Choose another --port.", code="port-in-use"
            ) from exc
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop to accept, and end every session: the camera is gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, session in list(self._sessions.items()):
            session.writer.transport.abort()
            task.cancel()  # one that hangs on request would wait for ever
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.current_task()
        assert task is not None
        session = self._sessions[task] = Session(self, reader, writer)
        try:
            await session.run()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._sessions.pop(task, None)
