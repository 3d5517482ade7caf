"""What a simulation is asked to do, read from the command line or, for `make demo`, from the environment."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetygear.errors import UserError
from safetygear.messages.frames import CAMERA_ID_PATTERN
from safetygear.redact import redact_url
from safetygear_workbench.cameras.address import CameraAddress, looks_like_url, parse_camera_url

DEMO_CLIP = Path(__file__).parents[1] / "demo" / "site-tour-720p.mp4"
DEMO_ZONES = {"work-area": {"polygon": [[0.3, 0.46], [1, 0.55], [1, 1], [0, 1], [0, 0.82]]}}
"""Of whoever shows the demo clip, as desired properties: one of its people has no business in the work area."""
DEMO_CAMERA_VARIABLE, DEMO_SECONDS_VARIABLE = "SAFETYGEAR_DEMO_CAMERA", "DEMO_SECONDS"
"""`CAMERA=… make demo` and `DEMO_SECONDS=60 make demo`: the camera's URL may hold a password, which argv would show."""
LONGEST_S = 7 * 24 * 3600.0
_CAMERA_ID = re.compile(CAMERA_ID_PATTERN)


@dataclass(frozen=True)
class SimulatedCamera:
    """A camera to feed the solution with: one that exists, or a clip that is served as one."""

    id: str
    address: CameraAddress | None = None
    clip: Path | None = None

    @property
    def is_demo_clip(self) -> bool:
        return self.clip == DEMO_CLIP


@dataclass(frozen=True)
class SimulateOptions:
    """All of a run's settings, checked."""

    manifest: Path = Path("deployment.template.json")
    cameras: tuple[SimulatedCamera, ...] = ()
    """None: those of the manifest, or the demo clip where it has none."""
    for_s: float | None = None
    """From the start of the command; None: until Ctrl-C."""
    messages: Path | None = None
    offline_after_s: float | None = None
    """From the first detection: before it there is nothing that could wait."""
    offline_for_s: float | None = None
    listen: tuple[str, ...] = ()
    state: Path = Path(".safetygear")
    json: bool = False


def parse_camera(text: str) -> SimulatedCamera:
    """`ID=URL` or `ID=FILE`. Raises UserError without a secret in it."""
    camera_id, equals, source = text.partition("=")
    if not equals or looks_like_url(camera_id):
        raise UserError(
            f"--camera {redact_url(text)} has no id:", hint="write ID=URL or ID=FILE, such as gate=clip.mp4."
        )
    return camera_from(camera_id, source, f"--camera {camera_id}")


def camera_from(camera_id: str, source: str, what: str) -> SimulatedCamera:
    """A camera of a URL or file name; `what` names where it came from. Raises UserError."""
    if _CAMERA_ID.match(camera_id) is None:
        raise UserError(f"{what}: {camera_id!r} is no camera id:", hint="use A-Z a-z 0-9 _ - (at most 64 characters).")
    if not source.strip():
        raise UserError(f"{what} is empty:", hint="give rtsp://…, rtsps://… or the name of a clip.")
    try:
        if looks_like_url(source):
            return SimulatedCamera(camera_id, address=parse_camera_url(source))
        clip = Path(source).expanduser()
        if not clip.is_file():
            raise UserError(
                f"there is no clip {source}.", hint="Give a file that is there, or a camera's URL (rtsp://…)."
            )
    except UserError as exc:
        raise UserError(f"{what}: {exc}") from exc
    return SimulatedCamera(camera_id, clip=clip.resolve())


def demo_cameras(environ: Mapping[str, str]) -> tuple[SimulatedCamera, ...]:
    """The camera that `make demo` was given: none for the demo clip. Raises UserError."""
    source = environ.get(DEMO_CAMERA_VARIABLE, "").strip()
    return (camera_from("camera", source, "CAMERA"),) if source else ()


def demo_seconds(environ: Mapping[str, str]) -> float | None:
    """How long `make demo` runs; None: until Ctrl-C. Raises UserError."""
    text = environ.get(DEMO_SECONDS_VARIABLE, "").strip()
    return parse_seconds(text, DEMO_SECONDS_VARIABLE) if text else None


def parse_seconds(text: str, what: str) -> float:
    """A duration from 1 s to a week. Raises UserError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= LONGEST_S:
        raise UserError(f"{what} is {text!r}:", hint="give a number of seconds from 1 to 604800 (a week).")
    return seconds


def check(options: SimulateOptions) -> SimulateOptions:
    """What no single option can say. Raises UserError."""
    ids = [camera.id for camera in options.cameras]
    repeated = next((camera_id for camera_id in ids if ids.count(camera_id) > 1), None)
    if repeated is not None:
        raise UserError(f"there are two cameras {repeated!r}:", hint="give each --camera an id of its own.")
    if (options.offline_after_s is None) != (options.offline_for_s is None):
        raise UserError("--offline-after and --offline-for belong together:", hint="give both or none.")
    return options


def names_of(cameras: Sequence[SimulatedCamera]) -> str:
    """For people: `gate = rtsp://10.0.0.1/1, yard = clip.mp4`."""
    return ", ".join(f"{camera.id} = {source_of(camera)}" for camera in cameras)


def source_of(camera: SimulatedCamera) -> str:
    """Where the camera's pictures come from, without secrets."""
    if camera.address is not None:
        return camera.address.url
    return "the demo clip" if camera.is_demo_clip else str(camera.clip)
