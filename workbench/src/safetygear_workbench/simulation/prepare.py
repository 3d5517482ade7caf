"""Everything that can be wrong before the first process starts is found here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from safetygear.errors import TwinError, UserError
from safetygear.redact import Redactor
from safetygear.secret_references import ENVIRONMENT_PREFIX, SecretResolver
from safetygear_workbench.edge_runtime.manifest import load_manifest, solution_folder
from safetygear_workbench.edge_runtime.memory_folder import MemoryFolder, memory_root, remove_abandoned
from safetygear_workbench.edge_runtime.module_specs import ModuleSpec, module_specs
from safetygear_workbench.edge_runtime.process_plan import Folders, ProcessPlan, plan_modules, secrets_folder
from safetygear_workbench.edge_runtime.supervisor import SupervisorPlan
from safetygear_workbench.simulation.deployment import (
    CAPTURE,
    camera_properties,
    camera_secrets,
    deployment,
    has_cameras,
    modules_of,
)
from safetygear_workbench.simulation.options import (
    DEMO_CAMERA_VARIABLE,
    DEMO_CLIP,
    DEMO_ZONES,
    SimulatedCamera,
    SimulateOptions,
)
from safetygear_workbench.simulation.ports import LOOPBACK, Ports

MQTT_PORT = 8883
"""hub.MQTT_PORT, without loading the hub."""
PAGE_PORT, REST_PORT = 8080, 8443
FIRST_PAUSE_S = 1.0
"""edgeAgent waits 10 s before the first restart; a person who looks on need not."""
_OLD_HUB_FILES = ("hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm", "upstream.jsonl")


@dataclass
class Prepared:
    """A run that can start. `close` gives back what it holds."""

    state: Path
    plan_file: Path
    environment: dict[str, str]
    """For the supervisor: with the cameras' secrets, without what is nobody's business."""
    modules: tuple[str, ...]
    captures: tuple[str, ...]
    cameras: tuple[SimulatedCamera, ...]
    metrics: dict[str, str]
    """module: host:port"""
    page: str | None
    """host:port of the first live page."""
    rest: str
    notes: list[str]
    """What was decided otherwise than one would expect, a line each."""
    memory: MemoryFolder
    ports: Ports
    lock: TextIO

    @property
    def hub_state(self) -> Path:
        return self.state / "hub"

    def close(self) -> None:
        self.memory.remove()
        self.ports.close()
        self.lock.close()


def prepare(options: SimulateOptions, environ: Mapping[str, str], redactor: Redactor) -> Prepared:
    """Check, choose ports, write the plan. Raises UserError; then nothing is left behind but an empty state folder."""
    manifest = load_manifest(options.manifest, environ)
    specs = module_specs(manifest)
    cameras = options.cameras
    if not cameras and not has_cameras(manifest, specs):
        cameras = (SimulatedCamera("demo", clip=DEMO_CLIP),)
    _check_clips(cameras)
    secrets = camera_secrets(cameras)
    for value in secrets.values():
        redactor.add(value)
    state = options.state.resolve()
    lock = _lock_state(state)
    with contextlib.ExitStack() as undo:
        undo.callback(lock.close)
        remove_abandoned(memory_root())
        memory = MemoryFolder(memory_root())
        undo.callback(memory.remove)
        for name in _OLD_HUB_FILES:
            # What an earlier run left must not be taken for this one's.
            (state / "hub" / name).unlink(missing_ok=True)
        folders = Folders(state, memory.path, solution_folder(options.manifest))
        ports, notes = Ports(), _notes_on(specs)
        undo.callback(ports.close)
        page_port = ports.preferred(LOOPBACK, PAGE_PORT)
        modules = plan_modules(
            specs,
            folders,
            python=sys.executable,
            page_port=page_port,
            free_port=ports.free,
            usable_secret=_secret_check(environ, secrets_folder(specs, folders)),
        )
        page = next((plan.listens["page"] for plan in modules if "page" in plan.listens), None)
        if page is not None and page_port != PAGE_PORT:
            notes.append(f"port {PAGE_PORT} is in use: the live page is on port {page_port}")
        address = ports.hub_address(MQTT_PORT)
        rest_port = ports.preferred(address, REST_PORT)
        if (address, rest_port) != (LOOPBACK, REST_PORT):
            notes.append(f"another hub or program uses its usual ports: the stand-in is on {address}:{rest_port}")
        served_at = {camera.id: ports.free() for camera in cameras if camera.clip is not None}
        captures = tuple(modules_of(specs, CAPTURE))
        properties = {camera.id: camera_properties(camera, served_at) for camera in cameras}
        zones = {camera.id: DEMO_ZONES for camera in cameras if camera.is_demo_clip}
        rendered = bool(cameras) and len(zones) == len(cameras)
        content = deployment(manifest, specs, properties, zones=zones, rendered=rendered)
        plan = SupervisorPlan(
            state=state,
            manifest=state / "deployment.json",
            hub_command=(
                sys.executable, "-m", "safetygear_workbench.edge_runtime.hub", "--state", str(state / "hub"),
                "--address", address, "--rest-port", str(rest_port),
                *(part for other in options.listen for part in ("--listen", other)),
            ),
            processes=(
                *(_camera_process(camera, served_at[camera.id]) for camera in cameras if camera.clip is not None),
                *(_with_secrets(plan, tuple(secrets)) if plan.name in captures else plan for plan in modules),
            ),
            first_pause_s=FIRST_PAUSE_S,
            shared_secrets=tuple(sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX))),
        )  # fmt: skip
        _write(plan.manifest, json.dumps(content, indent=1))
        plan_file = state / "plan.json"
        plan.write(plan_file)
        undo.pop_all()
    kept = {name: value for name, value in environ.items() if name != DEMO_CAMERA_VARIABLE}
    return Prepared(
        state=state,
        plan_file=plan_file,
        environment={**kept, **secrets},
        modules=tuple(plan.name for plan in modules),
        captures=captures,
        cameras=cameras,
        metrics={plan.name: plan.listens["metrics"] for plan in modules if "metrics" in plan.listens},
        page=page,
        rest=f"{address}:{rest_port}",
        notes=notes,
        memory=memory,
        ports=ports,
        lock=lock,
    )


def _check_clips(cameras: tuple[SimulatedCamera, ...]) -> None:
    clips = {camera.clip for camera in cameras if camera.clip is not None and not camera.is_demo_clip}
    if clips:
        # Reading a clip needs FFmpeg, whose loading takes time that the demo clip should not cost.
        from safetygear_workbench.cameras.clip import load_clip

        for clip in sorted(clips):
            load_clip(clip)


def _lock_state(state: Path) -> TextIO:
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        # For an earlier run that was killed: its processes end within seconds, and hold the second lock until then.
        with (state / "lock").open("a") as supervisors:
            fcntl.flock(supervisors, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock = (state / "simulate.lock").open("a")
    except BlockingIOError as exc:
        raise _in_use(state) from exc
    except OSError as exc:
        raise UserError(
            f"the state folder {state} can't be used: {exc.strerror}.", hint="Choose another with --state."
        ) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.close()
        raise _in_use(state) from exc
    return lock


def _in_use(state: Path) -> UserError:
    return UserError(
        f"another simulation runs in the state folder {state}.", hint="End it, or choose another folder with --state."
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UserError(f"{path} can't be written: {exc.strerror}.", hint="Choose another --state folder.") from exc


def _secret_check(environ: Mapping[str, str], folder: Path) -> Callable[[str], bool]:
    resolver = SecretResolver(environ, folder, Redactor())

    def usable(reference: str) -> bool:
        try:
            resolver.resolve(reference)
        except TwinError:
            return False
        return True

    return usable


def _notes_on(specs: tuple[ModuleSpec, ...]) -> list[str]:
    return [
        f"module {spec.id} is not run: its image {spec.image_name} is not built from this repository"
        for spec in specs
        if spec.image is None and spec.running
    ]


def _with_secrets(plan: ProcessPlan, names: tuple[str, ...]) -> ProcessPlan:
    return replace(plan, inherited_secrets=names)


def _camera_process(camera: SimulatedCamera, port: int) -> ProcessPlan:
    command = (sys.executable, "-m", "safetygear_workbench", "camera", "serve", f"{camera.id}={camera.clip}")
    return ProcessPlan(
        f"camera-{camera.id}",
        (*command, "--address", "127.0.0.1", "--port", str(port)),
        is_module=False,
    )
