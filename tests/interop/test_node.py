"""Node's SDK on the stand-in runtime, in both credential modes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.runtime import minimal_manifest, start_runtime, wait_until

pytestmark = pytest.mark.scenario

HERE = Path(__file__).parent
ROUTES = {
    "up": "FROM /messages/modules/sut/outputs/up WHERE $body.from = 'node' INTO $upstream",
    "loop": "FROM /messages/modules/sut/outputs/loop INTO BrokeredEndpoint('/modules/sut/inputs/back')",
}


def node() -> str:
    """The program; skips where it or its packages aren't installed (in CI that is a failure)."""
    program = shutil.which("node")
    if program is not None and (HERE / "node_modules" / "azure-iot-device").is_dir():
        return program
    message = "node or its packages are not installed; `make interop` puts them into tests/interop/node_modules"
    if os.environ.get("SAFETYGEAR_CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.mark.parametrize("mode", ["workload", "connection-string"])
def test_a_node_module_is_a_module_like_any_other(tmp_path: Path, mode: str) -> None:
    program = node()
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"sut": {"colour": "red"}})) as runtime:
        environment = runtime.process_env("sut", mode)
        output, errors = tmp_path / "out.jsonl", tmp_path / "errors"
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen([program, str(HERE / "module.js")], env=environment, stdout=out, stderr=err)

        def said(name: str) -> Any:
            assert process.poll() is None, errors.read_text()
            records = [json.loads(line) for line in output.read_text().splitlines()]
            return [record[name] for record in records if name in record]

        try:
            wait_until(lambda: said("sent"), 30, "the module to have sent")
            assert {"colour": "red", "$version": 2}.items() <= said("desired")[0].items()
            [message] = wait_until(runtime.upstream, 10, "its message upstream")
            assert message["body"] == {"from": "node"}
            assert message["properties"] == {"odd": "ü & =/"}
            assert message["systemProperties"]["contentType"] == "application/json"
            assert wait_until(lambda: said("received"), 10, "its message to itself") == [
                {"input": "back", "body": '{"from":"node"}', "odd": "ü & =/"}
            ]
            assert runtime.twin("sut")["reported"]["node"].startswith("v")
            runtime.patch_desired("sut", {"colour": "blue"})
            wait_until(lambda: [delta for delta in said("delta") if delta["colour"] == "blue"], 10, "the patch")
            assert runtime.call_method("sut", "status", {"x": 1}) == {"status": 200, "payload": {"got": {"x": 1}}}
        finally:
            process.kill()
            process.wait()
