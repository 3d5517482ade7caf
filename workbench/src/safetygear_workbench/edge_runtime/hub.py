"""The hub process of the stand-in runtime: `python -m safetygear_workbench.edge_runtime.hub --state DIR`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import fcntl
import hashlib
import json
import logging
import os
import secrets
import signal
import stat
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from safetygear.clock import Clock, SystemClock
from safetygear.errors import SafetyGearError, UserError
from safetygear.listen import Listen
from safetygear_workbench.edge_runtime import zone_desk
from safetygear_workbench.edge_runtime.broker import EdgeBroker
from safetygear_workbench.edge_runtime.connection import Connection
from safetygear_workbench.edge_runtime.control_api import control_app
from safetygear_workbench.edge_runtime.deployments import parse_deployment
from safetygear_workbench.edge_runtime.pki import Certificates, ensure_certificates
from safetygear_workbench.edge_runtime.service_api import KEY_NAME, service_app
from safetygear_workbench.edge_runtime.store import Store, StoreError
from safetygear_workbench.edge_runtime.workload import API_VERSION, MAX_SOCKET_PATH_BYTES, WorkloadServer
from safetygear_workbench.edge_runtime.zone_desk import zone_app

MQTT_PORT = 8883
"""azure-iot-device has it built in."""
HTTPS_PORT = 443
DEVICE, IOTHUB = "stand-in", "stand-in.azure-devices.net"
READY_FILE = "ready.json"
LOCK_FILE = "hub.lock"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubOptions:
    """How the hub process was asked to run."""

    state: Path
    manifest: Path | None = None
    address: str = "127.0.0.1"
    rest_port: int = 8443
    listen: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name a client may call the hub by: they stand in its certificate."""
        return tuple(dict.fromkeys((self.address, *self.listen, "localhost", "edgeHub")))


