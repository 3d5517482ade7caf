"""The stand-in runtime's hub as a process of its own, for contract and scenario tests."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

MQTT_PORT = 8883


def free_loopback_address() -> str:
    """A 127.x.y.z on which nobody listens on 8883: the SDK's port is fixed, so parallel hubs differ in the address."""
    for _ in range(50):
        address = f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind((address, MQTT_PORT))
            except OSError:
                continue
            return address
    raise RuntimeError("found no free loopback address")


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """The first true value of `condition`; AssertionError after `timeout_s`."""
    give_up_s = time.monotonic() + timeout_s
    while time.monotonic() < give_up_s:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")


def minimal_manifest(routes: dict[str, Any], desired: dict[str, Any]) -> dict[str, Any]:
    """A deployment with just the modules named in `desired` ({module: desired properties or None})."""
    content: dict[str, Any] = {
        "$edgeAgent": {"properties.desired": {"modules": {module: {} for module in desired}}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.2", "routes": routes}},
    }
    content |= {module: {"properties.desired": value} for module, value in desired.items() if value is not None}
    return {"modulesContent": content}


class RunningRuntime:
    """A hub process and what a test does to it."""

    def __init__(self, state: Path, manifest: dict[str, Any], *, listen: tuple[str, ...] = ()) -> None:
        self.state = state
        self.address = free_loopback_address()
        self._listen = listen
        self._manifest_path = state.parent / f"{state.name}.manifest.json"
        self._manifest_path.write_text(json.dumps(manifest))
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}
        self.start()

    def start(self) -> None:
        (self.state / "ready.json").unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "safetygear_workbench.edge_runtime.hub", "--state", str(self.state),
            "--manifest", str(self._manifest_path), "--address", self.address, "--rest-port", "0",
            *(part for address in self._listen for part in ("--listen", address)),
        ]  # fmt: skip
        self._log = (self.state.parent / f"{self.state.name}.log").open("ab")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        process, ready_file = self._process, self.state / "ready.json"
        wait_until(lambda: ready_file.exists() or process.poll() is not None, 15, "the hub to be ready")
        assert process.poll() is None, self.log()
        self.ready = json.loads(ready_file.read_text())

    def log(self) -> str:
        return (self.state.parent / f"{self.state.name}.log").read_text()

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """The same state folder and address with a new process; kills the old one if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self.start()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(10)
        self._log.close()
        return code

    def control(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.ready['controlToken']}"}
        response = requests.request(method, self.ready["control"] + path, json=body, headers=headers, timeout=10)
        assert response.ok, response.text
        return response.json()

    def module_env(self, module: str, mode: str = "workload", gateway: str | None = None) -> dict[str, str]:
        """The variables that make a process this module."""
        query = f"?mode={mode}" + (f"&gateway={gateway}" if gateway else "")
        environment: dict[str, str] = self.control("GET", f"/modules/{module}/environment{query}")
        return environment

    def process_env(self, module: str, mode: str = "workload") -> dict[str, str]:
        """This process's environment with that identity in it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("IOTEDGE_", "EdgeHub", "EdgeModule"))}
        return kept | self.module_env(module, mode)

    def status(self) -> dict[str, Any]:
        content: dict[str, Any] = self.control("GET", "/status")
        return content

    def set_upstream(self, state: str) -> None:
        self.control("PUT", "/upstream", {"state": state})

    def upstream(self) -> list[dict[str, Any]]:
        """What IoT Hub has received."""
        path = Path(self.ready["upstream"])
        return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []

    def redeploy(self, manifest: dict[str, Any]) -> None:
        """Apply a deployment again, as an automatic deployment does."""
        self._manifest_path.write_text(json.dumps(manifest))
        self.control("PUT", "/manifest?redeploy=1", manifest)

    def service(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A call of IoT Hub's REST paths with a valid service token."""
        from safetygear_workbench.edge_runtime import sas

        parts = dict(part.split("=", 1) for part in self.ready["serviceConnectionString"].split(";"))
        token = sas.make_token(parts["SharedAccessKey"], parts["HostName"], int(time.time()) + 60, "iothubowner")
        return requests.request(
            method, f"https://{self.ready['rest']}{path}?api-version=2021-04-12", json=body, timeout=30,
            headers={"Authorization": token}, verify=self.ready["authority"],
        )  # fmt: skip

    def patch_desired(self, module: str, patch: dict[str, Any]) -> None:
        path = f"/twins/{self.ready['device']}/modules/{module}"
        response = self.service("PATCH", path, {"properties": {"desired": patch}})
        assert response.ok, response.text

    def twin(self, module: str) -> dict[str, Any]:
        content: dict[str, Any] = self.service("GET", f"/twins/{self.ready['device']}/modules/{module}").json()
        return content["properties"]  # type: ignore[no-any-return]  # JSON

    def call_method(self, module: str, name: str, payload: Any = None, timeout_s: int = 10) -> dict[str, Any]:
        path = f"/twins/{self.ready['device']}/modules/{module}/methods"
        body = {"methodName": name, "payload": payload, "responseTimeoutInSeconds": timeout_s}
        content: dict[str, Any] = self.service("POST", path, body).json()
        return content


@contextlib.contextmanager
def start_runtime(folder: Path, manifest: dict[str, Any], *, listen: tuple[str, ...] = ()) -> Iterator[RunningRuntime]:
    """A hub with its own state below `folder` and its own loopback address; ended at the end."""
    runtime = RunningRuntime(folder / "hub", manifest, listen=listen)
    try:
        yield runtime
    finally:
        if runtime._process is not None and runtime._process.poll() is None:
            runtime.stop()
