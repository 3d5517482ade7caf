"""A hub in memory, for unit tests. It passes the same contract suite as the real adapter."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from safetygear.errors import HubError
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


class FakeHub:
    """Both ends: the module's side is a HubPort, the rest is for the test."""

    def __init__(self, desired: Mapping[str, Json] | None = None) -> None:
        self.sent: list[OutgoingMessage] = []
        """What was accepted, in order."""
        self._desired: dict[str, Any] = {**copy.deepcopy(dict(desired or {})), "$version": 1}
        self._reported: dict[str, Any] = {"$version": 1}
        self._handlers = HubHandlers()
        self._failures: list[HubError] = []
        self._waiting: list[IncomingMessage] = []
        self._connected = False
        self._opened = False
        self._closed = False

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def reported(self) -> dict[str, Any]:
        """The reported properties without `$version`."""
        return {key: value for key, value in self._reported.items() if key != "$version"}

    async def open(self, handlers: HubHandlers) -> None:
        self._fail_if_told()
        self._handlers = handlers
        self._opened = True
        self.set_connected(True)

    async def send(self, message: OutgoingMessage) -> None:
        self._fail_if_told()
        if len(message.body) > MAX_BODY_BYTES:
            raise HubError("the message is too large", code="message-too-large", retryable=False)
        self._need_connection()
        self.sent.append(message)

    async def read_twin(self) -> Twin:
        self._fail_if_told()
        self._need_connection()
        return Twin(desired=copy.deepcopy(self._desired), reported=copy.deepcopy(self._reported))

    async def report(self, patch: Mapping[str, Json]) -> None:
        self._fail_if_told()
        self._need_connection()
        _merge(self._reported, patch)
        self._reported["$version"] += 1

    async def close(self) -> None:
        self._closed = True
        self._connected = False

    # The test's side.

    def deliver(self, message: IncomingMessage) -> None:
        """A message arrives; it waits in the hub while the module is not connected."""
        self._waiting.append(message)
        self._hand_over()

    def patch_desired(self, patch: Mapping[str, Json]) -> None:
        """Somebody changes the desired properties; a module that is not connected misses the notification."""
        _merge(self._desired, patch)
        self._desired["$version"] += 1
        if self._connected:
            self._handlers.on_desired_patch({**copy.deepcopy(dict(patch)), "$version": self._desired["$version"]})

    async def call(self, request: MethodRequest) -> MethodResponse:
        """Somebody calls a direct method."""
        return await self._handlers.on_method(request)

    def fail_next(self, error: HubError) -> None:
        """The module's next call fails with `error`; several add up."""
        self._failures.append(error)

    fail_next_send = fail_next

    def set_connected(self, connected: bool) -> None:
        """Lose or regain the connection."""
        if connected == self._connected or not self._opened or self._closed:
            return
        self._connected = connected
        self._handlers.on_connection(connected)
        self._hand_over()

    def _hand_over(self) -> None:
        while self._connected and self._waiting:
            self._handlers.on_message(self._waiting.pop(0))

    def _fail_if_told(self) -> None:
        if self._closed:
            raise HubError("the hub connection was closed", code="closed", retryable=False)
        if self._failures:
            raise self._failures.pop(0)

    def _need_connection(self) -> None:
        if not self._opened:
            raise HubError("the hub connection was not opened", code="hub-not-open")
        if not self._connected:
            raise HubError("no connection to edgeHub", code="hub-unreachable")


def _merge(target: dict[str, Any], patch: Mapping[str, Json]) -> None:
    """A twin's merge patch: null removes, objects merge, anything else replaces."""
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping):
            below = target.get(key)
            if not isinstance(below, dict):
                below = target[key] = {}
            _merge(below, value)
        else:
            target[key] = copy.deepcopy(value)
