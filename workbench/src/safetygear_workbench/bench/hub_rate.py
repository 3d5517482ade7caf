"""How many messages a second go through the stand-in's hub, from one SDK client to where IoT Hub would be."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetygear.errors import SafetyGearError
from safetygear.hub.azure import AzureHub
from safetygear.hub.port import HubHandlers, OutgoingMessage
from safetygear_workbench.bench.processes import usage
from safetygear_workbench.edge_runtime.hub_control import HubControl, HubReady, read_ready
from safetygear_workbench.edge_runtime.leash import leashed
from safetygear_workbench.simulation.ports import Ports

MODULE = "sender"
IN_FLIGHT = 16
READY_WITHIN_S = 20.0
DELIVERED_WITHIN_S = 60.0
MQTT_PORT = 8883
_MANIFEST = {
    "modulesContent": {
        "$edgeAgent": {"properties.desired": {"modules": {MODULE: {}}}},
        "$edgeHub": {
            "properties.desired": {
                "schemaVersion": "1.2",
                "routes": {"all": f"FROM /messages/modules/{MODULE}/* INTO $upstream"},
            }
        },
        MODULE: {"properties.desired": {}},
    }
}


async def measure(folder: Path, sizes_bytes: Sequence[int], *, messages: int) -> list[dict[str, Any]]:
    """Messages a second by size of the body. Raises SafetyGearError where the hub does not come up or deliver."""
    state = (folder / "hub").resolve()
    state.mkdir(parents=True, exist_ok=True)
    manifest = folder / "hub.manifest.json"
    manifest.write_text(json.dumps(_MANIFEST), encoding="utf-8")
    ports = Ports()
    command = [
        sys.executable, "-m", "safetygear_workbench.edge_runtime.hub", "--state", str(state), "--manifest",
        str(manifest), "--address", ports.hub_address(MQTT_PORT), "--rest-port", "0",
    ]  # fmt: skip
    (state / "ready.json").unlink(missing_ok=True)
    process = _start(command, folder / "hub.log")
    try:
        ready = await _ready(state, process)
        async with HubControl(ready) as control:
            environment = await control.module_environment(MODULE)
            os.environ.update(environment)
            hub = AzureHub()
            await hub.open(HubHandlers())
            try:
                return [await _rate(hub, control, process.pid, size, messages) for size in sizes_bytes]
            finally:
                await hub.close()
                for name in environment:
                    os.environ.pop(name, None)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)
        ports.close()


def _start(command: list[str], log_file: Path) -> subprocess.Popen[bytes]:
    leash = leashed(command, starter_pid=os.getpid(), death_signal=signal.SIGTERM)
    with log_file.open("ab") as log:
        return subprocess.Popen(leash, stdout=log, stderr=log)


async def _ready(state: Path, process: subprocess.Popen[bytes]) -> HubReady:
    give_up_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_s and process.poll() is None:
        ready = read_ready(state)
        if ready is not None:
            return ready
        await asyncio.sleep(0.05)
    raise SafetyGearError(f"the stand-in's hub did not start; see {state.parent}/hub.log", code="bench-hub")


async def _rate(hub: AzureHub, control: HubControl, pid: int, size_bytes: int, messages: int) -> dict[str, Any]:
    body = json.dumps({"filling": "x" * max(0, size_bytes - 14)}).encode()
    delivered = await _delivered(control)
    waiting = asyncio.Semaphore(IN_FLIGHT)

    async def send() -> None:
        async with waiting:
            await hub.send(OutgoingMessage("out", body))

    used_s, own_s, began_s = usage(pid).cpu_s, time.process_time(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(messages):
            group.create_task(send())
    acknowledged_s = time.monotonic() - began_s
    while await _delivered(control) < delivered + messages:
        if time.monotonic() - began_s > DELIVERED_WITHIN_S:
            raise SafetyGearError("the stand-in's hub did not deliver what it had acknowledged", code="bench-hub")
        await asyncio.sleep(0.02)
    took_s = time.monotonic() - began_s
    return {
        "body_bytes": len(body),
        "messages": messages,
        "acknowledged_per_s": round(messages / acknowledged_s, 1),
        "delivered_per_s": round(messages / took_s, 1),
        "hub_cpu_ms": round((usage(pid).cpu_s - used_s) / messages * 1000, 3),
        "client_cpu_ms": round((time.process_time() - own_s) / messages * 1000, 3),
    }


async def _delivered(control: HubControl) -> int:
    return int((await control.status())["upstream"]["delivered"])
