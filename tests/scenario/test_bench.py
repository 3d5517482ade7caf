"""One short measurement through the whole solution: a message is about the picture whose number it tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.simulation import TEMPLATE, run

pytestmark = pytest.mark.scenario


def test_latency_is_of_the_picture_that_was_taken(tmp_path: Path) -> None:
    arguments = ["--cameras", "1", "--stream", "sub", "--model", "v8n", "--fps", "2", "--seconds", "6", "--json"]
    done = run("bench", "latency", *arguments, "--manifest", str(TEMPLATE), "--folder", str(tmp_path), timeout_s=150)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert result["cameras"] == 1
    assert result["messages"] >= 3
    assert result["numbers"]["read"] >= result["messages"] - 1, result["numbers"]
    assert result["numbers"]["wrong_picture"] == 0
    assert result["p50_ms"] > 0
    assert set(result["stages"]) == {"capture", "queue", "inference", "rules", "hub"}
