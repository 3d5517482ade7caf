"""`safetygear plan`: what a site with so many cameras needs.

Exit codes: 0 done, 2 bad input.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from safetygear.errors import UserError
from safetygear_workbench.planning import constants as measured
from safetygear_workbench.planning.capacity import Plan, Site
from safetygear_workbench.planning.capacity import plan as compute

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def plan(
    cameras: Annotated[int, typer.Option(help="Cameras of the site, 1 to 1000.")],
    fps: Annotated[float, typer.Option(help="Analysed frames per second and camera.")] = 5.0,
    stream: Annotated[
        Literal["main", "sub"], typer.Option(help="Which is analysed: 1080p main stream, or 360p sub-stream.")
    ] = "sub",
    main_stream: Annotated[
        Literal["key-frames", "off"],
        typer.Option(help="Beside an analysed sub-stream: the main stream for key frames, or not (`mainStream`)."),
    ] = "key-frames",
    policy: Annotated[
        Literal["all", "interval", "changes"], typer.Option(help="Of the detections; interval: one a second.")
    ] = "changes",
    detector_ms: Annotated[
        float, typer.Option(help="The network's time on that machine (`safetygear bench detector`); scales the rest.")
    ] = measured.DETECTOR_MS,
    people_percent: Annotated[float, typer.Option(help="Part of the day with people in the picture.")] = 40.0,
    events: Annotated[float, typer.Option(help="Violations per camera and day.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Cores, memory, uplink, IoT Hub units and disk for a site, from what was measured.

    docs/capacity.md says how the figures come about and how sure they are.
    """
    for name, value, low, high in (
        ("cameras", cameras, 1, 1000),
        ("fps", fps, 0.02, 30),
        ("detector-ms", detector_ms, 0.1, 10_000),
        ("people-percent", people_percent, 0, 100),
        ("events", events, 0, 1e6),
    ):
        if not low <= value <= high:
            raise UserError(f"--{name} is {value:g}:", hint=f"give {low:g} to {high:g}.")
    site = Site(
        cameras=cameras,
        analysed_fps=fps,
        stream=stream,
        key_frames=main_stream == "key-frames",
        policy=policy,
        detector_ms=detector_ms,
        people_share=people_percent / 100,
        events_per_camera_day=events,
    )
    needs = compute(site)
    if as_json:
        sys.stdout.write(json.dumps({"measuredOn": measured.MACHINE, **needs.as_json()}, indent=2) + "\n")
        return 0
    table = Table.grid(padding=(0, 2))
    for row in _rows(needs):
        table.add_row(*row)
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(f"Measured on {measured.MACHINE}; elsewhere it will differ: measure.")
    return 0


def _rows(needs: Plan) -> list[tuple[str, str]]:
    return [
        ("processor", f"{needs.cpu_percent:.0f} % of a core: {needs.cores} cores at {measured.FULL_PERCENT:.0f} %"),
        ("memory", f"{needs.ram_mb:.0f} MB, of which {needs.shared_memory_mb:.0f} MB for frames (tmpfs)"),
        ("cameras' network", f"{needs.lan_mbit_s:.1f} Mbit/s"),
        ("uplink", f"{needs.uplink_mb_per_day:.0f} MB a day"),
        ("IoT Hub", f"{needs.messages_per_day:,} messages a day, billed as {needs.blocks_per_day:,}"),
        ("", f"{needs.s1_units} S1 unit{'s' if needs.s1_units > 1 else ''} (400,000 a day each)"),
        ("disk", f"{needs.disk_mb:.0f} MB for {measured.EVENTS_KEPT_DAYS} days of events and their pictures"),
    ]
