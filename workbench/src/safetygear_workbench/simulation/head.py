"""What a run says before the first message: where to look and what to try. Pure."""

from __future__ import annotations

import os
from pathlib import Path

from safetygear_workbench.simulation.options import names_of
from safetygear_workbench.simulation.prepare import Prepared

_WIDTH = 11


def head(prepared: Prepared, program: str, folder: Path, default_state: Path) -> list[str]:
    """`program`: how this command is typed; `folder`: the current one."""
    state = _short(prepared.state, folder)
    option = "" if prepared.state == (folder / default_state).resolve() else f" --state {state}"
    rows = [
        ("running", f"{', '.join(prepared.modules)}, on a stand-in for the edge runtime and IoT Hub"),
        ("cameras", names_of(prepared.cameras) or "those of the manifest"),
        ("live page", _page(prepared.page)),
        ("IoT Hub", f"https://{prepared.rest} (REST: twins and direct methods). In another terminal:"),
        ("", f"{program} twin get inference{option}"),
        ("", f"{program} method call inference getStatus{option}"),
        ("logs", f"{state}/logs"),
    ]
    lines = ["SafetyGear, simulated. Ctrl-C ends it."]
    lines += [f"  {name:<{_WIDTH}}{value}" for name, value in rows]
    return [*lines, "", "What IoT Hub receives (time, camera, boxes, capture to message):"]


def program(argv0: str, folder: Path) -> str:
    """How the command was called, as short as it can be typed again."""
    path = Path(argv0)
    if path.name == "__main__.py":
        return "python -m safetygear_workbench"
    return _short(path, folder) if path.is_absolute() else argv0


def _page(listen: str | None) -> str:
    if listen is None:
        return "none: the manifest runs no inference module"
    return f"http://localhost:{listen.rpartition(':')[2]}"


def _short(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path, folder)
    return str(path) if relative.startswith("..") else relative
