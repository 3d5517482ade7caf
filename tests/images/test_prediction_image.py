"""The inference image as a container that answers predictions alone, as `docker run -p 80:80 IMAGE serve` would.

Run by `make test-images`, after `make images`.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

from safetygear_inference.detectors import open_model
from safetygear_inference.pixels import decode_picture
from safetygear_workbench.edge_runtime.manifest import load_manifest
from support.containers import Engine
from support.prediction import KEY, MODEL, PROJECT, scene_jpeg
from support.runtime import wait_until
from support.templates import DEMO, REPO

pytestmark = pytest.mark.images

NAME = "safetygear-test-serve"
"""Of containers, and of the network that each has of its own."""
STOP_S = 10
UNPRIVILEGED_PORTS = {"net.ipv4.ip_unprivileged_port_start": "0"}
"""What Docker sets in every container of its own accord, and podman does not."""


class Served:
    """The container, and its address on this machine."""

    def __init__(self, engine: Engine, name: str, address: str) -> None:
        self.engine = engine
        self.name = name
        self.address = address

    def python(self, code: str) -> str:
        status, output = self.engine.run_inside(self.name, "python", "-c", code)
        assert status == 0, output
        return output.strip()


def image() -> str:
    manifest = load_manifest(REPO / DEMO, {})
    modules: dict[str, Any] = manifest.content["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]
    return str(modules["inference"]["settings"]["image"])


@contextlib.contextmanager
def running(container_port: int, sysctls: dict[str, str], **environment: str) -> Iterator[Served]:
    name = f"{NAME}-{container_port}"
    engine = Engine()
    if not engine.answers():
        pytest.fail("no engine answers at DOCKER_HOST: `make test-images`, with IMAGE_ENGINE where Docker is missing")
    assert engine.has_image(image()), f"build {image()} first: make images"
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {
        "Cmd": ["serve"],
        "ExposedPorts": {f"{container_port}/tcp": {}},
        "HostConfig": {
            "PortBindings": {f"{container_port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]},
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Sysctls": sysctls,
            "Memory": 1024 * 2**20,
        },
    }
    engine.create_network(name, f"sg-serve{container_port}")
    try:
        container = engine.create(
            name, image(), options, {"PredictionKey": KEY, **environment}, network=name, alias="prediction"
        )
        engine.start(container)
        address = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(address, timeout=5).ok
            return False

        try:
            wait_until(answers, 60, "the container")
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{engine.logs(name)[-3000:]}") from exc
        yield Served(engine, name, address)
    finally:
        engine.remove(name)
        engine.remove_network(name)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(80, UNPRIVILEGED_PORTS) as container:
        yield container


def test_the_unmodified_client_gets_the_boxes_of_safetygear_detect(served: Served) -> None:
    client = CustomVisionPredictionClient(served.address, ApiKeyCredentials(in_headers={"Prediction-Key": KEY}))
    result = client.detect_image(PROJECT, "any", scene_jpeg())
    boxes = open_model(MODEL).detector().detect(decode_picture(scene_jpeg()))
    found = [
        (one.bounding_box.left, one.bounding_box.top, one.bounding_box.width, one.bounding_box.height)
        for one in result.predictions
    ]
    expected = [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes.xyxy_norm.tolist()]
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-3), "another machine's instructions may round otherwise"


def test_it_asks_for_its_key_and_describes_itself(served: Served) -> None:
    refused = requests.post(f"{served.address}/image", data=scene_jpeg(), timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (401, "Unauthorized")
    assert requests.get(f"{served.address}/openapi.json", timeout=10).json()["openapi"] == "3.0.3"
    assert "<html" in requests.get(f"{served.address}/docs", timeout=10).text


def test_it_has_no_rights_and_every_library(served: Served) -> None:
    found = served.python(
        "import os, azure.storage.blob, cv2, onnxruntime; status = open('/proc/1/status').read()\n"
        "print(os.getuid(), [l.split()[1] for l in status.splitlines() if l.startswith(('CapEff', 'NoNewPrivs'))])"
    )
    assert found == "10001 ['0000000000000000', '1']"


def test_sigterm_stops_it_in_time(served: Served) -> None:
    started_s = time.monotonic()
    served.engine.stop(served.name, STOP_S)
    took_s = time.monotonic() - started_s
    logs = served.engine.logs(served.name)
    assert int(served.engine.inspect(served.name)["State"]["ExitCode"]) == 0, logs[-2000:]
    assert took_s < STOP_S
    assert KEY not in logs
    assert "Traceback" not in logs


def test_as_the_examples_run_it_it_needs_no_low_port() -> None:
    with running(8000, {}, SAFETYGEAR_PREDICTION_LISTEN="0.0.0.0:8000") as container:
        headers = {"Prediction-Key": KEY, "Content-Type": "image/jpeg"}
        answer = requests.post(f"{container.address}/image", scene_jpeg(), headers=headers, timeout=30)
        assert answer.ok and answer.json()["predictions"]
