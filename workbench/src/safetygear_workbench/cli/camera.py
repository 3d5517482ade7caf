"""`safetygear camera`: clips as RTSP cameras, and what a camera sends.

Exit codes of `serve`: 0 ended by SIGTERM or Ctrl-C, 2 bad input. Of `probe`: 0 the camera streams, 1 it does not (the
reason is printed, and is `reason` in --json), 2 bad input.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from safetygear.errors import UserError
from safetygear.messages.frames import CAMERA_ID_PATTERN
from safetygear.secret_references import Secret
from safetygear_workbench.cameras.address import CameraAddress, parse_camera_url
from safetygear_workbench.simulation.options import DEMO_CLIP

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
URL_VARIABLE, PASSWORD_VARIABLE = "SAFETYGEAR_CAMERA_URL", "SAFETYGEAR_CAMERA_PASSWORD"
EXIT_NO_STREAM = 1
NAME_WIDTH = 15


@app.callback()
def camera() -> None:
    """Serve clips as RTSP cameras, and find out what a camera sends."""


@app.command()
def serve(
    clips: Annotated[
        list[str] | None,
        typer.Argument(metavar="[[NAME=]CLIP]...", help="H.264 or H.265 files. None: the demo clip, as `demo`."),
    ] = None,
    address: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.")] = 8554,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CAMERA:]FAULT[=VALUE]",
            help="Let cameras misbehave: stall_after_s=10, status=404, hang=DESCRIBE, no_data, freeze, loss=0.02, …; "
            "repeatable. A client can ask for the same in the URL's query.",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help=f"Ask for this user name, and for the password in ${PASSWORD_VARIABLE}.")
    ] = None,
    auth: Annotated[
        Literal["digest", "digest-sha256", "basic"], typer.Option(help="How passwords are asked for.")
    ] = "digest",
) -> int:
    """Serve clips by RTSP, round after round, until SIGTERM or Ctrl-C. Prints a URL a line.

    Exit codes: 0 ended by SIGTERM or Ctrl-C, 2 bad input.
    """
    from safetygear_workbench.cameras import serving
    from safetygear_workbench.cameras.authentication import Credentials

    if not 0 <= port <= 65535:
        raise UserError(f"--port is {port}:", hint="use 0 (any free one) to 65535.")
    credentials = None
    if user is not None:
        password = os.environ.get(PASSWORD_VARIABLE, "")
        if not password:
            raise UserError(f"--user needs a password in the environment variable {PASSWORD_VARIABLE}.")
        credentials = Credentials(user, password, auth)
    named = serving.parse_clips(clips) if clips else {"demo": DEMO_CLIP}
    faults = serving.parse_camera_faults(fault or [], list(named))

    def announce(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    asyncio.run(serving.serve(serving.ServeOptions(named, address, port, faults, credentials), announce))
    return 0


@app.command()
def probe(
    url: Annotated[
        str | None,
        typer.Argument(
            help=f"rtsp:// or rtsps://. A password here shows in the process list: better leave it out and answer the "
            f"question, or set {PASSWORD_VARIABLE}, or the whole URL as {URL_VARIABLE}.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
    transport: Annotated[Literal["tcp", "udp"], typer.Option(help="How RTP comes.")] = "tcp",
    seconds: Annotated[float, typer.Option(help="How long to measure, 1 to 300.")] = 6.0,
    camera_id: Annotated[str, typer.Option("--id", help="The camera's id in the twin fragment.")] = "camera-1",
    tls_verify: Annotated[
        bool, typer.Option("--tls-verify/--no-tls-verify", help="rtsps: whether the certificate must be valid.")
    ] = True,
) -> int:
    """Say what a camera sends, or why it does not and what to do; print the twin fragment to paste.

    Exit codes: 0 the camera streams, 1 it does not, 2 bad input.
    """
    if not 1 <= seconds <= 300:
        raise UserError(f"--seconds is {seconds:g}:", hint="use 1 to 300.")
    if re.match(CAMERA_ID_PATTERN, camera_id) is None:
        raise UserError(f"--id {camera_id!r} is no camera id:", hint="use A-Z a-z 0-9 _ - (at most 64 characters).")
    address = _address(url)
    from safetygear_workbench.cameras.probe_run import ProbeRequest
    from safetygear_workbench.cameras.probe_run import probe as run
    from safetygear_workbench.cameras.probing import failed_words

    aside = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    result = run(
        ProbeRequest(address, camera_id, transport, tls_verify, seconds),
        (lambda line: aside.print(line, style="dim")) if not as_json else (lambda line: None),
    )
    if as_json:
        sys.stdout.write(json.dumps(result.as_json(), indent=2, ensure_ascii=False) + "\n")
        return 0 if result.ok else EXIT_NO_STREAM
    if not result.ok:
        sys.stderr.write(f"safetygear: {' '.join(failed_words(result))}\n")
        return EXIT_NO_STREAM
    out = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in result.rows():
        out.print(Text(f"{name:<{NAME_WIDTH}}{value}"))
    for hint in result.hints():
        out.print(Text(f"! {hint}"), style="yellow")
    out.print("\nFor the capture module's twin (desired properties):")
    for line in result.lines_to_paste():
        out.print(line)
    return 0


def _address(url: str | None) -> CameraAddress:
    """From the argument, else the environment, else a person. Raises UserError."""
    text = (url or os.environ.get(URL_VARIABLE, "")).strip()
    if not text:
        if not sys.stdin.isatty():
            raise UserError("which camera?", hint=f"Give its URL, or set {URL_VARIABLE}.")
        text = typer.prompt("Camera's URL (rtsp://…; not shown)", hide_input=True, err=True).strip()
    address = parse_camera_url(text)
    if address.username is None or address.password is not None:
        return address
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password and sys.stdin.isatty():
        password = typer.prompt(f"Password of {address.username.reveal()}", hide_input=True, err=True, default="")
    return CameraAddress(address.url, address.username, Secret(password) if password else None)
