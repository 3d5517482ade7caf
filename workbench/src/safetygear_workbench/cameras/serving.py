"""`camera serve` behind its command line: which clip is which camera, which faults it has, how it runs."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetygear.errors import UserError
from safetygear.messages.frames import CAMERA_ID_PATTERN
from safetygear_workbench.cameras.authentication import Credentials
from safetygear_workbench.cameras.clip import load_clip
from safetygear_workbench.cameras.faults import Faults, parse_faults
from safetygear_workbench.cameras.server import CameraServer

_NAME = re.compile(CAMERA_ID_PATTERN)


@dataclass(frozen=True)
class ServeOptions:
    """What to serve, and where."""

    clips: Mapping[str, Path]
    """By the camera's name, which is the URL's path."""
    address: str
    port: int
    faults: Mapping[str, Faults]
    credentials: Credentials | None


def parse_clips(texts: Sequence[str]) -> dict[str, Path]:
    """`CLIP` (named as the file, without its ending) or `NAME=CLIP`. Raises UserError."""
    clips: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or Path(text).is_file():
            name, file = Path(text).stem, text
        if _NAME.fullmatch(name) is None:
            raise UserError(
                f"{name!r} is no camera name:", hint="write NAME=CLIP, NAME of A-Z a-z 0-9 _ - (at most 64)."
            )
        if name in clips:
            raise UserError(f"there are two cameras {name!r}:", hint="name one of them otherwise, NAME=CLIP.")
        clips[name] = Path(file)
    return clips


def parse_camera_faults(texts: Sequence[str], names: Sequence[str]) -> dict[str, Faults]:
    """`[CAMERA:]FAULT[=VALUE]` for one camera, or for all. Raises UserError."""
    values: dict[str, dict[str, str]] = {name: {} for name in names}
    for text in texts:
        fault, equals, value = text.partition("=")
        camera, colon, fault = fault.rpartition(":")
        if colon and camera not in values:
            raise UserError(f"--fault {text}: there is no camera {camera!r};", hint=f"there are {', '.join(names)}.")
        for name in [camera] if colon else names:
            values[name][fault] = value if equals else "1"
    return {name: parse_faults(wanted) for name, wanted in values.items() if wanted}


async def serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Until SIGTERM or SIGINT. `announce` gets each camera's URL. Raises UserError."""
    server = CameraServer(
        {name: load_clip(path) for name, path in options.clips.items()}, credentials=options.credentials
    )
    for name, faults in options.faults.items():
        if faults.switch_to and faults.switch_to not in options.clips:
            raise UserError(f"switch_to={faults.switch_to}: there is no such camera.", hint="Serve that clip too.")
        server.set_faults(name, faults)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = await server.listen(options.address, options.port)
    try:
        for name in options.clips:
            announce(f"rtsp://{_host(options.address)}:{port}/{name}")
        await stop.wait()
    finally:
        await server.stop()


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
