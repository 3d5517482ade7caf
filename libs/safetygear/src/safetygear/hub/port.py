"""What a module needs from its edge hub. The contract suite in tests/contract runs against every implementation.

Contract
- `open(handlers)` sets every handler before the first connection (azure-iot-device drops queued messages otherwise)
  and returns when connected; it raises HubError(retryable=True) when the hub can't be reached.
- A desired patch that is made while the module is away may never arrive: on_connection(True) is the time to look.
- Handlers are called on the event loop that called `open`, one at a time, and only enqueue: they never block.
- `send` returns when the hub has taken responsibility (PUBACK). It raises HubError and has then sent nothing that
  it knows of; after a lost connection the hub may hold the message all the same (at least once).
- `send` refuses a message that would not fit on the wire (HubError, code `message-too-large`, not retryable).
- Every call raises HubError(code `closed`, retryable=False) after `close`. `close` may be called twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# edgeHub closes the connection above 256 KiB of topic + payload, and the SDK then resends for ever;
# the SDK's own check leaves the topic out. 200 KB of payload leaves room for any topic this project makes.
MAX_BODY_BYTES = 200 * 1024

Json = Any  # a JSON value: the SDK hands twins and payloads over as parsed JSON


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to one of the module's outputs. `properties` are application properties (routing)."""

    output: str
    body: bytes
    properties: Mapping[str, str] = field(default_factory=dict)
    message_id: str | None = None
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


@dataclass(frozen=True)
class IncomingMessage:
    """A message routed to one of the module's inputs."""

    input: str
    body: bytes
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodRequest:
    """A direct method call; `payload` is parsed JSON."""

    name: str
    payload: Json = None


@dataclass(frozen=True)
class MethodResponse:
    """The answer: an HTTP-like status and a JSON payload."""

    status: int
    payload: Json = None


@dataclass(frozen=True)
class Twin:
    """Both halves of the module twin as parsed JSON objects, `$version` included."""

    desired: Mapping[str, Json]
    reported: Mapping[str, Json]


def _ignore_message(message: IncomingMessage) -> None:
    del message


def _ignore_patch(patch: Mapping[str, Json]) -> None:
    del patch


def _ignore_connection(connected: bool) -> None:
    del connected


async def _no_method(request: MethodRequest) -> MethodResponse:
    return MethodResponse(404, {"error": f"no method {request.name}"})


@dataclass(frozen=True)
class HubHandlers:
    """What the module does with what arrives. All default to doing nothing."""

    on_message: Callable[[IncomingMessage], None] = _ignore_message
    on_desired_patch: Callable[[Mapping[str, Json]], None] = _ignore_patch
    on_connection: Callable[[bool], None] = _ignore_connection
    on_method: Callable[[MethodRequest], Awaitable[MethodResponse]] = _no_method


class HubPort(Protocol):
    """See the module docstring for the contract."""

    @property
    def connected(self) -> bool:
        """Whether the client believes it is connected. A deaf client does too: probe with `read_twin`."""
        ...

    async def open(self, handlers: HubHandlers) -> None: ...

    async def send(self, message: OutgoingMessage) -> None: ...

    async def read_twin(self) -> Twin: ...

    async def report(self, patch: Mapping[str, Json]) -> None:
        """Merge `patch` into the reported properties; null removes a key."""
        ...

    async def close(self) -> None: ...
