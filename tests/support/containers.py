"""The few calls of Docker's HTTP API that edgeAgent makes, against whatever engine DOCKER_HOST names."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit


class EngineError(RuntimeError):
    """The engine answered with an error status."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class Engine:
    """A Docker-compatible engine on a unix socket."""

    def __init__(self, docker_host: str | None = None) -> None:
        self._path = urlsplit(docker_host or os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")).path

    def answers(self) -> bool:
        """Whether an engine is there."""
        try:
            self.call("GET", "/_ping")
        except (OSError, EngineError):
            return False
        return True

    def call(self, method: str, path: str, body: Any = None, *, accept: tuple[int, ...] = ()) -> Any:
        """The parsed JSON (or bytes) of the answer. Raises EngineError above status 399 unless it is in `accept`."""
        connection = _UnixConnection(self._path)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(
                method, "/v1.41" + path, payload, {"Content-Type": "application/json"} if payload else {}
            )
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status >= 400 and response.status not in accept:
            raise EngineError(f"{method} {path}: {response.status} {data[:500]!r}")
        if "json" in (response.getheader("Content-Type") or "") and data:
            return json.loads(data)
        return data

    def remove(self, name: str) -> None:
        """Remove a container if it is there."""
        self.call("DELETE", f"/containers/{quote(name)}?force=true", accept=(404,))

    def create(
        self, name: str, image: str, create_options: dict[str, Any], env: dict[str, str], *, network: str, alias: str
    ) -> str:
        """As edgeAgent does: the manifest's createOptions with image, environment and network filled in.

        `alias`: the module's id, by which the other modules reach it.
        """
        body = json.loads(json.dumps(create_options))
        body |= {"Image": image, "Env": [*body.get("Env", []), *(f"{key}={value}" for key, value in env.items())]}
        body.setdefault("HostConfig", {})["NetworkMode"] = network
        body["NetworkingConfig"] = {"EndpointsConfig": {network: {"Aliases": [alias]}}}
        created = self.call("POST", f"/containers/create?name={quote(name)}", body)
        return str(created["Id"])

    def start(self, container: str) -> None:
        self.call("POST", f"/containers/{container}/start")

    def stop(self, container: str, timeout_s: int) -> None:
        """SIGTERM, then SIGKILL after `timeout_s`."""
        self.call("POST", f"/containers/{container}/stop?t={timeout_s}", accept=(304,))

    def inspect(self, container: str) -> dict[str, Any]:
        state: dict[str, Any] = self.call("GET", f"/containers/{container}/json")
        return state

    def logs(self, container: str) -> str:
        """stdout and stderr together."""
        return _text(self.call("GET", f"/containers/{container}/logs?stdout=true&stderr=true", accept=(404,)))

    def run_inside(self, container: str, *command: str) -> tuple[int, str]:
        """Exit code and output of a command run in a running container by its own user."""
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
        made = self.call("POST", f"/containers/{container}/exec", body)
        output = _text(self.call("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False}))
        return int(self.call("GET", f"/exec/{made['Id']}/json")["ExitCode"]), output

    def has_image(self, name: str) -> bool:
        found = self.call("GET", f"/images/{quote(name, safe='/:')}/json", accept=(404,))
        return "Id" in found

    def commit(self, container: str, repository: str, tag: str) -> str:
        """A new image of a container; its name."""
        self.call("POST", f"/commit?container={container}&repo={quote(repository, safe='')}&tag={quote(tag)}", {})
        return f"{repository}:{tag}"

    def remove_image(self, name: str) -> None:
        self.call("DELETE", f"/images/{quote(name, safe='/:')}?force=true", accept=(404,))

    def has_volume(self, name: str) -> bool:
        found = self.call("GET", f"/volumes/{quote(name)}", accept=(404,))
        return "Name" in found

    def remove_volume(self, name: str) -> None:
        self.call("DELETE", f"/volumes/{quote(name)}?force=true", accept=(404,))

    def create_network(self, name: str, interface: str) -> None:
        """A bridge network; `interface`: this machine's name for the bridge (15 characters at most)."""
        options = {"com.docker.network.bridge.name": interface}
        self.call("POST", "/networks/create", {"Name": name, "CheckDuplicate": True, "Options": options})

    def remove_network(self, name: str) -> None:
        self.call("DELETE", f"/networks/{quote(name)}", accept=(404,))

    def gateway(self, network: str) -> str:
        """This machine's address on a bridge network."""
        configs = self.call("GET", f"/networks/{quote(network)}")["IPAM"]["Config"]
        return str(next(config["Gateway"] for config in configs if "." in config.get("Gateway", "")))


def pin_address(interface: str) -> None:
    """Keep a bridge's MAC address. Docker does it itself; podman's bridge takes another one as containers come and go,
    and a connection to this machine then hangs for a minute or two, until the container asks again who has the address.
    """
    address = Path(f"/sys/class/net/{interface}/address")
    if os.geteuid() == 0 and address.is_file():
        subprocess.run(["ip", "link", "set", "dev", interface, "address", address.read_text().strip()], check=True)


def _text(data: Any) -> str:
    """An output stream with its 8-byte frame headers taken out."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    parts, position = [], 0
    while position + 8 <= len(raw) and raw[position] in (0, 1, 2) and raw[position + 1 : position + 4] == b"\0\0\0":
        size = int.from_bytes(raw[position + 4 : position + 8], "big")
        parts.append(raw[position + 8 : position + 8 + size])
        position += 8 + size
    return (b"".join(parts) or raw).decode(errors="replace")
