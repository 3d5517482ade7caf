"""The image's `serve` as a process: it answers, asks for its key, and stops in time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from support.runtime import wait_until

pytestmark = pytest.mark.scenario
ROOT = Path(__file__).parents[2]


def serve(environ: dict[str, str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "MODELS_DIR": str(ROOT / "modules" / "inference" / "models"), **environ}
    command = [sys.executable, "-m", "safetygear_inference", "serve"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_it_answers_asks_for_its_key_and_stops() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = serve({"PredictionKey": "k", "SAFETYGEAR_SERVE_LISTEN": f"127.0.0.1:{port}"})

    def answers() -> bool:
        try:
            return requests.get(address, timeout=1).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, 30, "the server")
        assert requests.post(f"{address}/image", data=b"x", timeout=5).status_code == 401
        refused = requests.post(f"{address}/image", data=b"x", headers={"Prediction-Key": "k"}, timeout=5)
        assert (refused.status_code, refused.json()["code"]) == (400, "BadRequestImageFormat")
    finally:
        asked_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(15)
    assert (code, time.monotonic() - asked_s < 10) == (0, True)


def test_a_model_that_is_not_there_is_named() -> None:
    process = serve({"SAFETYGEAR_SERVE_MODEL": "none"})
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "there is no model 'none'" in said
