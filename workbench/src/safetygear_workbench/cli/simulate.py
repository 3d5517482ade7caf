"""`safetygear simulate`: the solution on the stand-in edge runtime, and what IoT Hub would receive.

Exit codes: 0 ended by Ctrl-C, SIGTERM or --for; 1 the run failed (with --for: no detection came); 2 bad input.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from safetygear.redact import Redactor, has_credentials
from safetygear_workbench.simulation.options import (
    SimulateOptions,
    check,
    demo_cameras,
    demo_seconds,
    parse_camera,
    parse_seconds,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_STARTED_S = time.monotonic()


@app.command()
def simulate(
    manifest: Annotated[
        Path, typer.Option(help="Deployment template, or a deployment that genconfig has made of one.")
    ] = Path("deployment.template.json"),
    camera: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=URL|FILE",
            help="A camera's rtsp URL, or a clip to serve as one; repeatable. Without any: the manifest's cameras, or "
            "the demo clip. Mind that a password here shows in the process list.",
        ),
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="SECONDS", help="End by itself, this long after the start.")
    ] = None,
    messages: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="Write every message into this file too, one JSON a line.")
    ] = None,
    offline_after: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", help="Cut the way to IoT Hub this long after the first detection …"),
    ] = None,
    offline_for: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="… and for so long; what is queued then arrives.")
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="Let the stand-in listen on this address too, for containers; repeatable."
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option(help="Folder for keys, queues, logs and the modules' /data; one run at a time.")
    ] = Path(".safetygear"),
    json: Annotated[
        bool, typer.Option("--json", help="stdout: one JSON a message, at the end {summary}. The rest goes to stderr.")
    ] = False,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="What `make demo` runs: SAFETYGEAR_DEMO_CAMERA and DEMO_SECONDS are obeyed."),
    ] = False,
) -> int:
    """Run what the manifest lists, feed it with cameras, print what IoT Hub would receive.

    The modules run as processes of this machine under a stand-in for the edge runtime; detections are sent for every
    analysed frame (policy all). Each run begins with an empty hub; the modules' /data stays. A port that is in use
    (8080 for the page, 8443 and 8883 for the hub) is replaced by another, and the run says which.

    Exit codes: 0 ended by Ctrl-C, SIGTERM or --for; 1 the run failed (with --for: no detection came); 2 bad input.
    """
    cameras = tuple(parse_camera(text) for text in camera or [])
    options = check(
        SimulateOptions(
            manifest=manifest,
            cameras=cameras or (demo_cameras(os.environ) if demo else ()),
            for_s=_seconds(for_, "--for") or (demo_seconds(os.environ) if demo else None),
            messages=messages,
            offline_after_s=_seconds(offline_after, "--offline-after"),
            offline_for_s=_seconds(offline_for, "--offline-for"),
            listen=tuple(listen or []),
            state=state,
            json=json,
        )
    )
    # Loaded after the options were found good, so that a wrong one is told at once.
    from safetygear_workbench.simulation.head import head, program
    from safetygear_workbench.simulation.prepare import prepare
    from safetygear_workbench.simulation.run import Run
    from safetygear_workbench.simulation.terminal import Terminal

    redactor = Redactor()
    prepared = prepare(options, os.environ, redactor)
    try:
        terminal = Terminal(redactor, as_json=options.json)
        run = Run(options, prepared, terminal, started_s=_STARTED_S)
        for line in head(prepared, program(sys.argv[0], Path.cwd()), Path.cwd(), DEFAULT_STATE):
            terminal.text(line)
        for note in prepared.notes:
            terminal.note(note)
        if any(has_credentials(text) for text in camera or []):
            terminal.note("the password in --camera shows in the process list; `CAMERA=… make demo` keeps it out")
        return asyncio.run(run.run())
    finally:
        prepared.close()


DEFAULT_STATE = Path(".safetygear")


def _seconds(text: str | None, what: str) -> float | None:
    return None if text is None else parse_seconds(text, what)
