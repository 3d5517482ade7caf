"""`safetygear simulate` end to end: real camera server, real modules, stand-in runtime, the demo clip."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from safetygear.messages.codec import decode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.health import HealthMessage
from safetygear_workbench.cameras.authentication import Credentials
from support.camera import start_camera
from support.clips import make_clip
from support.runtime import wait_until
from support.simulation import DEMO_TEMPLATE, TEMPLATE, RunningSimulation, command, environment, run, simulating
from support.supervised import is_alive

pytestmark = pytest.mark.scenario


def detections(records: list[dict[str, Any]]) -> list[DetectionsMessage]:
    """Valid against their type, or the test fails."""
    return [decode(json.dumps(r["body"]).encode(), DetectionsMessage) for r in records if r["output"] == "detections"]


def sequences(records: list[dict[str, Any]]) -> dict[str, list[int]]:
    """By start of inference and camera, without duplicates, in order."""
    found: dict[str, set[int]] = defaultdict(set)
    for record in records:
        if record["output"] == "detections":
            found[record["systemProperties"]["messageId"].rpartition("-")[0]].add(record["body"]["sequence"])
    return {run: sorted(numbers) for run, numbers in found.items()}


def summary(simulation: RunningSimulation) -> dict[str, Any]:
    """The last line of --json."""
    content: dict[str, Any] = json.loads(simulation.output.splitlines()[-1])["summary"]
    return content


def command_lines() -> list[bytes]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    return lines


def test_every_analysed_frame_reaches_iot_hub(tmp_path: Path) -> None:
    with simulating(tmp_path / "run", "--for", "30", "--json") as simulation:
        assert simulation.wait(60) == 0, simulation.everything()
        records = simulation.messages()
        found = detections(records)
        assert found, simulation.everything()
        (numbers,) = sequences(records).values()
        assert numbers == list(range(1, len(numbers) + 1))
        labels = {detection.label for message in found for detection in message.detections}
        assert {"person", "helmet", "vest"} <= labels
        # FFmpeg gives a connection's first picture without its time by the camera's clock.
        assert {message.clock for message in found if message.frame_number > 1} == {"rtcp"}
        health = [decode(json.dumps(r["body"]).encode(), HealthMessage) for r in records if r["output"] == "health"]
        assert health
        first = records[0]
        assert set(first) == {"enqueuedAt", "moduleId", "output", "properties", "systemProperties", "body"}
        assert first["systemProperties"]["contentType"] == "application/json"
        *lines, last = simulation.output.splitlines()
        assert [json.loads(line) for line in lines] == records
        counts = json.loads(last)["summary"]
        events = sum(record["output"] == "events" for record in records)
        assert counts["messages"] == {
            name: count
            for name, count in (("detections", len(found)), ("event", events), ("health", len(health)))
            if count
        }
        assert counts["frames"]["analysed"] == len(found)
        assert counts["frames"]["decoded"] >= len(found)
        dropped = counts["frames"]["dropped"]
        assert counts["frames"]["overwritten"] == dropped.get("overwritten", 0)
        assert (counts["duplicates"], counts["missing"], counts["waiting"]) == (0, 0, 0)
        assert counts["restarts"] == {}
        assert 0 < counts["latencyMs"]["p50"] <= counts["latencyMs"]["p95"]
        assert 0 < counts["firstDetectionS"] < 30
        assert "Summary" in simulation.errors
        assert "Traceback" not in simulation.everything()


def test_what_waits_while_iot_hub_is_away_arrives(tmp_path: Path) -> None:
    arguments = ("--offline-after", "3", "--offline-for", "5", "--json")
    with simulating(tmp_path / "run", *arguments) as simulation:
        simulation.until_says("online again")
        simulation.until_detections(5)
        assert simulation.stop() == 0, simulation.everything()
        records = simulation.messages()
        for numbers in sequences(records).values():
            assert numbers == list(range(1, len(numbers) + 1))
        # Those taken while the way was cut came in one go, at its end.
        late = [r for r in records if r["output"] == "detections" and age_s(r) > 2]
        assert late
        waited = re.search(r"online again: (\d+) messages have waited", simulation.errors)
        assert waited is not None
        assert int(waited[1]) > 0
        counts = summary(simulation)
        assert (counts["missing"], counts["duplicates"], counts["waiting"]) == (0, 0, 0)


def age_s(record: dict[str, Any]) -> float:
    from safetygear.clock import epoch_s

    return epoch_s(record["enqueuedAt"]) - epoch_s(record["body"]["capturedAt"])


def test_what_is_killed_comes_back_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:
        simulation.until_detections(5)
        for name in ("capture", "inference", "hub", "camera-demo"):
            simulation.kill(name)
            simulation.until_says(f"{name} was started again")
            simulation.until_says(f"s after the end of {name}")
        pids = simulation.pids()
        assert simulation.stop(signal.SIGINT) == 0, simulation.everything()
        assert not [name for name, pid in pids.items() if is_alive(pid)]
        output = simulation.output
        print(*re.findall(r"detections flow again, .*", output), sep="\n")
        assert "1 camera-demo, 1 capture, 1 hub, 1 inference" in output
        assert "Traceback" not in simulation.everything()
        # At least once: the kill of the hub may have brought some twice, and the kill of inference cost the last ones.
        for numbers in sequences(simulation.messages()).values():
            assert numbers == list(range(1, len(numbers) + 1))


def test_when_it_is_killed_nothing_is_left_after_10_s(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:
        simulation.until_detections(1)
        pids = simulation.pids()
        assert pids.keys() == {"supervisor", "hub", "camera-demo", "capture", "inference"}
        memory = [Path(p) for p in frame_folders(simulation)]
        assert memory
        simulation.process.kill()
        killed_s = time.monotonic()
        wait_until(lambda: not [pid for pid in pids.values() if is_alive(pid)], 15, "every process to end")
        assert time.monotonic() - killed_s < 10
        wait_until(lambda: not any(path.exists() for path in memory), 2, "the frames in memory to go")


def test_when_its_supervisor_is_killed_it_says_so_and_ends(tmp_path: Path) -> None:
    with simulating(tmp_path / "run") as simulation:
        simulation.until_detections(1)
        pids = simulation.pids()
        simulation.kill("supervisor")
        assert simulation.wait(20) == 1
        assert "the supervisor ended unexpectedly" in simulation.output
        wait_until(lambda: not [pid for pid in pids.values() if is_alive(pid)], 10, "every process to end")


def frame_folders(simulation: RunningSimulation) -> list[str]:
    plan = json.loads((simulation.state / "plan.json").read_text())
    return [process["env"]["SAFETYGEAR_FRAMES_DIR"] for process in plan["processes"] if process["name"] == "capture"]


def test_a_camera_with_a_password_gives_it_to_nobody(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=50)
    password = "Sesam%/öffne:dich"
    quoted = "Sesam%25%2F%C3%B6ffne%3Adich"
    forms = [text.encode() for text in (password, quoted, "öffne", "%C3%B6ffne")]
    with start_camera({"yard": clip}, credentials=Credentials("warden-7", password)) as camera:
        url = f"rtsp://warden-7:{quoted}@127.0.0.1:{camera.port}/yard"
        env = {"SAFETYGEAR_DEMO_CAMERA": url, "DEMO_SECONDS": "600"}
        with simulating(tmp_path / "run", "--demo", env=env) as simulation:
            simulation.until_detections(2)
            simulation.until_says("camera camera: streaming")
            lines = command_lines()
            assert simulation.stop(signal.SIGTERM) == 0, simulation.everything()
            printed = (simulation.output + simulation.errors).encode()
            for form in forms:
                assert form not in printed
                assert not [line for line in lines if form in line]
                for path in simulation.folder.rglob("*"):
                    if path.is_file():
                        assert form not in path.read_bytes(), path
            assert f"rtsp://127.0.0.1:{camera.port}/yard" in simulation.output


def test_the_demo_template_brings_its_own_camera(tmp_path: Path) -> None:
    with simulating(tmp_path / "run", "--manifest", str(DEMO_TEMPLATE)) as simulation:
        simulation.until_detections(2)
        assert "sitecamera" in simulation.pids()
        assert simulation.stop() == 0


def test_two_runs_on_one_machine_do_not_meet(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "gate.mp4", frames=50)
    with simulating(tmp_path / "one") as one, simulating(tmp_path / "two", "--camera", f"gate={clip}") as two:
        one.until_detections(2)
        two.until_detections(2)
        assert {r["body"]["camera"] for r in one.messages("detections")} == {"demo"}
        assert {r["body"]["camera"] for r in two.messages("detections")} == {"gate"}
        pages = [re.search(r"http://localhost:(\d+)", each.output)[1] for each in (one, two)]  # type: ignore[index]
        assert pages[0] != pages[1]
        for port in pages:
            assert "SafetyGear" in asyncio.run(page(port))
        again = run("simulate", "--state", str(one.state), "--manifest", str(TEMPLATE))
        assert again.returncode == 2
        assert again.stderr.count("\n") == 1
        assert "another simulation runs in the state folder" in again.stderr
        assert one.stop() == 0
        assert two.stop() == 0


async def page(port: str) -> str:
    import aiohttp

    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/", headers={"Host": f"localhost:{port}"}) as response,
    ):
        return await response.text()


def test_when_nobody_reads_any_more_it_ends_well(tmp_path: Path) -> None:
    full = command("simulate", "--state", str(tmp_path / "state"), "--manifest", str(TEMPLATE), "--for", "90", "--json")
    with subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["moduleId"] == "inference"
        process.stdout.close()
        assert process.wait(30) == 0
        assert b"Traceback" not in process.stderr.read()
