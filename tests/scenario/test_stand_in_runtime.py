"""The stand-in hub with unmodified azure-iot-device clients: killed under load, cut off, over its quota."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from safetygear.errors import HubError
from safetygear.hub.azure import AzureHub
from safetygear.hub.port import HubHandlers, IncomingMessage, OutgoingMessage
from support.campaigns import share
from support.hub import eventually, identity
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

pytestmark = pytest.mark.scenario

ROUTES = {
    "work": {"route": 'FROM /messages/modules/writer/outputs/work INTO BrokeredEndpoint("/modules/reader/inputs/in")'},
    "up": {"route": "FROM /messages/modules/writer/outputs/up INTO $upstream", "priority": 5},
    "events": {"route": "FROM /messages/modules/writer/outputs/events INTO $upstream", "priority": 0},
    "shortLived": {"route": "FROM /messages/modules/writer/outputs/short INTO $upstream", "timeToLiveSecs": 1},
}  # fmt: skip
MESSAGES = 150


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"writer": {}, "reader": {}})) as started:
        yield started


async def open_as(runtime: RunningRuntime, module: str, handlers: HubHandlers, mode: str = "workload") -> AzureHub:
    with identity(runtime.module_env(module, mode)):
        hub = AzureHub(call_timeout_s=60, open_timeout_s=20, retry_interval_s=1)
        await hub.open(handlers)
    return hub


@pytest.mark.parametrize("round_", range(share(10)))
async def test_what_was_acknowledged_before_a_kill_is_delivered_after_it(runtime: RunningRuntime, round_: int) -> None:
    received: list[int] = []
    acknowledged: list[int] = []
    writer = await open_as(runtime, "writer", HubHandlers())

    async def send(number: int) -> None:
        for output in ("work", "up"):
            while True:
                try:
                    await writer.send(OutgoingMessage(output, json.dumps({"n": number}).encode()))
                    break
                except HubError as exc:
                    assert exc.retryable
                    await asyncio.sleep(0.2)
        acknowledged.append(number)

    # Nobody reads yet: the queue in the store is what has to survive.
    tasks = [asyncio.create_task(send(number)) for number in range(MESSAGES)]
    await eventually(lambda: len(acknowledged) >= MESSAGES // 3, 30)
    runtime.kill()
    before = set(acknowledged)
    assert before
    await eventually(lambda: not writer.connected, 20)
    await asyncio.to_thread(runtime.start)

    def take(message: IncomingMessage) -> None:
        received.append(json.loads(message.body)["n"])

    reader = await open_as(runtime, "reader", HubHandlers(on_message=take), "connection-string")
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    await eventually(lambda: len(set(received)) == MESSAGES, 30)
    upstream = [message["body"]["n"] for message in runtime.upstream()]
    await eventually(lambda: runtime.status()["modules"]["reader"]["queued"] == 0, 10)
    await writer.close()
    await reader.close()
    assert before <= set(received)
    assert set(upstream) == set(range(MESSAGES))
    duplicates = sum(count - 1 for count in Counter(received).values())
    print(f"{len(before)} of {MESSAGES} acknowledged before the kill, {duplicates} duplicates after it")
    # At least once: a message whose acknowledgement the kill took is sent again, no other.
    assert duplicates <= MESSAGES - len(before)


async def test_upstream_off_and_on_events_first_and_what_is_too_old_is_gone(runtime: RunningRuntime) -> None:
    writer = await open_as(runtime, "writer", HubHandlers())
    runtime.set_upstream("off")
    for number in range(4):
        for output in ("up", "events", "short"):
            await writer.send(OutgoingMessage(output, json.dumps({"n": number, "output": output}).encode()))
    assert runtime.upstream() == []
    await eventually(lambda: runtime.status()["upstream"]["expired"] == 4, 10)
    # A restart while it is off: upstream is on again, with what was queued.
    runtime.kill()
    await eventually(lambda: not writer.connected, 20)
    await asyncio.to_thread(runtime.start)
    await eventually(lambda: len(runtime.upstream()) == 8, 15)
    await writer.close()
    arrived = [(message["output"], message["body"]["n"]) for message in runtime.upstream()]
    assert arrived == [("events", n) for n in range(4)] + [("up", n) for n in range(4)]


async def test_a_used_up_quota_holds_messages_back_and_loses_none(runtime: RunningRuntime) -> None:
    writer = await open_as(runtime, "writer", HubHandlers())
    runtime.set_upstream("quota-exceeded")
    for number in range(3):
        await writer.send(OutgoingMessage("up", json.dumps({"n": number}).encode()))
    status = runtime.status()["upstream"]
    assert (status["state"], status["waiting"], status["delivered"]) == ("quota-exceeded", 3, 0)
    assert status["refused"] >= 3
    runtime.set_upstream("on")
    await eventually(lambda: [message["body"]["n"] for message in runtime.upstream()] == [0, 1, 2], 10)
    await writer.close()


async def test_a_module_that_was_down_gets_what_is_still_alive(runtime: RunningRuntime) -> None:
    writer = await open_as(runtime, "writer", HubHandlers())
    for number in range(5):
        await writer.send(OutgoingMessage("work", json.dumps({"n": number}).encode(), {"number": str(number)}))
    received: list[tuple[int, str]] = []
    reader = await open_as(
        runtime, "reader",
        HubHandlers(on_message=lambda m: received.append((json.loads(m.body)["n"], m.properties["number"]))),
    )  # fmt: skip
    await eventually(lambda: len(received) == 5, 10)
    assert received == [(number, str(number)) for number in range(5)]
    await writer.close()
    await reader.close()
