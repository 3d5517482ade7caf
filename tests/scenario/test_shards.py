"""Two inference modules on the stand-in runtime: each camera is analysed by one of them, and by that one alone."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from safetygear_capture.shards import shard_of
from safetygear_workbench.manifests.sharding import sharded
from safetygear_workbench.simulation.options import DEMO_CLIP
from support.simulation import REPOSITORY, TEMPLATE, simulating

pytestmark = pytest.mark.scenario
CAMERAS = ("gate", "yard", "crane")


def test_cameras_are_shared_between_two_instances(tmp_path: Path) -> None:
    manifest = tmp_path / "deployment.template.json"
    content = sharded(json.loads(TEMPLATE.read_text()), 2)
    manifest.write_text(json.dumps(content))
    for folder in ("modules", "module.json", ".env.example"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    cameras = [part for name in CAMERAS for part in ("--camera", f"{name}={DEMO_CLIP}")]
    with simulating(tmp_path / "run", "--manifest", str(manifest), *cameras) as simulation:
        simulation.until(
            lambda: {record["body"]["camera"] for record in simulation.messages("detections")} == set(CAMERAS),
            60,
            "detections of every camera",
        )
        simulation.until_detections(30)
        analysed_by: dict[str, set[tuple[str, str]]] = defaultdict(set)
        seen: dict[tuple[str, int], int] = defaultdict(int)
        for record in simulation.messages("detections"):
            body = record["body"]
            analysed_by[body["camera"]].add((record["moduleId"], record["properties"]["shard"]))
            seen[body["camera"], body["frameNumber"]] += 1
    assert max(seen.values()) == 1, "no frame was analysed twice"
    shards = ["shard-1", "shard-2"]
    expected = {name: shard_of(name, shards) for name in CAMERAS}
    assert set(expected.values()) == set(shards), "the cameras' ids are chosen to need both"
    modules = {"shard-1": "inference", "shard-2": "inference-2"}
    assert analysed_by == {name: {(modules[shard], shard)} for name, shard in expected.items()}
