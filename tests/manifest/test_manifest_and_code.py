"""What the manifest says to the modules, the modules understand; what it promises to the device, the images keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from safetygear.twin.desired import merged
from safetygear.twin.reading import read_desired
from safetygear_capture.config import CaptureTwin
from safetygear_capture.environment import read_environment as read_capture_environment
from safetygear_inference.config import InferenceTwin
from safetygear_inference.environment import read_environment as read_inference_environment
from safetygear_workbench.simulation.options import DEMO_ZONES
from support.templates import DEMO, FLEET, REPO, TEMPLATES, agent, load, variables

TWINS: dict[str, type[msgspec.Struct]] = {"capture": CaptureTwin, "inference": InferenceTwin}
ENVIRONMENTS = {"capture": read_capture_environment, "inference": read_inference_environment}
each_template = pytest.mark.parametrize("name", TEMPLATES)
each_module = pytest.mark.parametrize("module", TWINS)


class Asked(Mapping[str, str]):
    """An environment that notes which variables were read."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def create_options(name: str, module: str) -> dict[str, Any]:
    options: dict[str, Any] = agent(load(name))["modules"][module]["settings"]["createOptions"]
    return options


@each_template
@each_module
def test_the_module_takes_its_desired_properties_without_an_error(name: str, module: str) -> None:
    desired = load(name)["modulesContent"][module]["properties.desired"]
    assert read_desired(TWINS[module], desired, last_good=None).errors == ()


@each_template
@each_module
def test_the_module_reads_every_variable_that_the_manifest_sets(name: str, module: str) -> None:
    values = {key: entry["value"] for key, entry in agent(load(name))["modules"][module]["env"].items()}
    environ = Asked(values)
    ENVIRONMENTS[module](environ)
    assert set(values) - environ.names == set()


@each_template
def test_what_the_environment_names_is_mounted(name: str) -> None:
    for module in TWINS:
        host = create_options(name, module)["HostConfig"]
        mounted = {mount["Target"] for mount in host["Mounts"]} | {bind.split(":")[1] for bind in host["Binds"]}
        env = agent(load(name))["modules"][module]["env"]
        folders = {entry["value"] for key, entry in env.items() if re.fullmatch(r"SAFETYGEAR_\w+_DIR", key)}
        assert folders == mounted, module


@each_template
def test_published_ports_are_exposed_and_listened_on(name: str) -> None:
    for module, entry in agent(load(name))["modules"].items():
        options = create_options(name, module)
        for port in options["HostConfig"].get("PortBindings", {}):
            assert port in options["ExposedPorts"]
            number = port.partition("/")[0]
            assert any(value["value"].endswith(f":{number}") for value in entry["env"].values())
            dockerfile = (REPO / "modules" / module / "Dockerfile.amd64").read_text()
            assert re.search(rf"^EXPOSE .*\b{number}\b", dockerfile, re.MULTILINE)


@each_template
def test_every_variable_of_a_template_is_in_the_example(name: str) -> None:
    known = {line.partition("=")[0] for line in (REPO / ".env.example").read_text().splitlines() if "=" in line}
    assert set(variables(load(name))) <= known


@each_template
def test_system_modules_keep_their_store_on_a_volume_and_bound_their_logs(name: str) -> None:
    for module in agent(load(name))["systemModules"].values():
        folder = module["env"]["storageFolder"]["value"]
        host = module["settings"]["createOptions"]["HostConfig"]
        assert [mount["Target"] for mount in host["Mounts"] if mount["Type"] == "volume"] == [folder]
        assert host["LogConfig"]["Config"]["max-size"] == "10m"
        assert len(json.dumps(module["settings"]["createOptions"], separators=(",", ":"))) < 8 * 512


def test_a_module_needs_no_folder_that_somebody_has_to_make() -> None:
    """Volumes are made with the image's owner, a missing bind source as root's: so binds are read-only."""
    for name in TEMPLATES:
        for module in TWINS:
            assert all(bind.endswith(":ro") for bind in create_options(name, module)["HostConfig"]["Binds"])
            for mount in create_options(name, module)["HostConfig"]["Mounts"]:
                assert mount["Type"] == "volume"
                for platform in ("amd64", "arm64v8"):
                    dockerfile = (REPO / "modules" / module / f"Dockerfile.{platform}").read_text()
                    assert re.search(rf"install -d -o safetygear .*{mount['Target']}\b", dockerfile)


def test_the_demo_differs_from_the_fleet_by_its_camera_and_what_goes_with_it() -> None:
    fleet, demo = load(FLEET), load(DEMO)
    camera = agent(demo)["modules"].pop("sitecamera")
    cameras = demo["modulesContent"]["capture"]["properties.desired"].pop("cameras")
    inference = demo["modulesContent"]["inference"]["properties.desired"]
    assert inference.pop("detections") == {"policy": "all"}
    assert inference.pop("page") == {"faces": "clear"}, "rendered ones"
    assert inference.pop("zones") == {"demo": DEMO_ZONES}, "as in `make demo`"
    fleet["modulesContent"]["inference"]["properties.desired"].pop("detections")
    assert demo == fleet
    command = camera["settings"]["createOptions"]["Cmd"]
    port = command[command.index("--port") + 1]
    assert [entry["url"] for entry in cameras.values()] == [f"rtsp://sitecamera:{port}/demo"]


def test_every_example_of_the_deployment_guide_is_taken() -> None:
    """Twin patches and layered deployments in docs/deploy.md, read as the module would."""
    text = (REPO / "docs" / "deploy.md").read_text()
    patches = [json.loads(found) for found in re.findall(r"--desired \\\n\s+'(\{.*?\})'\n", text, re.DOTALL)]
    layered = [json.loads(found) for found in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert patches and layered
    zones = []
    for content in layered:
        for module, found in (("capture", patches), ("inference", zones)):
            for path, value in content["content"]["modulesContent"].get(module, {}).items():
                for part in reversed(path.removeprefix("properties.desired.").split(".")):
                    value = {part: value}
                found.append(value)
    assert zones
    for patch in zones:
        desired = merged(load(FLEET)["modulesContent"]["inference"]["properties.desired"], patch)
        reading = read_desired(InferenceTwin, desired, last_good=None)
        assert reading.errors == ()
        assert reading.config.zones, "the example draws no zone"
    fleet = load(FLEET)["modulesContent"]["capture"]["properties.desired"]
    for patch in patches:
        reading = read_desired(CaptureTwin, merged(fleet, patch), last_good=None)
        assert reading.errors == ()
        assert reading.config.cameras, "the example configures no camera"
