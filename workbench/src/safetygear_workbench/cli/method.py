"""`safetygear method`: call a module's direct method, on the stand-in runtime or a real IoT Hub.

Exit codes: 0 the module answered with a status below 400; 1 it answered with another, is not connected, did not answer
in time, or the hub failed; 2 bad input: no stand-in runs, no such module, a payload that is no JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Annotated, Any

import typer

from safetygear.errors import UserError
from safetygear_workbench.cli.json_input import read_json
from safetygear_workbench.cli.twin import Device, Module, State
from safetygear_workbench.iothub_target import HubTarget, choose_target

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
LONGEST_NAME = 100
FIRST_ERROR_STATUS = 400


@app.callback()
def method() -> None:
    """Call a module's direct method: stand-in or real IoT Hub."""


@app.command()
def call(
    module: Module,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The method.")],
    payload: Annotated[
        str, typer.Argument(metavar="[PAYLOAD|@FILE|-]", help="JSON for it.", show_default=False)
    ] = "null",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout: {status, payload}.")] = False,
    timeout: Annotated[
        int, typer.Option(min=5, max=300, metavar="SECONDS", help="How long to wait for the module's answer.")
    ] = 30,
    state: State = None,
    device: Device = None,
) -> int:
    """Call a method and show its answer.

    Exit codes: 0 a status below 400; 1 another status, no answer, not connected, or the hub failed; 2 bad input.
    """
    if not name or len(name) > LONGEST_NAME:
        raise UserError(f"a method's name has 1 to {LONGEST_NAME} characters.")
    value = read_json(payload, "PAYLOAD", sys.stdin)
    target = choose_target(os.environ, state=state, device=device)
    status, answer = asyncio.run(_call(target, module, name, value, timeout))
    if as_json:
        sys.stdout.write(json.dumps({"status": status, "payload": answer}, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"status {status}\n{json.dumps(answer, indent=2, ensure_ascii=False)}\n")
    return 0 if status < FIRST_ERROR_STATUS else 1


async def _call(target: HubTarget, module: str, name: str, payload: Any, timeout_s: float) -> tuple[int, Any]:
    from safetygear_workbench.iothub_service import IoTHubService

    async with IoTHubService(target) as service:
        return await service.call_method(module, name, payload, timeout_s)
