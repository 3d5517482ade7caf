"""`safetygear twin`: a module's twin, on the stand-in runtime or a real IoT Hub.

Exit codes: 0 done; 1 the hub can't be reached or failed; 2 bad input: no stand-in runs, no such module, a patch that is
no JSON object or that the hub refuses.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from safetygear.errors import UserError
from safetygear.redact import MASK, Redactor, has_credentials
from safetygear_workbench.cli.json_input import read_json
from safetygear_workbench.iothub_target import CONNECTION_STRING_VARIABLE, HubTarget, choose_target

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
Module = Annotated[str, typer.Argument(metavar="MODULE", help="The module's id in the deployment, such as capture.")]
State = Annotated[
    Path | None,
    typer.Option(help="The stand-in's state folder (.safetygear). Given, it counts before a connection string."),
]
Device = Annotated[
    str | None, typer.Option(help=f"The device. A real hub needs it, and its key in ${CONNECTION_STRING_VARIABLE}.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout: {desired, reported}.")]


@app.callback()
def twin() -> None:
    """Read and change a module's twin: stand-in or real IoT Hub."""


@app.command()
def get(module: Module, as_json: AsJson = False, state: State = None, device: Device = None) -> int:
    """Show desired and reported properties.

    Exit codes: 0 done, 1 the hub failed, 2 bad input.
    """
    target = choose_target(os.environ, state=state, device=device)
    desired, reported = asyncio.run(_read(target, module))
    _show(_shown({"desired": desired, "reported": reported}), as_json)
    return 0


@app.command("set")
def set_(
    module: Module,
    patch: Annotated[
        str, typer.Argument(metavar="PATCH|@FILE|-", help="Desired properties to merge, a JSON object; null removes.")
    ],
    as_json: AsJson = False,
    state: State = None,
    device: Device = None,
) -> int:
    """Change desired properties. How the module took them is in its reported properties, under `config`.

    Exit codes: 0 done, 1 the hub failed, 2 bad input.
    """
    value = check_patch(read_json(patch, "PATCH", sys.stdin))
    target = choose_target(os.environ, state=state, device=device)
    desired = asyncio.run(_patch(target, module, value))
    if as_json:
        _show(_shown({"desired": desired}), as_json)
    else:
        sys.stdout.write(f"{module}: desired properties are now version {desired.get('$version')}\n")
    return 0


def check_patch(value: Any) -> dict[str, Any]:
    """The patch, if it is one. Raises UserError; its message repeats no value."""
    if not isinstance(value, dict):
        raise UserError("PATCH is no JSON object.", hint='Write {"name": value, …}.')
    if value and value.keys() <= {"properties", "desired", "reported"}:
        raise UserError("PATCH is a whole twin.", hint="Give the desired properties themselves.")
    place = _credentials_in(value, "")
    if place is not None:
        raise UserError(
            f"PATCH has credentials in {place}: everybody who may read the twin would see them.",
            hint="Put the password into a secret and name it: env:SAFETYGEAR_SECRET_NAME or file:NAME.",
        )
    return value


def _credentials_in(value: Any, path: str) -> str | None:
    if isinstance(value, dict):
        for key, item in value.items():
            place = f"{path}.{key}" if path else str(key)
            found_below = place if _is_plain_password(key, item) else _credentials_in(item, place)
            if found_below is not None:
                return found_below
        return None
    if isinstance(value, list):
        found = (_credentials_in(item, f"{path}[{index}]") for index, item in enumerate(value))
        return next((place for place in found if place is not None), None)
    return path if isinstance(value, str) and "://" in value and has_credentials(value) else None


def _is_plain_password(key: Any, value: Any) -> bool:
    """Whether a `password` holds the password itself. What means to be a reference and is none, the module names."""
    return key == "password" and isinstance(value, str) and value != "" and not value.startswith(("env:", "file:"))


async def _read(target: HubTarget, module: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetygear_workbench.iothub_service import IoTHubService

    async with IoTHubService(target) as service:
        return await service.read_twin(module)


async def _patch(target: HubTarget, module: str, patch: dict[str, Any]) -> dict[str, Any]:
    from safetygear_workbench.iothub_service import IoTHubService

    async with IoTHubService(target) as service:
        return await service.patch_desired(module, patch)


def _shown(value: Any) -> Any:
    """As it may be shown: a password that somebody has put there is masked, IoT Hub's bookkeeping left out."""
    if isinstance(value, dict):
        return {
            key: MASK if _is_plain_password(key, item) else _shown(item)
            for key, item in value.items()
            if key not in ("$metadata", "$lastUpdated")
        }
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return Redactor().redact(value) if isinstance(value, str) else value


def _show(content: Any, as_json: bool) -> None:
    sys.stdout.write(json.dumps(content, indent=None if as_json else 2, ensure_ascii=False) + "\n")
