"""`safetygear twin` and `method` against a real stand-in with a real module client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.runtime import RunningRuntime, minimal_manifest, start_runtime, wait_until

pytestmark = pytest.mark.scenario

# A module that answers the method `status` with its payload, and fails at any other.
MODULE = """
import asyncio
from safetygear.hub.azure import AzureHub
from safetygear.hub.port import HubHandlers, MethodResponse
async def answer(request):
    return MethodResponse(200 if request.name == "status" else 500, {"got": request.payload})
async def main():
    hub = AzureHub()
    await hub.open(HubHandlers(on_method=answer))
    await hub.report({"ready": True})
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    with start_runtime(tmp_path, minimal_manifest({}, {"capture": {"colour": "red"}, "silent": {}})) as started:
        yield started


def safetygear(runtime: RunningRuntime, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "SAFETYGEAR_HUB_CONNECTION_STRING"}
    return subprocess.run(
        [sys.executable, "-m", "safetygear_workbench", *arguments, "--state", str(runtime.state)],
        input=stdin, capture_output=True, text=True, timeout=60, check=False, env=environ,
    )  # fmt: skip


def test_twins_are_read_and_changed(runtime: RunningRuntime, tmp_path: Path) -> None:
    first = safetygear(runtime, "twin", "get", "capture", "--json")
    assert json.loads(first.stdout)["desired"] == {"colour": "red", "$version": 2}, first.stderr
    changed = safetygear(runtime, "twin", "set", "capture", '{"colour": null, "size": {"a": 1}}')
    assert changed.stdout == "capture: desired properties are now version 3\n"
    (tmp_path / "patch.json").write_text('{"size": {"b": 2}}')
    assert safetygear(runtime, "twin", "set", "capture", f"@{tmp_path / 'patch.json'}").returncode == 0
    last = safetygear(runtime, "twin", "set", "capture", "-", "--json", stdin='{"n": 1}')
    assert json.loads(last.stdout) == {"desired": {"size": {"a": 1, "b": 2}, "n": 1, "$version": 5}}
    assert '"n": 1' in safetygear(runtime, "twin", "get", "capture").stdout


def test_methods_are_called(runtime: RunningRuntime) -> None:
    module = subprocess.Popen([sys.executable, "-c", MODULE], env=runtime.process_env("capture"))
    try:
        wait_until(lambda: runtime.twin("capture")["reported"].get("ready"), 30, "the module to be there")
        done = safetygear(runtime, "method", "call", "capture", "status", '{"x": [1]}', "--json")
        assert json.loads(done.stdout) == {"status": 200, "payload": {"got": {"x": [1]}}}
        assert done.returncode == 0
        failed = safetygear(runtime, "method", "call", "capture", "other")
        assert failed.stdout.startswith("status 500\n") and failed.returncode == 1
    finally:
        module.kill()
        module.wait()


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["twin", "get", "nobody"], 2, "there is no module 'nobody' on device 'stand-in'"),
        (["twin", "get", "capture", "--device", "other"], 2, "on device 'other'"),
        (["twin", "set", "capture", '{"a.b": 1}'], 2, "the key 'a.b'"),
        (["method", "call", "nobody", "status"], 2, "no module 'nobody'"),
        (["method", "call", "silent", "status"], 1, "module silent of device stand-in is not connected"),
    ],
)
def test_what_cannot_be_done_is_one_line(runtime: RunningRuntime, arguments: list[str], code: int, part: str) -> None:
    done = safetygear(runtime, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert part in done.stderr and done.stderr.count("\n") == 1


def test_after_the_hub_was_killed_no_stand_in_runs(runtime: RunningRuntime) -> None:
    runtime.kill()
    done = safetygear(runtime, "twin", "get", "capture")
    assert done.returncode == 2 and "no stand-in runtime runs" in done.stderr
