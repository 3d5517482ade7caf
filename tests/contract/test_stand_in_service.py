"""The service's side of the stand-in, with the real azure-iot-hub client over TLS, and who is refused."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import requests
import requests_unixsocket
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from safetygear.hub.azure import AzureHub
from safetygear.hub.port import HubHandlers, MethodRequest, MethodResponse
from safetygear_workbench.edge_runtime import sas
from support.hub import eventually, identity
from support.runtime import MQTT_PORT, RunningRuntime, minimal_manifest, start_runtime

MANIFEST = minimal_manifest({}, {"sut": {"colour": "red", "cameras": {"deployed": {"fps": 5}}}, "other": {}})
OTHER_KEY = base64.b64encode(b"x" * 32).decode()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    with start_runtime(tmp_path, MANIFEST) as started:
        yield started


@pytest.fixture
def service(runtime: RunningRuntime, monkeypatch: pytest.MonkeyPatch) -> IoTHubRegistryManager:
    # The one thing the client has to be told: whose certificates to trust.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", runtime.ready["authority"])
    manager: Any = IoTHubRegistryManager.from_connection_string(runtime.ready["serviceConnectionString"])
    return manager


def desired(service: IoTHubRegistryManager, runtime: RunningRuntime) -> dict[str, Any]:
    found: dict[str, Any] = service.get_module_twin(runtime.ready["device"], "sut").properties.desired
    return found


def test_twins(service: IoTHubRegistryManager, runtime: RunningRuntime) -> None:
    device = runtime.ready["device"]
    twin = service.get_module_twin(device, "sut")
    assert twin.properties.desired == {"colour": "red", "cameras": {"deployed": {"fps": 5}}, "$version": 2}
    assert (twin.module_id, twin.connection_state) == ("sut", "Disconnected")
    patch = Twin(properties=TwinProperties(desired={"colour": None, "cameras": {"own": {"fps": 1}}}))
    changed = service.update_module_twin(device, "sut", patch, twin.etag)
    assert changed.properties.desired["cameras"] == {"deployed": {"fps": 5}, "own": {"fps": 1}}
    assert "colour" not in desired(service, runtime)
    with pytest.raises(HttpOperationError, match="Precondition"):
        service.update_module_twin(device, "sut", patch, twin.etag)
    service.replace_module_twin(device, "sut", Twin(properties=TwinProperties(desired={"only": 1})))
    assert desired(service, runtime) == {"only": 1, "$version": 4}


def test_a_redeployment_overwrites_desired_properties(service: IoTHubRegistryManager, runtime: RunningRuntime) -> None:
    patch = Twin(properties=TwinProperties(desired={"colour": "blue", "cameras": {"own": {"fps": 1}}}))
    service.update_module_twin(runtime.ready["device"], "sut", patch)
    # The hub's own restart is no redeployment.
    runtime.restart()
    assert runtime.twin("sut")["desired"]["colour"] == "blue"
    runtime.redeploy(MANIFEST)
    assert runtime.twin("sut")["desired"] == {"colour": "red", "cameras": {"deployed": {"fps": 5}}, "$version": 4}


def test_a_module_is_found_with_its_key(service: IoTHubRegistryManager, runtime: RunningRuntime) -> None:
    device = runtime.ready["device"]
    assert sorted(module.module_id for module in service.get_modules(device)) == ["other", "sut"]
    sut = service.get_module(device, "sut")
    assert (sut.device_id, sut.managed_by, sut.connection_state) == (device, "IotEdge", "Disconnected")
    keys = sut.authentication.symmetric_key
    assert keys.primary_key == keys.secondary_key
    assert runtime.module_env("sut", "connection-string")["EdgeHubConnectionString"].endswith(f"={keys.primary_key}")
    for missing in (("elsewhere", "sut"), (device, "nobody")):
        with pytest.raises(HttpOperationError):
            service.get_module(*missing)
    with pytest.raises(HttpOperationError):
        service.get_modules("elsewhere")


async def test_methods(service: IoTHubRegistryManager, runtime: RunningRuntime) -> None:
    async def answer(request: MethodRequest) -> MethodResponse:
        return MethodResponse(201, {"name": request.name, "got": request.payload})

    def call(name: str) -> Any:
        method = CloudToDeviceMethod(method_name=name, payload={"x": "é"}, response_timeout_in_seconds=10)
        return service.invoke_device_module_method(runtime.ready["device"], "sut", method)

    with pytest.raises(HttpOperationError):
        await asyncio.to_thread(call, "nobody-there")
    with identity(runtime.module_env("sut")):
        hub = AzureHub(call_timeout_s=10, open_timeout_s=15)
        await hub.open(HubHandlers(on_method=answer))
        result = await asyncio.to_thread(call, "status")
        await hub.close()
    assert (result.status, result.payload) == (201, {"name": "status", "got": {"x": "é"}})
    await eventually(lambda: not runtime.status()["modules"]["sut"]["connected"])


def service_status(runtime: RunningRuntime, token: str, path: str = "/twins/stand-in/modules/sut") -> int:
    url = f"https://{runtime.ready['rest']}{path}?api-version=2021-04-12"
    headers = {"Authorization": token} if token else {}
    return requests.get(url, headers=headers, verify=runtime.ready["authority"], timeout=10).status_code


def test_who_is_refused_by_rest(runtime: RunningRuntime) -> None:
    parts = dict(part.split("=", 1) for part in runtime.ready["serviceConnectionString"].split(";"))
    host, key, now_s = parts["HostName"], parts["SharedAccessKey"], int(time.time())
    module_key = runtime.module_env("sut", "connection-string")["EdgeHubConnectionString"].rpartition(
        "SharedAccessKey="
    )[2]
    assert service_status(runtime, sas.make_token(key, host, now_s + 60, "iothubowner")) == 200
    for token in (
        "",
        "Bearer x",
        sas.make_token(OTHER_KEY, host, now_s + 60, "iothubowner"),
        sas.make_token(module_key, host, now_s + 60, "iothubowner"),
        sas.make_token(key, host, now_s - 1, "iothubowner"),
        sas.make_token(key, "elsewhere.azure-devices.net", now_s + 60, "iothubowner"),
        sas.make_token(key, host, now_s + 60),
        sas.make_token(key, host, now_s + 60, "device"),
    ):
        assert service_status(runtime, token) == 401, token
        assert service_status(runtime, token, "/twins/stand-in/modules/nobody") == 401
        assert service_status(runtime, token, "/devices/stand-in/modules/sut") == 401
    control = requests.get(f"{runtime.ready['control']}/status", timeout=10)
    assert control.status_code == 401


def connack(runtime: RunningRuntime, module: str, token: str) -> int:
    """MQTT's return code for an unmodified paho client."""
    codes: list[int] = []
    client = mqtt.Client(f"stand-in/{module}", protocol=mqtt.MQTTv311)
    context = ssl.create_default_context(cafile=runtime.ready["authority"])
    client.tls_set_context(context)
    hub = runtime.module_env(module)["IOTEDGE_IOTHUBHOSTNAME"]
    client.username_pw_set(f"{hub}/stand-in/{module}/?api-version=2019-10-01", token)
    client.on_connect = lambda *arguments: codes.append(arguments[3])
    client.connect(runtime.address, MQTT_PORT)
    give_up_s = time.monotonic() + 10
    while not codes and time.monotonic() < give_up_s:
        client.loop(0.1)
    client.disconnect()
    return codes[0]