async def serve(options: HubOptions, clock: Clock, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Raises UserError for what a person can mend, StoreError where the disk is full."""
    try:
        options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (options.state / LOCK_FILE).open("w")
    except OSError as exc:
        raise UserError(f"the state folder {options.state} can't be used: {exc.strerror}.") from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise UserError(
                f"the state folder {options.state} is used by another hub.", hint="Choose another --state folder."
            ) from exc
        asyncio.get_running_loop().set_exception_handler(_quiet_about_the_store)
        await _serve(options, clock, stop)


async def _serve(options: HubOptions, clock: Clock, stop: asyncio.Event) -> None:
    # Left over where the last hub was killed: nobody must take its addresses for ours.
    (options.state / READY_FILE).unlink(missing_ok=True)
    manifest = read_manifest(options.manifest) if options.manifest else None
    certificates = ensure_certificates(options.state / "pki", options.hosts, clock.now_s())
    store = Store(options.state / "hub.sqlite")
    upstream_path = options.state / "upstream.jsonl"
    broker = EdgeBroker(store, upstream_path, clock, device=DEVICE, iothub=IOTHUB, gateways=options.hosts)
    if manifest is not None:
        broker.apply_manifest(manifest)
    workload = WorkloadServer(broker, certificates.authority, _socket_folder(options.state))
    await workload.serve_all()
    control_token = secrets.token_urlsafe(24)
    environment = _Environment(options, broker, workload, certificates)
    runners: list[web.AppRunner] = []
    servers: list[asyncio.Server] = []
    try:
        context = certificates.server_context()
        for address in (options.address, *options.listen):
            servers.append(await _listen_mqtt(broker, address, context))
        hosts = frozenset(name.lower() for name in (*options.hosts, IOTHUB))
        service = await _serve_http(service_app(broker, hosts, clock), options.address, options.rest_port, context)
        control = await _serve_http(control_app(broker, workload, control_token, environment.of), "127.0.0.1", 0, None)
        zones = await _serve_http(zone_app(broker), "127.0.0.1", 0, None)
        environment.zones = f"http://127.0.0.1:{zones.port}"
        runners += [service.runner, control.runner, zones.runner]
        ready = {
            "pid": os.getpid(),
            "address": options.address,
            "control": f"http://127.0.0.1:{control.port}",
            "controlToken": control_token,
            "rest": f"{options.address}:{service.port}",
            "serviceConnectionString": (
                f"HostName={service_host(options.address, service.port)};SharedAccessKeyName={KEY_NAME};"
                f"SharedAccessKey={broker.service_key}"
            ),
            "authority": str(certificates.authority),
            "upstream": str(upstream_path),
            "device": DEVICE,
        }
        _write_private(options.state / READY_FILE, json.dumps(ready, indent=1))
        log.info("hub ready on %s:%d", options.address, MQTT_PORT)
        while not stop.is_set():
            if store.failure is not None:
                raise store.failure
            broker.housekeeping()
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue
    finally:
        (options.state / READY_FILE).unlink(missing_ok=True)
        for server in servers:
            server.close()
        broker.close()
        for runner in runners:
            await runner.cleanup()
        await workload.close()


def read_manifest(path: Path) -> dict[str, Any]:
    """A rendered deployment. Raises UserError naming the place that is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UserError(f"the manifest {path} can't be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError) as exc:
        raise UserError(f"the manifest {path} is not JSON: {exc}.") from exc
    try:
        parse_deployment(content)
    except UserError as exc:
        raise UserError(f"{path}: {exc}", code=exc.code) from exc
    result: dict[str, Any] = content
    return result


def service_host(address: str, port: int) -> str:
    """The host of a service connection string. Node's azure-iothub reads no port there, and takes 443."""
    return address if port == HTTPS_PORT else f"{address}:{port}"


class _Environment:
    """The environment variables that give a process a module's identity."""

    def __init__(
        self, options: HubOptions, broker: EdgeBroker, workload: WorkloadServer, certificates: Certificates
    ) -> None:
        self._options = options
        self._broker = broker
        self._workload = workload
        self._certificates = certificates
        self.zones = ""
        """Where zones are taken from the live page; set once it is served."""

    def of(self, module_id: str, mode: str, gateway: str | None) -> dict[str, str]:
        """`mode`: `workload` as edgeAgent starts modules, `connection-string` as iotedgehubdev does."""
        module = self._broker.modules[module_id]
        host = gateway or self._options.address
        if mode == "workload":
            return {
                "IOTEDGE_IOTHUBHOSTNAME": IOTHUB,
                "IOTEDGE_GATEWAYHOSTNAME": host,
                "IOTEDGE_DEVICEID": DEVICE,
                "IOTEDGE_MODULEID": module_id,
                "IOTEDGE_MODULEGENERATIONID": module.generation_id,
                "IOTEDGE_WORKLOADURI": f"unix://{self._workload.socket_path(module_id)}",
                "IOTEDGE_APIVERSION": API_VERSION,
                "IOTEDGE_AUTHSCHEME": "sasToken",
                zone_desk.VARIABLE: f"{self.zones}/{zone_desk.capability(self._broker, module_id)}",
            }
        if mode == "connection-string":
            return {
                "EdgeHubConnectionString": (
                    f"HostName={IOTHUB};GatewayHostName={host};DeviceId={DEVICE};ModuleId={module_id};"
                    f"SharedAccessKey={module.key}"
                ),
                "EdgeModuleCACertificateFile": str(self._certificates.authority),
            }
        raise UserError(f"there is no credential mode {mode!r}.", hint="Choose workload or connection-string.")


@dataclass(frozen=True)
class _HttpServer:
    runner: web.AppRunner
    port: int


async def _listen_mqtt(broker: EdgeBroker, address: str, context: Any) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(
            lambda: Connection(broker), address, MQTT_PORT, ssl=context, ssl_handshake_timeout=20, reuse_address=True
        )
    except OSError as exc:
        raise _cannot_listen(
            address, MQTT_PORT, exc, "Another hub may be running; choose --address 127.0.0.2."
        ) from exc


async def _serve_http(app: web.Application, address: str, port: int, context: Any) -> _HttpServer:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=context).start()
    except OSError as exc:
        await runner.cleanup()
        raise _cannot_listen(address, port, exc, "Choose another --rest-port (0: any free one).") from exc
    return _HttpServer(runner, int(runner.addresses[0][1]))


def _cannot_listen(address: str, port: int, exc: OSError, hint: str) -> UserError:
    why = "the port is in use" if exc.errno == errno.EADDRINUSE else (exc.strerror or str(exc))
    return UserError(f"can't listen on {address}:{port}: {why}.", hint=hint, code="port-in-use")


def _socket_folder(state: Path) -> Path:
    """Below the state folder, or a short private folder where that path would not fit into a socket address.

    It is the same at each start: a module that outlives the hub renews its token through the path it was given.
    """
    folder = state.resolve() / "workload"
    if len(str(folder).encode()) + 1 + 64 + 5 <= MAX_SOCKET_PATH_BYTES:
        return folder
    name = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"safetygear-{os.getuid()}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UserError(f"{short} belongs to somebody else.", hint="Choose a --state folder with a shorter path.")
    return short / "workload"


def _quiet_about_the_store(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Its failure ends the hub with one line; each connection that meets it needs no traceback."""
    if not isinstance(context.get("exception"), StoreError):
        loop.default_exception_handler(context)


def _write_private(path: Path, text: str) -> None:
    making = path.with_suffix(".new")
    making.unlink(missing_ok=True)
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    making.replace(path)


def parse_arguments(arguments: Sequence[str]) -> HubOptions:
    parser = argparse.ArgumentParser("safetygear_workbench.edge_runtime.hub", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for keys, queues and twins")
    parser.add_argument("--manifest", type=Path, help="a rendered deployment to apply when it has changed")
    parser.add_argument("--address", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--rest-port", type=int, default=8443, help="IoT Hub's REST paths over TLS; 0: any free port")
    parser.add_argument("--listen", action="append", default=[], help="a further address, for containers; repeatable")
    given = parser.parse_args(arguments)
    if not Listen(given.address, MQTT_PORT).is_loopback:
        raise UserError(
            f"--address {given.address} is not on loopback.", hint="Add other addresses with --listen ADDRESS."
        )
    if not 0 <= given.rest_port <= 65535:
        raise UserError(f"--rest-port is {given.rest_port}.", hint="Use 0 (any free one) to 65535.")
    return HubOptions(given.state.resolve(), given.manifest, given.address, given.rest_port, tuple(given.listen))


async def _run(options: HubOptions) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, SystemClock(), stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a stop, 1 where a restart may help (a full disk), 2 for what a person can mend."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="hub: %(message)s")
    try:
        asyncio.run(_run(parse_arguments(sys.argv[1:] if arguments is None else arguments)))
    except SafetyGearError as exc:
        sys.stderr.write(f"hub: {exc}\n")
        return 2 if isinstance(exc, UserError) else 1
    except OSError as exc:
        sys.stderr.write(f"hub: {exc.strerror or exc}: {exc.filename or 'the state folder'}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
