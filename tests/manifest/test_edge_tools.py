"""The real iotedgedev and iotedgehubdev accept both templates."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.edge_tools import edge_tool, quiet_home
from support.schemas import REPO, edge_schema_errors

TEMPLATES = {
    "deployment.template.json": "deployment.amd64.json",
    "deployment.demo.template.json": "deployment.demo.amd64.json",
}
COMPOSE = """
import json, sys
from iotedgehubdev.composeproject import ComposeProject
content = json.load(open(sys.argv[1]))["modulesContent"]
project = ComposeProject(content)
project.set_edge_info({
    "env_info": {"hub_env": [], "module_env": []}, "volume_info": {"HUB_MOUNT": "h", "MODULE_MOUNT": "m",
    "HUB_VOLUME": "hv", "MODULE_VOLUME": "mv"}, "network_info": {"NW_NAME": "n", "ALIASES": "a"},
    "hub_name": "edgeHubDev",
    "ConnStr_info": {name: "c" for name in content["$edgeAgent"]["properties.desired"]["modules"]} | {"$edgeHub": "c"},
    "labels": "l", "routes": content["$edgeHub"]["properties.desired"]["routes"]})
project.compose()
json.dump(project.Services, sys.stdout, default=str)
"""


def copy_of_the_solution(target: Path) -> Path:
    """What the tools look at: manifests, module.json files, Dockerfiles."""
    for pattern in ("deployment*.json", "module.json", "modules/*/module.json", "modules/*/Dockerfile.*",
                    "workbench/Dockerfile.*"):  # fmt: skip
        for path in REPO.glob(pattern):
            copy = target / path.relative_to(REPO)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    shutil.copy(REPO / ".env.example", target / ".env")
    return target


def run(tool: Path, *arguments: str, cwd: Path, home: Path) -> str:
    done = subprocess.run(
        [tool, *arguments], cwd=cwd, env=quiet_home(home), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def generate(tmp_path: Path, name: str) -> dict[str, Any]:
    solution = copy_of_the_solution(tmp_path / "solution")
    run(edge_tool("iotedgedev"), "genconfig", "-f", name, "-P", "amd64", cwd=solution, home=tmp_path / "home")
    content: dict[str, Any] = json.loads((solution / "config" / TEMPLATES[name]).read_text())
    return content


@pytest.mark.parametrize("name", TEMPLATES)
def test_iotedgedev_generates_a_valid_deployment(tmp_path: Path, name: str) -> None:
    deployment = generate(tmp_path, name)
    text = json.dumps(deployment)
    assert "${" not in text, "a variable or an image was left unresolved"
    assert "$CONTAINER_REGISTRY" not in text
    modules = deployment["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]
    assert modules["capture"]["settings"]["image"] == "localhost:5000/safetygear-capture:0.1.0-amd64"
    assert edge_schema_errors(deployment, "azure-iot-edge-deployment-2.0") == []
    for module in (
        *modules.values(),
        *deployment["modulesContent"]["$edgeAgent"]["properties.desired"]["systemModules"].values(),
    ):
        chunks = [text for key, text in module["settings"].items() if key.startswith("createOptions")]
        json.loads("".join(chunks))
        assert all(len(chunk) <= 512 for chunk in chunks) and len(chunks) <= 8


@pytest.mark.parametrize("name", TEMPLATES)
def test_iotedgehubdev_turns_it_into_services(tmp_path: Path, name: str) -> None:
    python = edge_tool("iotedgehubdev").with_name("python")
    deployment = tmp_path / "deployment.json"
    deployment.write_text(json.dumps(generate(tmp_path, name)))
    services = json.loads(run(python, "-c", COMPOSE, str(deployment), cwd=tmp_path, home=tmp_path / "home"))
    for module in ("capture", "inference"):
        volumes = {volume["target"]: volume for volume in services[module]["volumes"] if isinstance(volume, dict)}
        assert volumes["/frames"]["source"] == "safetygear-frames"
        assert services[module]["read_only"] is True
    data = [volume for volume in services["inference"]["volumes"] if isinstance(volume, dict)]
    assert "safetygear-inference-data" in {volume["source"] for volume in data if volume["target"] == "/data"}


def test_iotedgehubdev_accepts_its_configuration(tmp_path: Path) -> None:
    key = base64.b64encode(b"no device has this key: 32 bytes").decode()
    connection = f"HostName=example.azure-devices.net;DeviceId=example;SharedAccessKey={key}"
    tool, home = edge_tool("iotedgehubdev"), tmp_path / "home"
    run(tool, "setup", "-c", connection, cwd=tmp_path, home=home)
    assert "valid" in run(tool, "validateconfig", cwd=tmp_path, home=home)
