"""The supervisor with a real hub and small programs as modules."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from safetygear_workbench.edge_runtime.process_plan import ProcessPlan
from support.runtime import wait_until
from support.supervised import is_alive, running_supervisor

pytestmark = pytest.mark.scenario

WAITS = "import time; time.sleep(600)"
IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def program(name: str, code: str, **options: object) -> ProcessPlan:
    return ProcessPlan(name, (sys.executable, "-c", code), **options)  # type: ignore[arg-type]  # test input


def test_modules_get_their_identity_and_only_their_own_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFETYGEAR_SECRET_GATE", "opensesame")
    monkeypatch.setenv("SAFETYGEAR_DEMO_CAMERA", "rtsp://viewer:opensesame@10.0.0.1/1")
    shows = "import os, time; [print(k, v) for k, v in os.environ.items()]; print('SAFETYGEAR_LAST'); time.sleep(600)"
    plans = [
        program("capture", shows, inherited_secrets=("SAFETYGEAR_SECRET_GATE",), env={"SAFETYGEAR_DATA_DIR": "/x"}),
        program("inference", shows),
    ]
    with running_supervisor(tmp_path, plans) as supervisor:
        wait_until(lambda: "SAFETYGEAR_LAST" in supervisor.log("capture"), 20, "capture's output")
        wait_until(lambda: "SAFETYGEAR_LAST" in supervisor.log("inference"), 20, "inference's output")
        capture, inference = supervisor.log("capture"), supervisor.log("inference")
        assert "IOTEDGE_MODULEID capture" in capture
        assert "IOTEDGE_WORKLOADURI unix://" in capture
        assert "SAFETYGEAR_DATA_DIR /x" in capture
        assert "SAFETYGEAR_SECRET_GATE opensesame" in capture
        assert "IOTEDGE_MODULEID inference" in inference
        assert "opensesame" not in inference
        assert "SAFETYGEAR_DEMO_CAMERA" not in capture
        for path in supervisor.state.rglob("*"):
            if path.is_file() and path.name not in ("capture.log", "authority.key", "server.key"):
                assert b"opensesame" not in path.read_bytes(), path


def test_what_is_killed_comes_back(tmp_path: Path) -> None:
    with running_supervisor(tmp_path, [program("capture", WAITS)]) as supervisor:
        for name in ("capture", "hub"):
            first = supervisor.pid(name)
            os.kill(first, signal.SIGKILL)
            second = supervisor.pid(name, starts=2)
            assert second != first
            ended = supervisor.events("ended", name)[0]
            assert (ended["exitCode"], ended["decision"]) == (-9, "restart")
        # The hub's end is no module's end.
        assert len(supervisor.events("started", "capture")) == 2


def test_restart_policy_and_last_line_of_a_module_that_fails(tmp_path: Path) -> None:
    fails = "import sys; print('capture: no folder /frames'); sys.exit(2)"
    ends_well = "print('done')"
    plans = [program("capture", fails), program("once", ends_well, restart_policy="on-failure")]
    with running_supervisor(tmp_path, plans, first_pause_s=0.1) as supervisor:
        wait_until(lambda: len(supervisor.events("ended", "capture")) >= 3, 20, "three ends of capture")
        pauses = [event["pauseS"] for event in supervisor.events("ended", "capture")[:3]]
        assert pauses == pytest.approx([0.1, 0.2, 0.4], abs=0.06)
        assert supervisor.events("ended", "capture")[0]["lastLine"] == "capture: no folder /frames"
        assert [event["decision"] for event in supervisor.events("ended", "once")] == ["stay-stopped"]


def test_sigterm_ends_everything_within_10_s_even_a_module_that_ignores_it(tmp_path: Path) -> None:
    with running_supervisor(tmp_path, [program("capture", IGNORES_SIGTERM), program("inference", WAITS)]) as supervisor:
        pids = [supervisor.pid(name) for name in ("hub", "capture", "inference")]
        started_s = time.monotonic()
        supervisor.process.send_signal(signal.SIGTERM)
        assert supervisor.process.wait(12) == 0
        assert time.monotonic() - started_s < 10
        assert not [pid for pid in pids if is_alive(pid)]


def test_when_the_supervisor_is_killed_its_children_end(tmp_path: Path) -> None:
    with running_supervisor(tmp_path, [program("capture", IGNORES_SIGTERM), program("inference", WAITS)]) as supervisor:
        pids = [supervisor.pid(name) for name in ("hub", "capture", "inference")]
        supervisor.process.kill()
        wait_until(lambda: not [pid for pid in pids if is_alive(pid)], 10, "the children to end")
