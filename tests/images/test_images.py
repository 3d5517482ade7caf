"""The built images as containers, started from the demo template's createOptions as edgeAgent starts them.

The hub is the stand-in runtime on this machine; the engine is whatever DOCKER_HOST names. Run by `make test-images`,
after `make images`. Nothing that the containers use exists beforehand: no volume, no folder on the host.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from safetygear_workbench.edge_runtime.manifest import load_manifest
from support.containers import Engine, pin_address
from support.runtime import RunningRuntime, start_runtime, wait_until
from support.templates import DEMO, REPO

pytestmark = pytest.mark.images

NETWORK, BRIDGE = "safetygear-test", "sg-test0"
SECRETS = Path("/etc/safetygear/secrets")
TOKEN = "a token for this test only"
WORKLOAD_SOCKET = "/var/run/iotedge/workload.sock"
HUB_NAME = "edgeHub"
STOP_S = 10
"""edgeAgent's: SIGKILL comes this long after SIGTERM."""


def modules_of_the_demo() -> dict[str, Any]:
    manifest = load_manifest(REPO / DEMO, {})
    modules: dict[str, Any] = manifest.content["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]
    return modules


def volumes_of(modules: dict[str, Any]) -> set[str]:
    mounts = [
        m for entry in modules.values() for m in entry["settings"]["createOptions"]["HostConfig"].get("Mounts", [])
    ]
    return {mount["Source"] for mount in mounts}


class Solution:
    """The demo template's modules as containers."""

    def __init__(self, engine: Engine, modules: dict[str, Any]) -> None:
        self.engine = engine
        self.modules = modules
        self.runtime: RunningRuntime | None = None
        self.page_port = _free_port()

    @staticmethod
    def name(module: str) -> str:
        return f"{NETWORK}-{module}"

    def start(self, module: str, *, image: str | None = None, env: dict[str, str] | None = None) -> str:
        """Create and start the module's container; its id."""
        entry = self.modules[module]
        options = copy.deepcopy(entry["settings"]["createOptions"])
        environment = {key: value["value"] for key, value in entry.get("env", {}).items()}
        # The one departure from the manifest: 8080 may be taken on this machine.
        for bindings in options["HostConfig"].get("PortBindings", {}).values():
            for binding in bindings:
                binding["HostPort"] = str(self.page_port)
        if self.runtime is not None:
            identity = self.runtime.module_env(module, "workload", HUB_NAME)
            host_socket = identity["IOTEDGE_WORKLOADURI"].removeprefix("unix://")
            environment |= identity | {"IOTEDGE_WORKLOADURI": f"unix://{WORKLOAD_SOCKET}"}
            options["HostConfig"]["Binds"] = [
                *options["HostConfig"].get("Binds", []),
                f"{host_socket}:{WORKLOAD_SOCKET}",
            ]
            options["HostConfig"]["ExtraHosts"] = [f"{HUB_NAME}:{self.engine.gateway(NETWORK)}"]
        container = self.engine.create(
            self.name(module), image or entry["settings"]["image"], options, environment | (env or {}),
            network=NETWORK, alias=module,
        )  # fmt: skip
        self.engine.start(container)
        return container

    def stop(self, module: str) -> tuple[int, float]:
        """SIGTERM, and SIGKILL after STOP_S; exit code and seconds."""
        started_s = time.monotonic()
        self.engine.stop(self.name(module), STOP_S)
        took_s = time.monotonic() - started_s
        return int(self.engine.inspect(self.name(module))["State"]["ExitCode"]), took_s

    def recreate(self, module: str, *, image: str | None = None, env: dict[str, str] | None = None) -> str:
        self.stop(module)
        self.engine.remove(self.name(module))
        return self.start(module, image=image, env=env)

    def python(self, module: str, code: str) -> str:
        """What a Python program run in the module's container prints."""
        status, output = self.engine.run_inside(self.name(module), "python", "-c", code)
        assert status == 0, output
        return output.strip()

    def received(self, output: str, after: int = 0) -> list[dict[str, Any]]:
        """Messages of one output that have reached IoT Hub's place, without the first `after`."""
        assert self.runtime is not None
        return [message for message in self.runtime.upstream() if message["output"] == output][after:]

    def wait_for_detections(self, timeout_s: float = 45) -> list[dict[str, Any]]:
        """New detections with at least one box. A module that hangs until the hub throws it out takes 90 s."""
        before = len(self.received("detections"))
        try:
            return wait_until(
                lambda: [m for m in self.received("detections", before) if m["body"]["detections"]],
                timeout_s,
                "detections upstream",
            )
        except AssertionError as exc:
            logs = "\n".join(f"== {name}\n{self.engine.logs(self.name(name))[-3000:]}" for name in self.modules)
            raise AssertionError(f"{exc}\n{logs}") from exc


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine()
    if not engine.answers():
        pytest.fail("no engine answers at DOCKER_HOST: `make test-images`, with IMAGE_ENGINE where Docker is missing")
    return engine


@pytest.fixture(scope="module")
def solution(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solution]:
    modules = modules_of_the_demo()
    for entry in modules.values():
        assert engine.has_image(entry["settings"]["image"]), f"build {entry['settings']['image']} first: make images"
    for volume in volumes_of(modules):
        assert not engine.has_volume(volume), f"volume {volume} exists: is a solution running here? Remove it first"
    assert not SECRETS.exists(), f"{SECRETS} exists: the test must not touch a device's secrets"
    made_secrets = not SECRETS.parent.exists()
    solution = Solution(engine, modules)
    try:
        engine.create_network(NETWORK, BRIDGE)
        # The first container brings the bridge up, on which the hub then listens.
        solution.start("sitecamera")
        pin_address(BRIDGE)
        with start_runtime(
            tmp_path_factory.mktemp("images"), load_manifest(REPO / DEMO, {}).content, listen=(engine.gateway(NETWORK),)
        ) as runtime:
            solution.runtime = runtime
            for module in ("inference", "capture"):
                solution.start(module)
            yield solution
            for module in modules:
                engine.remove(solution.name(module))
    finally:
        for module in modules:
            engine.remove(solution.name(module))
        for volume in volumes_of(modules):
            engine.remove_volume(volume)
        engine.remove_network(NETWORK)
        with contextlib.suppress(OSError):
            shutil.rmtree(SECRETS.parent if made_secrets else SECRETS)


def test_detections_flow_from_the_demos_camera(solution: Solution) -> None:
    schema = json.loads((REPO / "docs" / "schemas" / "safetygear.detections.1.json").read_text())
    for message in solution.wait_for_detections():
        jsonschema.validate(message["body"], schema)
        assert message["properties"]["camera"] == "demo"


@pytest.mark.parametrize("module", ["capture", "inference", "sitecamera"])
def test_it_runs_without_root_and_without_rights(solution: Solution, module: str) -> None:
    assert solution.engine.inspect(solution.name(module))["HostConfig"]["ReadonlyRootfs"] is True
    found = solution.python(
        module,
        "import os; status = open('/proc/1/status').read()\n"
        "def can_write(path):\n"
        "    try: open(path + '/written', 'w').close()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print(os.getuid(), os.getgid(), [p for p in ('/', '/app', '/etc', '/opt/venv', '/usr') if can_write(p)],\n"
        "      [l.split()[1] for l in status.splitlines() if l.startswith(('CapEff', 'NoNewPrivs'))])",
    )
    assert found == "10001 10001 [] ['0000000000000000', '1']"


def test_frames_are_shared_and_belong_to_the_modules(solution: Solution) -> None:
    shown = "import os; s = os.stat('/frames'); print(s.st_uid, sorted(n for n in os.listdir('/frames')))"
    seen = {solution.python(module, shown) for module in ("capture", "inference")}
    assert len(seen) == 1
    assert seen.pop().startswith("10001 ['demo")


def test_the_missing_secrets_folder_is_an_empty_one(solution: Solution) -> None:
    for module in ("capture", "inference"):
        shown = "import os; s = os.stat('/secrets'); print(s.st_uid, oct(s.st_mode & 0o777), os.listdir('/secrets'))"
        assert solution.python(module, shown) == "0 0o755 []"


def test_without_a_token_the_page_is_off_with_one_line(solution: Solution) -> None:
    lines = [
        line for line in solution.engine.logs(solution.name("inference")).splitlines() if "SAFETYGEAR_PAGE" in line
    ]
    assert lines and all("[ERR]" in line for line in lines)
    assert len([line for line in lines if "the live page is off" in line]) <= 1
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{solution.page_port}/healthz", timeout=5)


@pytest.mark.parametrize("module", ["capture", "inference"])
def test_metrics_are_served_inside_the_network(solution: Solution, module: str) -> None:
    other = {"capture": "inference", "inference": "capture"}[module]
    code = f"import urllib.request as u; print(u.urlopen('http://{module}:9600/metrics', timeout=10).read().decode())"
    text = solution.python(other, code)
    assert f'edge_device="{_device(solution)}"' in text
    assert f'module_name="{module}"' in text


@pytest.mark.parametrize("module", ["inference", "capture", "sitecamera"])
def test_sigterm_stops_it_in_time(solution: Solution, module: str) -> None:
    code, took_s = solution.stop(module)
    try:
        assert code == 0, solution.engine.logs(solution.name(module))[-2000:]
        assert took_s < STOP_S
        assert "Traceback" not in solution.engine.logs(solution.name(module))
    finally:
        solution.engine.start(solution.name(module))
    solution.wait_for_detections()
    for other in solution.modules:
        assert "Traceback" not in solution.engine.logs(solution.name(other))


def test_a_container_from_a_new_image_finds_its_data_again(solution: Solution) -> None:
    solution.python("inference", "open('/data/marker', 'w').write('kept')")
    used_before = wait_until(lambda: _used_blocks(solution), 90, "the message count on disk")
    solution.stop("inference")
    repository = solution.modules["inference"]["settings"]["image"].rpartition(":")[0]
    image = solution.engine.commit(solution.name("inference"), repository, "recreated")
    try:
        container = solution.recreate("inference", image=image)
        assert solution.engine.inspect(container)["Config"]["Image"] == image
        assert solution.python("inference", "print(open('/data/marker').read())") == "kept"
        assert _used_blocks(solution) >= used_before
        solution.wait_for_detections()
    finally:
        solution.recreate("inference")
        solution.engine.remove_image(image)


def test_with_a_token_the_page_is_served_on_loopback(solution: Solution) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may write a device's secrets")
    token_file = SECRETS / "page-token"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o440)
    os.chown(token_file, 0, 10001)
    solution.recreate("inference")
    page = f"http://127.0.0.1:{solution.page_port}"

    def served() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{page}/healthz", timeout=5).ok
        return False

    wait_until(served, 60, "the page")
    assert requests.get(f"{page}/api/state", timeout=5).status_code == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert "<html" in requests.get(page, headers=bearer, timeout=5).text
    for asset in ("page.js", "page.css"):
        assert requests.get(f"{page}/static/{asset}", timeout=5).ok, asset
    solution.wait_for_detections()
    frames = requests.get(f"{page}/api/state", headers=bearer, timeout=5).json()["frames"]
    assert [frame["camera"] for frame in frames] == ["demo"]
    assert requests.get(f"{page}/healthz", headers={"Host": "evil.example"}, timeout=5).status_code == 421
    assert TOKEN not in solution.engine.logs(solution.name("inference"))


def _device(solution: Solution) -> str:
    assert solution.runtime is not None
    return str(solution.runtime.ready["device"])


def _used_blocks(solution: Solution) -> int:
    """What the file says that keeps the budget's count over restarts; 0 without one."""
    text = solution.python(
        "inference",
        "import pathlib as p; f = p.Path('/data/message-budget.json'); print(f.is_file() and f.read_text())",
    )
    days = {} if text == "False" else json.loads(text)["days"]
    return sum(day["detectionsBlocks"] + day["otherBlocks"] for day in days.values())
