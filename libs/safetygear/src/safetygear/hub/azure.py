"""The hub port on azure-iot-device: the only file that imports the SDK.

What the SDK needs from its user (each observed with azure-iot-device 2.14):
- Every handler is set before anything else connects: a connection made earlier takes queued messages and drops them.
- Setting a handler connects and blocks, so it happens in a thread.
- Handlers run on the SDK's own loops and threads. A plain function runs in a pool, where neighbours overtake each
  other; a coroutine function that has no await starts in order. So each is one, only passes its argument to our loop,
  and never raises.
- A send in flight when the connection is lost hangs until it is back: calls have a timeout.
- Some failures end the SDK's reconnecting without a word (refused credentials on a reconnect, a failed token renewal):
  a background exception of that kind makes every later call fail with `retryable=False`.
- Its network thread can end by an exception that it never hears of (network_thread.py).
- The SDK checks the payload's size but not the topic's; edgeHub closes the connection, and the SDK resends for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from azure.iot.device import Message
from azure.iot.device import MethodResponse as SdkMethodResponse
from azure.iot.device import exceptions as sdk
from azure.iot.device.aio import IoTHubModuleClient

from safetygear.errors import HubError, UserError
from safetygear.hub.network_thread import watch_network_thread
from safetygear.hub.port import (
    MAX_BODY_BYTES,
    HubHandlers,
    IncomingMessage,
    Json,
    MethodRequest,
    MethodResponse,
    OutgoingMessage,
    Twin,
)

T = TypeVar("T")

log = logging.getLogger(__name__)

# edgeHub's limit for topic + payload is 256 KiB; the topic's fixed part and the SDK's own properties take the rest.
_MAX_PROPERTIES_BYTES = 32 * 1024
_NO_ENVIRONMENT = "this process has no IoT Edge environment (IOTEDGE_* or EdgeHubConnectionString)."
THREAD_ENDED = "hub-thread-ended"
_START_IT = "Start it by IoT Edge, by iotedgehubdev, or with `safetygear simulate`."


class AzureHub:
    """A HubPort for the module identity in the process's IoT Edge environment.

    `call_timeout_s` bounds each call, `open_timeout_s` the first connection; `retry_interval_s` is how often the SDK
    tries to reconnect.
    """

    def __init__(
        self, *, call_timeout_s: float = 30.0, open_timeout_s: float = 60.0, retry_interval_s: float = 2.0
    ) -> None:
        self._call_timeout_s = call_timeout_s
        self._open_timeout_s = open_timeout_s
        self._retry_interval_s = retry_interval_s
        self._client: Any = None
        self._handlers = HubHandlers()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._method_tasks: set[asyncio.Task[None]] = set()
        self._gave_up: HubError | None = None
        self._closed = False
        self._stop_watching: Callable[[], None] = lambda: None

    @property
    def connected(self) -> bool:
        return bool(self._client is not None and not self._closed and self._client.connected)

    async def open(self, handlers: HubHandlers) -> None:
        self._refuse_when_closed()
        await self._drop_client()
        self._gave_up = None
        self._stop_watching()
        self._stop_watching = watch_network_thread(self._network_thread_ended)
        self._handlers = handlers
        self._loop = asyncio.get_running_loop()
        try:
            self._client = await asyncio.to_thread(self._make_client)
        except HubError:
            raise
        except OSError as exc:
            if not _has_environment():
                raise UserError(_NO_ENVIRONMENT, hint=_START_IT, code="not-in-edge-environment") from exc
            raise HubError(f"the workload API or its certificate can't be read: {exc}", code="hub-unreachable") from exc
        except ValueError as exc:
            raise HubError(f"the IoT Edge environment is not valid: {exc}", code="hub-environment") from exc
        try:
            await self._bounded(asyncio.to_thread(self._set_handlers), self._open_timeout_s, "connecting")
            await self._bounded(self._client.connect(), self._open_timeout_s, "connecting")
        except HubError:
            await self._drop_client()
            raise

    async def send(self, message: OutgoingMessage) -> None:
        properties_bytes = sum(
            len(quote(key, safe="")) + len(quote(value, safe="")) + 2 for key, value in message.properties.items()
        )
        if len(message.body) > MAX_BODY_BYTES or properties_bytes > _MAX_PROPERTIES_BYTES:
            raise HubError(
                f"a message of {len(message.body)} bytes with {properties_bytes} bytes of properties is too large: "
                f"at most {MAX_BODY_BYTES} and {_MAX_PROPERTIES_BYTES}",
                code="message-too-large",
                retryable=False,
            )
        outgoing = Message(message.body)  # type: ignore[no-untyped-call]  # the SDK has no types here
        outgoing.content_type = message.content_type
        outgoing.content_encoding = message.content_encoding
        if message.message_id is not None:
            outgoing.message_id = message.message_id
        outgoing.custom_properties.update(message.properties)
        client = self._usable_client()
        await self._bounded(client.send_message_to_output(outgoing, message.output), self._call_timeout_s, "sending")

    async def read_twin(self) -> Twin:
        client = self._usable_client()
        twin = await self._bounded(client.get_twin(), self._call_timeout_s, "reading the twin")
        return Twin(desired=twin.get("desired", {}), reported=twin.get("reported", {}))

    async def report(self, patch: Mapping[str, Json]) -> None:
        client = self._usable_client()
        await self._bounded(
            client.patch_twin_reported_properties(dict(patch)), self._call_timeout_s, "reporting properties"
        )

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._stop_watching()
        for task in self._method_tasks:
            task.cancel()
        await self._drop_client()

    def _make_client(self) -> Any:
        return IoTHubModuleClient.create_from_edge_environment(connection_retry_interval=self._retry_interval_s)

    def _set_handlers(self) -> None:
        client = self._client
        # These two don't connect, so that no state change and no failure of the setters below is missed.
        client.on_connection_state_change = self._connection_changed
        client.on_background_exception = self._background_exception
        try:
            client.on_message_received = self._message_received
            client.on_twin_desired_properties_patch_received = self._patch_received
            client.on_method_request_received = self._method_received
        except Exception as exc:
            raise _as_hub_error(exc, "connecting") from exc

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            # shutdown() waits for a disconnect that a dead connection never answers.
            await asyncio.wait_for(client.shutdown(), 5.0)
        except (TimeoutError, sdk.ClientError, sdk.OperationCancelled, sdk.ConnectionFailedError) as exc:
            log.debug("the hub client did not shut down cleanly: %s", type(exc).__name__)

    def _usable_client(self) -> Any:
        self._refuse_when_closed()
        if self._gave_up is not None:
            raise self._gave_up
        if self._client is None:
            raise HubError("the hub connection was not opened", code="hub-not-open")
        return self._client

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise HubError("the hub connection was closed", code="closed", retryable=False)

    async def _bounded(self, call: Awaitable[T], timeout_s: float, doing: str) -> T:
        # The SDK can't cancel a call, and its thread stumbles over a future that was: the call goes on, unheard.
        running = asyncio.ensure_future(call)
        running.add_done_callback(_forget)
        try:
            # Not wait_for: before Python 3.12 it forgets that it was cancelled when the answer comes in the same turn.
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(running)
        except TimeoutError as exc:
            raise HubError(f"no answer from edgeHub in {timeout_s:g} s while {doing}", code="hub-timeout") from exc
        except HubError:
            raise
        except Exception as exc:
            raise _as_hub_error(exc, doing) from exc

    # The SDK calls these from threads of its own.

    def _on_our_loop(self, deliver: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None or loop.is_closed() or self._closed:
            return
        loop.call_soon_threadsafe(deliver)

    async def _message_received(self, message: Any) -> None:
        incoming = IncomingMessage(
            input=message.input_name or "",
            body=message.data if isinstance(message.data, bytes) else str(message.data).encode(),
            properties={str(key): str(value) for key, value in message.custom_properties.items()},
        )
        self._on_our_loop(lambda: self._handlers.on_message(incoming))

    async def _patch_received(self, patch: Mapping[str, Json]) -> None:
        self._on_our_loop(lambda: self._handlers.on_desired_patch(patch))

    async def _connection_changed(self) -> None:
        connected = self.connected
        self._on_our_loop(lambda: self._handlers.on_connection(connected))

    async def _background_exception(self, exc: BaseException) -> None:
        error = _as_hub_error(exc, "keeping the connection")
        log.warning("hub connection: %s", error)
        if not error.retryable:
            # The SDK has stopped reconnecting; only a new process gets a new token (azure-iot-sdk-python#1202).
            self._gave_up = error

    def _network_thread_ended(self, kind: str) -> None:
        log.warning("the hub client's network thread has ended (%s)", kind)
        self._gave_up = HubError(
            f"the hub client's network thread has ended ({kind}); restarting helps", code=THREAD_ENDED, retryable=False
        )

    async def _method_received(self, request: Any) -> None:
        self._on_our_loop(lambda: self._answer_method(request))

    def _answer_method(self, request: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._run_method(request))
        self._method_tasks.add(task)
        task.add_done_callback(self._method_tasks.discard)

    async def _run_method(self, request: Any) -> None:
        try:
            response = await self._handlers.on_method(MethodRequest(request.name, request.payload))
        except Exception:
            # The caller must get an answer, and a method must not end the module.
            log.exception("direct method %s failed", request.name)
            response = MethodResponse(500, {"error": "the method failed; see the module's log"})
        client = self._client
        if client is None:
            return
        answer = SdkMethodResponse.create_from_method_request(request, response.status, response.payload)
        try:
            await self._bounded(client.send_method_response(answer), self._call_timeout_s, "answering a method")
        except HubError as exc:
            log.warning("the answer to direct method %s was not sent: %s", request.name, exc)


def _forget(call: asyncio.Future[Any]) -> None:
    """Its outcome, where nobody waits for it any more, is no news."""
    if not call.cancelled():
        call.exception()


def _has_environment() -> bool:
    return "IOTEDGE_WORKLOADURI" in os.environ or "EdgeHubConnectionString" in os.environ


def _as_hub_error(exc: BaseException, doing: str) -> HubError:
    """Retry or fatal, for every exception of the SDK, in one place."""
    match exc:
        case HubError():
            return exc
        case sdk.CredentialError():
            return HubError(
                f"edgeHub refused this module's credentials while {doing}",
                code="hub-credentials-refused",
                retryable=False,
            )
        case sdk.ConnectionFailedError() | sdk.ConnectionDroppedError() | sdk.NoConnectionError():
            return HubError(f"no connection to edgeHub while {doing}", code="hub-unreachable")
        case sdk.OperationTimeout() | sdk.OperationCancelled():
            return HubError(f"edgeHub did not answer while {doing}", code="hub-timeout")
        case sdk.ServiceError():
            return HubError(f"edgeHub answered with an error while {doing}: {exc}", code="hub-service-error")
        case _:
            # ClientError wraps everything else, TLS trust included; its cause says what it was.
            cause = exc.__cause__ or exc
            return HubError(
                f"the hub client failed while {doing}: {type(cause).__name__}: {cause}", code="hub-client-error"
            )
