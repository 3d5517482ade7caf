"""The deployment a simulation runs: the template's, with cameras and policy of the run, and no secret in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.manifest import load_manifest
from safetygear_workbench.edge_runtime.module_specs import module_specs
from safetygear_workbench.simulation.deployment import (
    camera_properties,
    camera_secrets,
    deployment,
    has_cameras,
)
from safetygear_workbench.simulation.options import DEMO_ZONES, SimulatedCamera, parse_camera
from support.scenes import TOUR, truth

REPOSITORY = Path(__file__).parents[2]
REGISTRY = {"CONTAINER_REGISTRY_PASSWORD": "registry-sesame"}


def desired(content: dict[str, Any], module: str) -> Any:
    return content["modulesContent"][module]["properties.desired"]


def test_cameras_of_the_run_go_into_captures_twin() -> None:
    manifest = load_manifest(REPOSITORY / "deployment.template.json", REGISTRY)
    specs = module_specs(manifest)
    assert not has_cameras(manifest, specs)
    content = deployment(manifest, specs, {"gate": {"url": "rtsp://10.0.0.1/1"}})
    assert desired(content, "capture")["cameras"] == {"gate": {"url": "rtsp://10.0.0.1/1"}}
    assert desired(content, "inference")["detections"]["policy"] == "all"
    assert desired(content, "inference")["budget"] == {"dailyBlocks": 400_000, "burstPercent": 100}
    assert desired(manifest.content, "inference")["detections"]["policy"] == "changes", "the manifest is not changed"
    assert "registry-sesame" not in json.dumps(content)


def test_the_demo_templates_camera_is_found_on_this_machine() -> None:
    manifest = load_manifest(REPOSITORY / "deployment.demo.template.json", REGISTRY)
    specs = module_specs(manifest)
    assert has_cameras(manifest, specs)
    content = deployment(manifest, specs, {})
    assert desired(content, "capture")["cameras"]["demo"]["url"] == "rtsp://127.0.0.1:8554/demo"
    own = deployment(manifest, specs, {"gate": {"url": "rtsp://10.0.0.1/1"}})
    assert desired(own, "capture")["cameras"] == {"gate": {"url": "rtsp://10.0.0.1/1"}}


@pytest.mark.parametrize(
    ("template", "own"), [("deployment.template.json", None), ("deployment.demo.template.json", "clear")]
)
def test_the_page_shows_faces_of_rendered_people_only(template: str, own: str | None) -> None:
    manifest = load_manifest(REPOSITORY / template, REGISTRY)
    specs = module_specs(manifest)

    def faces(cameras: dict[str, dict[str, str]], *, rendered: bool = False) -> str | None:
        page = desired(deployment(manifest, specs, cameras, rendered=rendered), "inference").get("page", {})
        found: str | None = page.get("faces")
        return found

    assert faces({}) == own
    assert faces({"gate": {"url": "rtsp://10.0.0.1/1"}}) is None
    assert faces({"demo": {"url": "rtsp://127.0.0.1:1/demo"}}, rendered=True) == "clear"


def test_the_manifests_zones_go_before_those_that_the_run_brings() -> None:
    manifest = load_manifest(REPOSITORY / "deployment.template.json", REGISTRY)
    specs = module_specs(manifest)
    cameras = {name: {"url": f"rtsp://127.0.0.1:1/{name}"} for name in ("gate", "demo")}
    own = {"dock": {"polygon": [[0, 0], [1, 0], [1, 1]]}}
    assert "zones" not in desired(deployment(manifest, specs, cameras), "inference")
    zones = {"demo": DEMO_ZONES}
    assert desired(deployment(manifest, specs, cameras, zones=zones), "inference")["zones"] == zones
    desired(manifest.content, "inference")["zones"] = {"gate": own, "demo": own}
    content = deployment(manifest, specs, cameras, zones={"demo": DEMO_ZONES, "yard": DEMO_ZONES})
    assert desired(content, "inference")["zones"] == {"gate": own, "demo": own, "yard": DEMO_ZONES}


def test_the_demo_is_judged_by_the_zone_of_its_story() -> None:
    assert {name: {"polygon": zone["polygon"]} for name, zone in truth(TOUR)["zones"].items()} == DEMO_ZONES


def test_without_a_capture_module_cameras_have_nowhere_to_go() -> None:
    manifest = load_manifest(REPOSITORY / "deployment.template.json", REGISTRY)
    specs = [spec for spec in module_specs(manifest) if spec.id != "capture"]
    with pytest.raises(UserError, match="runs no capture module"):
        deployment(manifest, specs, {"gate": {"url": "rtsp://10.0.0.1/1"}})


def test_credentials_become_references() -> None:
    camera = parse_camera("gate-2=rtsp://viewer:sesame@10.0.0.1/1")
    assert camera_properties(camera, {}) == {
        "url": "rtsp://10.0.0.1/1",
        "username": "env:SAFETYGEAR_SECRET_CAMERA_GATE_2_USER",
        "password": "env:SAFETYGEAR_SECRET_CAMERA_GATE_2_PASSWORD",
    }
    assert camera_secrets([camera]) == {
        "SAFETYGEAR_SECRET_CAMERA_GATE_2_USER": "viewer",
        "SAFETYGEAR_SECRET_CAMERA_GATE_2_PASSWORD": "sesame",
    }
    clip = SimulatedCamera("yard", clip=Path("yard.mp4"))
    assert camera_properties(clip, {"yard": 40000}) == {"url": "rtsp://127.0.0.1:40000/yard"}
    assert camera_secrets([clip]) == {}
