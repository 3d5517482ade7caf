"""The manifest is code: what it names must exist, and what it promises must hold."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.schemas import edge_schema_errors
from support.templates import REPO, TEMPLATES, agent, hub, load

ROUTE = re.compile(
    r"^FROM /messages/modules/(?P<source>[\w-]+)/outputs/(?P<output>\w+) INTO "
    r"(?:(?P<upstream>\$upstream)|BrokeredEndpoint\(\"/modules/(?P<sink>[\w-]+)/inputs/(?P<input>\w+)\"\))$"
)
# What the modules' code offers, read from it by test_ports_exist_in_the_code.
OUTPUTS = {"capture": {"frames", "cameras"}, "inference": {"detections", "events", "health", "readers"}}
INPUTS = {"capture": {"readers"}, "inference": {"frames", "cameras"}}
SOURCES = {"capture": "modules/capture/src", "inference": "modules/inference/src"}


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(str(request.param))


def test_template_is_valid_against_the_published_schema(template: dict[str, Any]) -> None:
    assert edge_schema_errors(template, "azure-iot-edge-deployment-template-4.0") == []


def test_every_route_starts_and_ends_at_something_that_exists(template: dict[str, Any]) -> None:
    modules = agent(template)["modules"]
    for name, value in hub(template)["routes"].items():
        match = ROUTE.match(value["route"])
        assert match, f"route {name} does not parse: {value['route']}"
        assert match["source"] in modules
        assert match["output"] in OUTPUTS[match["source"]], name
        if not match["upstream"]:
            assert match["sink"] in modules
            assert match["input"] in INPUTS[match["sink"]], name


def test_every_output_has_a_route(template: dict[str, Any]) -> None:
    routed = {(m["source"], m["output"]) for r in hub(template)["routes"].values() if (m := ROUTE.match(r["route"]))}
    assert routed == {(module, output) for module, outputs in OUTPUTS.items() for output in outputs}


@pytest.mark.parametrize("module", ["capture", "inference"])
def test_ports_exist_in_the_code(module: str) -> None:
    code = "\n".join(path.read_text() for path in (REPO / SOURCES[module]).rglob("*.py"))
    for port in OUTPUTS[module] | INPUTS[module]:
        assert re.search(rf"[\"']{port}[\"']", code), f"{module} never names {port}"


def test_priorities_and_times_to_live(template: dict[str, Any]) -> None:
    routes = hub(template)["routes"]
    assert (routes["eventsToIoTHub"]["priority"], routes["eventsToIoTHub"]["timeToLiveSecs"]) == (0, 30 * 86400)
    assert routes["detectionsToIoTHub"]["priority"] > routes["healthToIoTHub"]["priority"] > 0
    assert routes["detectionsToIoTHub"]["timeToLiveSecs"] <= 3600
    assert routes["framesToInference"]["timeToLiveSecs"] <= 10, "a stale frame is worthless"


def test_every_module_has_folder_dockerfiles_and_matching_versions(template: dict[str, Any]) -> None:
    for name, module in agent(template)["modules"].items():
        image = module["settings"]["image"]
        folder = REPO if image == "${MODULEDIR<.>}" else REPO / "modules" / name
        assert image in ("${MODULEDIR<.>}", f"${{MODULES.{name}}}")
        manifest = json.loads((folder / "module.json").read_text())
        project_folder = REPO / "workbench" if folder == REPO else folder
        project = tomllib.loads((project_folder / "pyproject.toml").read_text())["project"]
        assert module["version"] == manifest["image"]["tag"]["version"] == project["version"]
        for platform in ("amd64", "arm64v8"):
            dockerfile = folder / manifest["image"]["tag"]["platforms"][platform]
            assert f'image.version="{project["version"]}"' in dockerfile.read_text()
        context = (folder / manifest["image"]["contextPath"]).resolve()
        assert context == REPO


@pytest.mark.parametrize("folder", ["modules/capture", "modules/inference", "workbench"])
def test_both_platforms_build_the_same_image(folder: str) -> None:
    amd64, arm64 = ((REPO / folder / f"Dockerfile.{platform}").read_text() for platform in ("amd64", "arm64v8"))
    assert arm64.replace("arm64v8/python", "python").replace("for arm64v8", "for amd64") == amd64
    assert "USER 10001:10001" in amd64
    assert not re.search(r"^\s*#\s*syntax|--mount|<<", amd64, re.MULTILINE), "the classic builder can't do this"


def test_modules_run_locked_down_and_with_bounded_logs(template: dict[str, Any]) -> None:
    for name, module in agent(template)["modules"].items():
        host = module["settings"]["createOptions"]["HostConfig"]
        assert module["restartPolicy"] == "always", name
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}


def test_frames_is_one_tmpfs_volume_that_the_modules_user_owns(template: dict[str, Any]) -> None:
    mounts = [
        next(m for m in agent(template)["modules"][name]["settings"]["createOptions"]["HostConfig"]["Mounts"]
             if m["Target"] == "/frames")
        for name in ("capture", "inference")
    ]  # fmt: skip
    assert mounts[0] == mounts[1]
    options = mounts[0]["VolumeOptions"]["DriverConfig"]["Options"]
    assert options["type"] == "tmpfs"
    assert "uid=10001,gid=10001" in options["o"]


def test_the_page_is_published_on_the_hosts_loopback_only(template: dict[str, Any]) -> None:
    bindings = agent(template)["modules"]["inference"]["settings"]["createOptions"]["HostConfig"]["PortBindings"]
    assert bindings == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}


def test_the_fleets_manifest_carries_no_site() -> None:
    content = load("deployment.template.json")["modulesContent"]
    assert "cameras" not in content["capture"]["properties.desired"], "cameras come per site (docs/deploy.md)"
    detections = content["inference"]["properties.desired"]["detections"]
    assert detections["policy"] == "changes"
    assert detections["floorIntervalS"] > 0


def test_no_secret_is_written_in_a_template() -> None:
    for name in TEMPLATES:
        text = (REPO / name).read_text()
        passwords = re.findall(r'"password": "([^"]*)"', text)
        assert all(value.startswith("$") for value in passwords)
        assert "SharedAccessKey" not in text
        assert not re.search(r"rtsps?://[^/\"]*@", text)


def test_create_options_fit_into_the_agents_twin(template: dict[str, Any]) -> None:
    for name, module in agent(template)["modules"].items():
        minified = json.dumps(module["settings"]["createOptions"], separators=(",", ":"))
        assert len(minified) < 8 * 512, f"{name}: iotedgedev splits createOptions into at most 8 chunks of 512"


def test_the_dockerignore_is_an_allow_list_that_names_each_folder() -> None:
    lines = [line for line in (REPO / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    for line in lines[1:]:
        if line.startswith("!"):
            assert "*" not in line, "a wildcard in a ! line re-includes nothing"
            assert Path(REPO / line[1:]).exists(), line
