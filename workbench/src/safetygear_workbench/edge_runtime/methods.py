"""Direct methods: calls that wait for a module's answer."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from safetygear_workbench.edge_runtime import packets
from safetygear_workbench.edge_runtime.connection import Connection
from safetygear_workbench.edge_runtime.packets import Publish

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class MethodResult:
    """IoT Hub's HTTP answer: 200 with the module's status and payload, 404 not connected, 504 no answer in time."""

    http_status: int
    body: dict[str, Any]


class MethodCalls:
    """The calls that are under way."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, asyncio.Future[tuple[int, Any]]]] = {}
        """By request id: the client that was asked, and where its answer goes."""

    def answered(self, connection: Connection, request_id: str, status: str, payload: bytes) -> None:
        """A module has published an answer; a second one, or one that nobody asked it for, is ignored."""
        asked, future = self._waiting.get(request_id, ("", None))
        if future is None or future.done() or asked != connection.client_id:
            return
        try:
            future.set_result((int(status), json.loads(payload or b"null", parse_constant=_refused)))
        except (ValueError, RecursionError) as exc:
            future.set_exception(ValueError(str(exc)))

    async def call(
        self,
        ready: Callable[[], Connection | None],
        name: str,
        payload: Any,
        response_timeout_s: float,
        connect_timeout_s: float,
    ) -> MethodResult:
        """Wait for the module to be there, send the request, wait for the answer."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + connect_timeout_s
        while (connection := ready()) is None:
            if loop.time() >= give_up_s:
                return MethodResult(404, {"Message": "ErrorCode:DeviceNotOnline;the module is not connected"})
            await asyncio.sleep(_LOOK_EVERY_S)
        request_id = uuid.uuid4().hex
        future: asyncio.Future[tuple[int, Any]] = loop.create_future()
        self._waiting[request_id] = (connection.client_id, future)
        topic = f"$iothub/methods/POST/{quote(name, safe='')}/?$rid={request_id}"
        connection.send(packets.publish(Publish(topic, json.dumps(payload).encode())))
        try:
            status, body = await asyncio.wait_for(future, response_timeout_s)
        except TimeoutError:
            return MethodResult(504, {"Message": "ErrorCode:GatewayTimeout;the module did not answer in time"})
        except ValueError as exc:
            return MethodResult(502, {"Message": f"the module's answer is not valid: {exc}"})
        finally:
            self._waiting.pop(request_id, None)
        return MethodResult(200, {"status": status, "payload": body})


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
