"""Models are changed over https while four cameras send: no frame is missed, none analysed twice, and a module that is
killed in any phase comes up with a model that worked. `make soak` makes the whole campaign."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.campaigns import SOAK, share
from support.inference_process import InferenceProcess, cameras, until
from support.model_packages import LABELS, network, package
from support.model_server import ModelServer, drip, serving
from support.pictures import plain
from support.runtime import RunningRuntime, minimal_manifest, start_runtime

pytestmark = pytest.mark.scenario

CAMERAS = ("gate", "yard", "dock", "lane")
PLANES = plain(640, 360, (250, 250, 250)).planes
"""Bright: networks that fail on bright pictures fail."""
SWAPS = 100
RSS_GROWTH_BYTES = 30 * 2**20
"""More than this after the first swaps would be a leak: 100 models of 1 MB."""
ROUTES: dict[str, Any] = {
    "detections": {"route": "FROM /messages/modules/inference/outputs/detections INTO $upstream", "priority": 5},
    "health": {"route": "FROM /messages/modules/inference/outputs/health INTO $upstream", "priority": 1},
    **{
        output: {
            "route": f"FROM /messages/modules/capture/outputs/{output} "
            f'INTO BrokeredEndpoint("/modules/inference/inputs/{output}")',
            "timeToLiveSecs": 5,
        }
        for output in ("frames", "cameras")
    },
}
DESIRED = {
    "schemaVersion": "1.0",
    "detections": {"policy": "all"},
    "budget": {"dailyBlocks": 10_000_000},
    "healthIntervalS": 1,
    "model": {"name": "named"},
}


@dataclass
class Site:
    """The stand-in's hub, a server with models, and the module that takes them."""

    runtime: RunningRuntime
    server: ModelServer
    process: InferenceProcess

    def offer(self, name: str, model: bytes) -> dict[str, Any]:
        """Put a package onto the server; the twin's section that asks for it."""
        path = package(self.process.data.parent / "packages" / f"{name}.zip", model)
        data = path.read_bytes()
        self.server.files[f"/{name}.zip"] = data
        return {"uri": self.server.uri(f"/{name}.zip"), "sha256": hashlib.sha256(data).hexdigest()}

    async def want(self, model: dict[str, Any]) -> None:
        await asyncio.to_thread(self.runtime.patch_desired, "inference", {"model": model})

    async def model(self) -> dict[str, Any]:
        """As it is reported."""
        twin = await asyncio.to_thread(self.runtime.twin, "inference")
        found: dict[str, Any] = twin["reported"].get("model", {})
        return found

    async def until_model(self, fits: Callable[[dict[str, Any]], bool], timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until what is reported fits."""
        found: dict[str, Any] = {}
        for _ in range(round(timeout_s / 0.2)):
            found = await self.model()
            if fits(found):
                return found
            await asyncio.sleep(0.2)
        raise AssertionError(f"{json.dumps(found)}\n{self.process.log()[-6000:]}")

    def seen(self) -> list[dict[str, Any]]:
        """The bodies of all detections that have come."""
        return [entry["body"] for entry in self.runtime.upstream() if entry["output"] == "detections"]

    def dropped(self) -> Counter[str]:
        """Frames that were dropped since the start, by reason."""
        found: Counter[str] = Counter()
        for entry in self.runtime.upstream():
            if entry["output"] == "health":
                for camera in entry["body"]["cameras"]:
                    found.update(camera["dropped"])
        return found

    async def restart(self) -> str:
        """Kill the module and start it again; the first model that it then uses."""
        self.process.end()
        before = len(self.process.log())
        self.process.start()
        found = await until(
            lambda: re.search(r"model (\S+) .* is in use", self.process.log()[before:]), 30, self.process.log
        )
        return str(found[1])


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    (tmp_path / "frames").mkdir()
    models = tmp_path / "image"
    models.mkdir()
    (models / "named.onnx").write_bytes(network("named"))
    (models / "named.labels.txt").write_text("\n".join(LABELS))
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"capture": {}, "inference": DESIRED})) as running:
        yield running


def start(runtime: RunningRuntime, folder: Path, server: ModelServer) -> Site:
    environment = {"SSL_CERT_FILE": str(server.authority), "HTTPS_PROXY": "", "https_proxy": ""}
    process = InferenceProcess(
        runtime, folder, "inference", "default", models=folder / "image", workers=2, env=environment
    )
    return Site(runtime, server, process)


BUSY = frozenset({"shed", "superseded", "stale", "overwritten"})
"""What a machine that has no time does to frames, with any model."""


def assert_all_analysed_once(site: Site, before: int) -> str:
    """Of the messages after the first `before`; what to print. In an ordinary run the machine may be too busy."""
    bodies, dropped = site.seen()[before:], site.dropped()
    missed, twice = missed_and_twice(bodies)
    busy = 0 if SOAK else sum(count for reason, count in dropped.items() if reason in BUSY)
    text = f"{len(bodies)} frames: {len(missed)} missed, {len(twice)} twice; dropped since the start: {dict(dropped)}"
    assert twice == [], text
    assert len(missed) <= busy, f"{text}: {missed}"
    assert not dropped.keys() - BUSY - {"no-model"}, text
    return text


def missed_and_twice(bodies: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Frames of each camera between its first and its last message that have none, or more than one."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for body in bodies:
        numbers[body["camera"]].append(body["frameNumber"])
    missed, twice = [], []
    for camera, found in numbers.items():
        counts = Counter(found)
        missed += [f"{camera} {n}" for n in range(min(found), max(found) + 1) if n not in counts]
        twice += [f"{camera} {n}" for n, count in counts.items() if count > 1]
    return missed, twice


async def test_no_frame_is_missed_or_analysed_twice(runtime: RunningRuntime, tmp_path: Path) -> None:
    swaps = share(SWAPS)
    async with serving(tmp_path / "pki") as server:
        site = start(runtime, tmp_path, server)
        try:
            async with cameras(runtime, tmp_path, *((name, "default") for name in CAMERAS), planes=PLANES):
                await until(lambda: len(site.seen()) > 20, 30, site.process.log)
                before = len(site.seen())
                # Three in turn: each is fetched and compared again, because only the last two are kept.
                offers = [site.offer(name, network(name)) for name in ("a", "b", "c")]
                rss_bytes = []
                for number in range(swaps):
                    offer = offers[number % len(offers)]
                    await site.want({**offer, "shadowS": 0.5, "watchS": 0.5})
                    found = await site.until_model(
                        lambda model, wanted=offer["sha256"]: (
                            (model["state"], model.get("packageSha256")) == ("ok", wanted)
                        )
                    )
                    assert found["comparison"]["frames"] > 0
                    rss_bytes.append(site.process.rss_bytes())
                last = len(site.seen())
                await until(lambda: len(site.seen()) > last + 20, 15, site.process.log)
            await asyncio.sleep(1.5)
            text = assert_all_analysed_once(site, before)
            names = {body["model"]["name"] for body in site.seen()}
            growth_bytes = rss_bytes[-1] - rss_bytes[min(2, swaps - 1)]
            in_mib = [round(value / 2**20) for value in rss_bytes[:: max(1, swaps // 10)]]
            print(f"{swaps} swaps, {text}; RSS {in_mib} MiB")
            assert names == {"named", "a", "b", "c"}
            assert growth_bytes < RSS_GROWTH_BYTES
            kept = {path.name for path in (site.process.data / "models").iterdir()}
            assert kept == {offers[(swaps - 1) % 3]["sha256"], offers[(swaps - 2) % 3]["sha256"]}
            assert "Traceback" not in site.process.log()
        finally:
            site.process.end()


async def test_a_model_that_fails_on_live_frames_costs_none(runtime: RunningRuntime, tmp_path: Path) -> None:
    async with serving(tmp_path / "pki") as server:
        site = start(runtime, tmp_path, server)
        try:
            async with cameras(runtime, tmp_path, *((name, "default") for name in CAMERAS), planes=PLANES):
                await until(lambda: len(site.seen()) > 20, 30, site.process.log)
                before = len(site.seen())
                for name, bad in (("nan", "nan"), ("fails", "fails")):
                    await site.want({**site.offer(name, network(name, on_bright=bad)), "shadowS": 0, "watchS": 20})
                    found = await site.until_model(lambda model: model["state"] == "rolled-back")
                    assert (found["name"], found["code"]) == ("named", "model-failed")
                    await site.want({"uri": None, "sha256": None})
                    await site.until_model(lambda model: model["state"] == "ok")
                last = len(site.seen())
                await until(lambda: len(site.seen()) > last + 20, 15, site.process.log)
            await asyncio.sleep(1.5)
            assert_all_analysed_once(site, before)
            assert {body["model"]["name"] for body in site.seen()} == {"named"}
        finally:
            site.process.end()


PHASES = ("downloading", "shadowing", "watching")


@pytest.mark.parametrize("phase", PHASES)
async def test_a_module_that_is_killed_comes_up_with_what_worked(
    runtime: RunningRuntime, tmp_path: Path, phase: str
) -> None:
    async with serving(tmp_path / "pki") as server:
        site = start(runtime, tmp_path, server)
        try:
            async with cameras(runtime, tmp_path, ("gate", "default"), planes=PLANES):
                await until(lambda: len(site.seen()) > 5, 30, site.process.log)
                offer = site.offer("new", network("new"))
                if phase == "downloading":
                    server.answers = [drip(0.5)]
                slow = {"shadowS": 60 if phase == "shadowing" else 0, "watchS": 60 if phase == "watching" else 0}
                await site.want({**offer, **slow})
                await site.until_model(lambda model: model["state"] == phase)
                assert await site.restart() == "named"
                await site.want({"shadowS": 0, "watchS": 0.5})
                found = await site.until_model(lambda model: model["state"] == "ok" and "packageSha256" in model)
                assert found["packageSha256"] == offer["sha256"]
                server.files.clear()  # what worked is on the disk
                assert await site.restart() == "new"
                last = len(site.seen())
                await until(lambda: len(site.seen()) > last + 5, 15, site.process.log)
        finally:
            site.process.end()
