"""One suite for every HubPort: the fake, and the real adapter on the stand-in runtime in both credential modes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from safetygear.errors import HubError
from safetygear.hub.azure import AzureHub
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import (
    MAX_BODY_BYTES,
    HubHandlers,
    HubPort,
    IncomingMessage,
    MethodRequest,
    MethodResponse,
    OutgoingMessage,
)
from support.hub import eventually, identity
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

ROUTES = {
    "loop": {"route": 'FROM /messages/modules/sut/outputs/loop INTO BrokeredEndpoint("/modules/sut/inputs/back")'},
    "up": {"route": "FROM /messages/modules/sut/outputs/up INTO $upstream"},
}


class World(Protocol):
    """The hub under test, and the other side of it."""

    hub: HubPort

    def sent(self) -> list[tuple[str, Any]]: ...
    def deliver(self, body: bytes) -> None: ...
    def patch_desired(self, patch: dict[str, Any]) -> None: ...
    def reported(self) -> Mapping[str, Any]: ...
    async def call(self, name: str, payload: Any) -> tuple[int, Any]: ...


class FakeWorld:
    def __init__(self) -> None:
        self._fake = FakeHub({"colour": "red"})
        self.hub: HubPort = self._fake

    def sent(self) -> list[tuple[str, Any]]:
        return [(message.output, dict(message.properties)) for message in self._fake.sent]

    def deliver(self, body: bytes) -> None:
        self._fake.deliver(IncomingMessage("back", body, {"n": "é &="}))

    def patch_desired(self, patch: dict[str, Any]) -> None:
        self._fake.patch_desired(patch)

    def reported(self) -> Mapping[str, Any]:
        return self._fake.reported

    async def call(self, name: str, payload: Any) -> tuple[int, Any]:
        response = await self._fake.call(MethodRequest(name, payload))
        return response.status, response.payload


class RealWorld:
    def __init__(self, runtime: RunningRuntime) -> None:
        self._runtime = runtime
        self.hub: HubPort = AzureHub(call_timeout_s=10, open_timeout_s=15, retry_interval_s=1)
        self._sender: asyncio.Task[None] | None = None

    def sent(self) -> list[tuple[str, Any]]:
        return [(m["output"], m["properties"]) for m in self._runtime.upstream()]

    def deliver(self, body: bytes) -> None:
        # Through the hub and back: the module sends to itself, one after the other.
        self._sender = asyncio.get_running_loop().create_task(self._send_after(self._sender, body))

    async def _send_after(self, before: asyncio.Task[None] | None, body: bytes) -> None:
        if before is not None:
            await before
        await self.hub.send(OutgoingMessage("loop", body, {"n": "é &="}))

    def patch_desired(self, patch: dict[str, Any]) -> None:
        self._runtime.patch_desired("sut", patch)

    def reported(self) -> Mapping[str, Any]:
        return {k: v for k, v in self._runtime.twin("sut")["reported"].items() if not k.startswith("$")}

    async def call(self, name: str, payload: Any) -> tuple[int, Any]:
        answer = await asyncio.to_thread(self._runtime.call_method, "sut", name, payload)
        return answer["status"], answer["payload"]


@pytest.fixture(params=["fake", "workload", "connection-string"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "fake":
        fake = FakeWorld()
        yield fake
        await fake.hub.close()
        return
    with (
        start_runtime(tmp_path, minimal_manifest(ROUTES, {"sut": {"colour": "red"}})) as runtime,
        identity(runtime.module_env("sut", request.param)),
    ):
        real = RealWorld(runtime)
        yield real
        await real.hub.close()


async def test_send_returns_when_the_hub_has_it(world: World) -> None:
    await world.hub.open(HubHandlers())
    await world.hub.send(OutgoingMessage("up", b'{"a":1}', {"camera": "gate-2", "odd": "50 % & é=/"}))
    await eventually(world.sent)
    assert world.sent() == [("up", {"camera": "gate-2", "odd": "50 % & é=/"})]


async def test_messages_arrive_in_order_on_our_loop(world: World) -> None:
    seen: list[IncomingMessage] = []
    loops: set[int] = set()

    def take(message: IncomingMessage) -> None:
        loops.add(id(asyncio.get_running_loop()))
        seen.append(message)

    await world.hub.open(HubHandlers(on_message=take))
    for number in range(20):
        world.deliver(b"%d" % number)
        await asyncio.sleep(0)
    await eventually(lambda: len(seen) >= 20)
    assert [int(message.body) for message in seen] == sorted(int(message.body) for message in seen)
    assert {message.input for message in seen} == {"back"}
    assert seen[0].properties["n"] == "é &="
    assert loops == {id(asyncio.get_running_loop())}


async def test_twin_read_patch_and_report(world: World) -> None:
    patches: list[Mapping[str, Any]] = []
    await world.hub.open(HubHandlers(on_desired_patch=patches.append))
    twin = await world.hub.read_twin()
    assert twin.desired["colour"] == "red"
    version = twin.desired["$version"]
    world.patch_desired({"cameras": {"a": {"url": "rtsp://x"}}})
    await eventually(lambda: patches)
    assert patches[0]["cameras"] == {"a": {"url": "rtsp://x"}}
    assert patches[0]["$version"] == version + 1
    await world.hub.report({"state": {"a": 1, "b": 2}})
    await world.hub.report({"state": {"a": None}})
    assert world.reported() == {"state": {"b": 2}}
    assert (await world.hub.read_twin()).desired["cameras"] == {"a": {"url": "rtsp://x"}}


async def test_methods_are_answered_even_when_they_fail(world: World) -> None:
    async def answer(request: MethodRequest) -> MethodResponse:
        return MethodResponse(200, {"name": request.name, "got": request.payload})

    await world.hub.open(HubHandlers(on_method=answer))
    assert await world.call("status", {"x": 1}) == (200, {"name": "status", "got": {"x": 1}})


async def test_a_message_that_would_not_fit_is_refused(world: World) -> None:
    await world.hub.open(HubHandlers())
    with pytest.raises(HubError) as caught:
        await world.hub.send(OutgoingMessage("up", bytes(MAX_BODY_BYTES + 1)))
    assert (caught.value.code, caught.value.retryable) == ("message-too-large", False)
    await world.hub.send(OutgoingMessage("up", b"{}" + b" " * (MAX_BODY_BYTES - 2)))
    await eventually(world.sent)


async def test_connection_state_is_told(world: World) -> None:
    states: list[bool] = []
    assert world.hub.connected is False
    await world.hub.open(HubHandlers(on_connection=states.append))
    await eventually(lambda: states)
    assert states[0] is True
    assert world.hub.connected is True


async def test_after_close_every_call_is_refused(world: World) -> None:
    await world.hub.open(HubHandlers())
    await world.hub.close()
    await world.hub.close()
    for call in (
        lambda: world.hub.send(OutgoingMessage("up", b"")),
        world.hub.read_twin,
        lambda: world.hub.report({}),
        lambda: world.hub.open(HubHandlers()),
    ):
        with pytest.raises(HubError) as caught:
            await call()
        assert (caught.value.code, caught.value.retryable) == ("closed", False)


@pytest.fixture
def hub_runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"sut": {"colour": "red"}})) as runtime:
        yield runtime


async def test_unreachable_and_refused_are_told_apart(hub_runtime: RunningRuntime) -> None:
    variables = hub_runtime.module_env("sut", "connection-string")
    broken = variables | {
        "EdgeHubConnectionString": variables["EdgeHubConnectionString"].rsplit("SharedAccessKey=", 1)[0]
        + "SharedAccessKey="
        + "A" * 43
        + "="
    }
    with identity(broken):
        hub = AzureHub(open_timeout_s=10)
        with pytest.raises(HubError) as caught:
            await hub.open(HubHandlers())
        assert (caught.value.code, caught.value.retryable) == ("hub-credentials-refused", False)
        await hub.close()
    hub_runtime.stop()
    with identity(variables):
        hub = AzureHub(open_timeout_s=10)
        with pytest.raises(HubError) as caught:
            await hub.open(HubHandlers())
        assert (caught.value.code, caught.value.retryable) == ("hub-unreachable", True)
        await hub.close()


async def test_a_hub_that_was_killed_is_found_again_and_nothing_queued_is_lost(hub_runtime: RunningRuntime) -> None:
    seen: list[int] = []
    states: list[bool] = []
    with identity(hub_runtime.module_env("sut")):
        hub = AzureHub(call_timeout_s=10, open_timeout_s=15, retry_interval_s=1)
        handlers = HubHandlers(on_message=lambda m: seen.append(int(m.body)), on_connection=states.append)
        await hub.open(handlers)
        await hub.send(OutgoingMessage("loop", b"1"))
        await eventually(lambda: seen == [1])
        hub_runtime.kill()
        await eventually(lambda: not hub.connected, 15)
        await asyncio.to_thread(hub_runtime.start)
        await eventually(lambda: hub.connected, 20)
        await hub.send(OutgoingMessage("loop", b"2"))
        await eventually(lambda: 2 in seen)
        await hub.close()
    assert states[0] is True
    assert False in states
