"""The whole solution on the stand-in edge runtime, to be measured: the manifest's modules, as `simulate` runs them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetygear.clock import epoch_s
from safetygear.errors import SafetyGearError
from safetygear.redact import Redactor
from safetygear_inference.detectors.package import read_model_files
from safetygear_workbench.bench.processes import Usage, by_kind, children
from safetygear_workbench.cameras.address import parse_camera_url
from safetygear_workbench.simulation.options import SimulatedCamera, SimulateOptions
from safetygear_workbench.simulation.prepare import Prepared, prepare
from safetygear_workbench.simulation.supervisor_process import SupervisorProcess
from safetygear_workbench.simulation.upstream_file import UpstreamFile

SOLUTION = ("capture", "inference")
STAND_IN = ("hub", "supervisor")
STARTED_WITHIN_S = 60.0
STOPPED_WITHIN_S = 13.0
LOOK_EVERY_S = 0.2
SAMPLE_EVERY_S = 2.0
NO_LIMIT_BLOCKS = 1_000_000_000
_DETECTIONS = "safetygear.detections/1"


@dataclass(frozen=True)
class Window:
    """What happened in a stretch of time. Records are the stand-in's, those that were enqueued in it."""

    seconds: float
    usage: Mapping[str, Usage]
    """By kind (capture, inference, hub, supervisor): processor time used in the window, memory at its end."""
    rss_bytes: tuple[tuple[float, int], ...]
    """Of capture and inference: seconds since the window's beginning, and bytes."""
    records: tuple[Mapping[str, Any], ...]

    def cpu_s(self, *kinds: str) -> float:
        return sum(self.usage[kind].cpu_s for kind in kinds if kind in self.usage)

    def detections(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(record for record in self.records if _is_detections(record))


class Solution:
    """Runs while the context lasts. Everything it needs lies in `state`, a folder of its own."""

    def __init__(
        self,
        cameras: Mapping[str, str],
        state: Path,
        *,
        manifest: Path,
        model: Path | None = None,
        fps: float = 5.0,
        inference: Mapping[str, Any] | None = None,
        camera_settings: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`cameras`: RTSP URL by id. `model`: a file or folder instead of the manifest's. `inference`: desired
        properties on top; `camera_settings`: of capture's cameras, by id, on top. `environment`: of both modules, on
        top; unless it says otherwise the model is run as it is by ONNX Runtime, so that what is measured does not
        depend on what is installed."""
        self._cameras = cameras
        self._state = state
        self._manifest = manifest
        self._model = model
        self._fps = fps
        self._inference = dict(inference or {})
        self._camera_settings = dict(camera_settings or {})
        self._environment = {"SAFETYGEAR_RUNTIME": "onnxruntime", "SAFETYGEAR_PRECISION": "float"} | dict(
            environment or {}
        )
        self._prepared: Prepared | None = None
        self._supervisor: SupervisorProcess | None = None
        self._draining: asyncio.Task[None] | None = None
        self._file: UpstreamFile | None = None
        self._records: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        cameras = tuple(SimulatedCamera(name, address=parse_camera_url(url)) for name, url in self._cameras.items())
        options = SimulateOptions(manifest=self._manifest, cameras=cameras, state=self._state)
        self._prepared = prepare(options, os.environ, Redactor())
        try:
            self._change_deployment()
            self._file = UpstreamFile(self._prepared.hub_state / "upstream.jsonl")
            log = self._prepared.state / "logs" / "supervisor.log"
            self._supervisor = await SupervisorProcess.start(self._prepared.plan_file, self._prepared.environment, log)
            self._draining = asyncio.create_task(_drain(self._supervisor))
        except BaseException:
            self._prepared.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._supervisor is not None and self._prepared is not None and self._draining is not None
        self._supervisor.ask_to_stop()
        await asyncio.wait({self._draining}, timeout=STOPPED_WITHIN_S)
        self._supervisor.kill()
        await self._draining
        self._prepared.close()

    async def warm_up(self, seconds: float) -> None:
        """Until every camera was heard of, and then for so long. Raises SafetyGearError where one was not."""
        waiting, give_up_s = set(self._cameras), time.monotonic() + STARTED_WITHIN_S
        while waiting:
            waiting -= {record["body"]["camera"] for record in self._new() if _is_detections(record)}
            if time.monotonic() > give_up_s or (self._draining is not None and self._draining.done()):
                raise _not_heard_of(waiting, self._state)
            await asyncio.sleep(LOOK_EVERY_S)
        await asyncio.sleep(seconds)

    async def follow(self, seconds: float) -> Sequence[Mapping[str, Any]]:
        """Everything that IoT Hub would have received from the start until so long after every camera was heard of.

        Raises SafetyGearError where one was not."""
        waiting, give_up_s, ends_s = set(self._cameras), time.monotonic() + STARTED_WITHIN_S, float("inf")
        while time.monotonic() < ends_s:
            new = self._new()
            self._records += new
            waiting -= {record["body"]["camera"] for record in new if _is_detections(record)}
            if not waiting and ends_s == float("inf"):
                ends_s = time.monotonic() + seconds
            if waiting and time.monotonic() > give_up_s:
                raise _not_heard_of(waiting, self._state)
            await asyncio.sleep(LOOK_EVERY_S)
        records, self._records = self._records, []
        return records

    async def watch(self, seconds: float) -> Window:
        """Let it work for so long, and account for that time."""
        processes = children(os.getpid()).items()
        self._new()
        before, began_s, began_epoch_s = by_kind(processes), time.monotonic(), time.time()
        memory: list[tuple[float, int]] = []
        while (left_s := began_s + seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(SAMPLE_EVERY_S, left_s))
            now = by_kind(processes)
            memory.append((time.monotonic() - began_s, sum(now[kind].rss_bytes for kind in SOLUTION if kind in now)))
            self._keep_new()
        after, took_s, ended_epoch_s = by_kind(processes), time.monotonic() - began_s, time.time()
        # What was enqueued in the last moments may not be in the file yet.
        await asyncio.sleep(LOOK_EVERY_S)
        self._keep_new()
        records, self._records = self._records, []
        used = {kind: Usage(now.cpu_s - before.get(kind, Usage()).cpu_s, now.rss_bytes) for kind, now in after.items()}
        within = [record for record in records if began_epoch_s <= epoch_s(str(record["enqueuedAt"])) < ended_epoch_s]
        return Window(took_s, used, tuple(memory), tuple(within))

    def _keep_new(self) -> None:
        self._records += self._new()

    def _new(self) -> list[dict[str, Any]]:
        assert self._file is not None
        found: list[dict[str, Any]] = []
        while some := self._file.read():
            found += some
        return found

    def _change_deployment(self) -> None:
        assert self._prepared is not None
        plan = json.loads(self._prepared.plan_file.read_text(encoding="utf-8"))
        path = Path(plan["manifest"])
        content = json.loads(path.read_text(encoding="utf-8"))
        modules = content["modulesContent"]
        for name in self._prepared.captures:
            for camera_id, camera in modules[name]["properties.desired"].get("cameras", {}).items():
                camera |= {"analysedFps": self._fps, **self._camera_settings.get(camera_id, {})}
        for process in plan["processes"]:
            process["env"] |= self._environment
            if "safetygear_inference" not in process["command"]:
                continue
            desired = modules[process["name"]]["properties.desired"]
            desired |= {
                "detections": {"policy": "all"},
                "budget": {"dailyBlocks": NO_LIMIT_BLOCKS, "burstPercent": 100},
                "healthIntervalS": 60,
            } | self._inference
            if self._model is not None:
                desired["model"] = {"name": self._install(Path(process["env"]["SAFETYGEAR_DATA_DIR"]) / "models")}
        path.write_text(json.dumps(content), encoding="utf-8")
        self._prepared.plan_file.write_text(json.dumps(plan), encoding="utf-8")

    def _install(self, folder: Path) -> str:
        """The model into the module's data folder; its name there."""
        assert self._model is not None
        folder.mkdir(parents=True, exist_ok=True)
        name = f"bench-{self._model.stem}"
        for source in (self._model, self._model.with_suffix(".json"), self._model.with_suffix(".labels.txt")):
            if source.is_dir():
                shutil.copytree(source, folder / name, dirs_exist_ok=True)
            elif source.exists():
                shutil.copyfile(source, folder / (name + source.name.removeprefix(self._model.stem)))
        if self._model.is_file():
            for golden in read_model_files(self._model).golden:
                (folder / golden.expected.picture).write_bytes(golden.data)
        return name


def _not_heard_of(cameras: Iterable[str], state: Path) -> SafetyGearError:
    return SafetyGearError(
        f"no detections came from {', '.join(sorted(cameras))}; see {state}/logs", code="bench-start"
    )


async def _drain(supervisor: SupervisorProcess) -> None:
    async for _ in supervisor.events():
        pass
    await supervisor.wait()


def _is_detections(record: Mapping[str, Any]) -> bool:
    return bool(record.get("properties", {}).get("schema") == _DETECTIONS) and "body" in record
