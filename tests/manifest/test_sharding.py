"""A template with several inference modules is a valid one, and each message has exactly one way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import UserError
from safetygear_workbench.cli.main import main
from safetygear_workbench.edge_runtime.deployments import parse_deployment
from safetygear_workbench.manifests.sharding import sharded
from support.schemas import edge_schema_errors
from support.templates import FLEET, REPO, agent, hub, load


@pytest.fixture
def three() -> dict[str, Any]:
    return sharded(load(FLEET), 3)


def test_it_is_valid_against_the_published_schema(three: dict[str, Any]) -> None:
    assert edge_schema_errors(three, "azure-iot-edge-deployment-template-4.0") == []


def test_each_shard_has_one_instance_and_capture_knows_them(three: dict[str, Any]) -> None:
    modules = agent(three)["modules"]
    assert set(modules) == {"capture", "inference", "inference-2", "inference-3"}
    shards = three["modulesContent"]["capture"]["properties.desired"]["shards"]
    assert [
        modules[name]["env"]["SAFETYGEAR_SHARDS"]["value"] for name in sorted(modules) if name != "capture"
    ] == shards


def test_no_two_instances_share_data_or_a_port(three: dict[str, Any]) -> None:
    data, ports = [], []
    for name, module in agent(three)["modules"].items():
        host = module["settings"]["createOptions"]["HostConfig"]
        if name != "capture":
            data += [mount["Source"] for mount in host["Mounts"] if mount["Target"] == "/data"]
            ports += [binding["HostPort"] for binding in host["PortBindings"]["8080/tcp"]]
    assert len(set(data)) == len(data) == 3
    assert ports == ["8080", "8081", "8082"]


def test_every_frame_goes_to_its_shard_and_every_output_upstream(three: dict[str, Any]) -> None:
    routes = [value["route"] for value in hub(three)["routes"].values()]
    assert len(routes) == 18
    for number, name in enumerate(("inference", "inference-2", "inference-3"), 1):
        for port in ("frames", "cameras"):
            to = f"WHERE shard = 'shard-{number}' INTO BrokeredEndpoint(\"/modules/{name}/inputs/{port}\")"
            assert sum(to in route for route in routes) == 1
        for output in ("events", "health", "detections", "readers"):
            assert sum(f"/messages/modules/{name}/outputs/{output} " in route for route in routes) == 1
    assert len(parse_deployment(three).routes) == 18


def test_the_template_is_left_as_it_is() -> None:
    template = load(FLEET)
    sharded(template, 2)
    assert template == load(FLEET)


@pytest.mark.parametrize("instances", [0, 1, 17])
def test_a_number_that_makes_no_sense_is_refused(instances: int) -> None:
    with pytest.raises(UserError, match="instances"):
        sharded(load(FLEET), instances)


def test_a_route_that_cannot_be_split_is_named() -> None:
    template = load(FLEET)
    hub(template)["routes"]["framesToInference"]["route"] += " WHERE a = 'b'"
    with pytest.raises(UserError, match="framesToInference"):
        sharded(template, 2)


def inference(template: dict[str, Any]) -> dict[str, Any]:
    return agent(template)["modules"]["inference"]  # type: ignore[no-any-return]  # JSON


def host(template: dict[str, Any]) -> dict[str, Any]:
    return inference(template)["settings"]["createOptions"]["HostConfig"]  # type: ignore[no-any-return]  # JSON


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda t: t["modulesContent"].pop("inference"), "no object modulesContent.inference.properties.desired"),
        (lambda t: agent(t)["modules"].pop("inference"), "$edgeAgent.properties.desired.modules.inference"),
        (lambda t: inference(t)["settings"].update(createOptions='{"HostConfig": {}}'), "settings.createOptions.HostC"),
        (lambda t: inference(t)["settings"].pop("createOptions"), "settings.createOptions.HostConfig"),
        (lambda t: inference(t).update(env=[]), "modules.inference.env"),
        (lambda t: hub(t).update(routes=[]), "$edgeHub.properties.desired.routes"),
        (lambda t: hub(t)["routes"].update(odd=7), "route odd is neither"),
        (lambda t: host(t).update(Mounts=[{"Type": "bind"}]), "HostConfig has a mount"),
        (lambda t: host(t).update(PortBindings={"8080/tcp": [{"HostPort": "http"}]}), "HostConfig has a mount"),
        (
            lambda t: host(t).update(Mounts=[{"Source": "/srv/a", "Target": "/data"}]),
            "which every instance would share",
        ),
        (lambda t: host(t).update(Mounts=[], Binds=["/srv/a:/data"]), "which every instance would share"),
    ],
)
def test_a_template_of_ones_own_that_cannot_be_split_is_one_line(change: Any, part: str) -> None:
    template = load(FLEET)
    change(template)
    with pytest.raises(UserError) as caught:
        sharded(template, 2)
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_routes_as_text_stay_text_binds_are_set_apart_and_null_is_no_route() -> None:
    template = load(FLEET)
    routes = hub(template)["routes"]
    hub(template)["routes"] = {name: route["route"] for name, route in routes.items()} | {"gone": None}
    host(template).update(Mounts=[], Binds=["inference-data:/data", "/dev/shm/sg:/frames:ro"])
    content = sharded(template, 2)
    assert len(hub(content)["routes"]) == 12 and all(isinstance(text, str) for text in hub(content)["routes"].values())
    second = agent(content)["modules"]["inference-2"]["settings"]["createOptions"]["HostConfig"]
    assert second["Binds"] == ["inference-2-data:/data", "/dev/shm/sg:/frames:ro"]


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deployment.sharded.template.json"
    given = ["manifest", "shard", "--instances", "2", "--manifest", str(REPO / FLEET), "-o", str(out)]
    assert main(given) == 0
    assert json.loads(out.read_text()) == sharded(load(FLEET), 2)
    assert main(["manifest", "shard", "--instances", "2", "--manifest", str(tmp_path / "none.json")]) == 2
    assert "does not exist" in capsys.readouterr().err