def test_who_is_refused_by_mqtt(runtime: RunningRuntime) -> None:
    variables = runtime.module_env("sut", "connection-string")
    parts = dict(part.split("=", 1) for part in variables["EdgeHubConnectionString"].split(";"))
    key, now_s = parts["SharedAccessKey"], int(time.time())
    own = f"{parts['HostName']}/devices/stand-in/modules/sut"
    other = f"{parts['HostName']}/devices/stand-in/modules/other"
    assert connack(runtime, "sut", sas.make_token(key, own, now_s + 60)) == 0
    assert connack(runtime, "sut", sas.make_token(OTHER_KEY, own, now_s + 60)) == 5
    assert connack(runtime, "sut", sas.make_token(key, own, now_s - 1)) == 5
    assert connack(runtime, "sut", sas.make_token(key, other, now_s + 60)) == 5
    assert connack(runtime, "other", sas.make_token(key, own, now_s + 60)) == 5
    assert connack(runtime, "other", sas.make_token(key, other, now_s + 60)) == 5
    assert runtime.status()["counts"]["refused"] == 5


def test_a_modules_socket_signs_for_that_module_only(runtime: RunningRuntime) -> None:
    def sign(path: str, module: str, generation: str) -> int:
        url = f"http+unix://{path.replace('/', '%2F')}/modules/{module}/genid/{generation}/sign"
        body = {"keyId": "primary", "algo": "HMACSHA256", "data": base64.b64encode(b"x").decode()}
        status: int = requests_unixsocket.Session().post(f"{url}?api-version=2018-06-28", json=body).status_code
        return status

    sut, other = runtime.module_env("sut"), runtime.module_env("other")
    path = sut["IOTEDGE_WORKLOADURI"].removeprefix("unix://")
    assert sign(path, "sut", sut["IOTEDGE_MODULEGENERATIONID"]) == 200
    assert sign(path, "other", other["IOTEDGE_MODULEGENERATIONID"]) == 404
    assert sign(path, "sut", "0") == 404


def test_keys_are_private_and_the_hub_is_on_loopback_only(runtime: RunningRuntime) -> None:
    secrets = [runtime.ready["controlToken"], runtime.ready["serviceConnectionString"].partition("SharedAccessKey=")[2]]
    secrets.append("PRIVATE KEY")
    holders = [
        path for path in runtime.state.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]  # fmt: skip
    assert {path.name for path in holders} >= {"ready.json", "authority.key", "server.key"}
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in holders] == ["0o600"] * len(holders)
    assert stat.S_IMODE((runtime.state / "hub.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE(runtime.state.stat().st_mode) == 0o700
    assert set(listeners(runtime.ready["pid"])) == {runtime.address, "127.0.0.1"}


def test_a_further_address_is_listened_on_with_a_certificate_for_it(tmp_path: Path) -> None:
    with start_runtime(tmp_path, MANIFEST, listen=("127.98.7.6",)) as runtime:
        assert set(listeners(runtime.ready["pid"])) == {runtime.address, "127.0.0.1", "127.98.7.6"}
        variables = runtime.module_env("sut", "connection-string", gateway="127.98.7.6")
        assert "GatewayHostName=127.98.7.6" in variables["EdgeHubConnectionString"]
        context = ssl.create_default_context(cafile=runtime.ready["authority"])
        with socket.create_connection(("127.98.7.6", MQTT_PORT), 5) as raw:
            context.wrap_socket(raw, server_hostname="127.98.7.6").close()


def listeners(pid: int) -> list[str]:
    """The IPv4 addresses on which a process listens (IPv6: an assertion that there are none)."""
    inodes = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                assert table == "tcp", "listens on IPv6"
                found.append(".".join(str(byte) for byte in reversed(bytes.fromhex(fields[1].partition(":")[0]))))
    return found
