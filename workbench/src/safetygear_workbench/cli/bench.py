"""`safetygear bench`: what the solution costs here. Each measurement prints a table, or with --json one JSON value.

Figures are of processor time (user and system, all threads of the processes named) beside wall time. Machines differ
and are shared: ratios of one run say more than milliseconds.

Exit codes: 0 measured, whatever came out; 1 a measurement failed; 2 bad input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from safetygear.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")]
Streams = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="main|sub", help="1080p main stream or 360p sub-stream, 25 fps; repeatable."),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="v8n (that size, random weights), default, a shipped model's name, or a file; repeatable.",
    ),
]
Seconds = Annotated[float, typer.Option(help="Of each measurement, after its warm-up.")]
Fps = Annotated[float, typer.Option(help="Analysed frames per second and camera.")]
Runtimes = Annotated[
    str, typer.Option("--runtime", metavar="onnxruntime|openvino", help="What runs the network, here and in the floor.")
]
Manifest = Annotated[Path, typer.Option(help="The deployment template that says which modules run.")]
Folder = Annotated[Path, typer.Option(help="For clips, models and the runs' state.")]
TEMPLATE, FOLDER = Path("deployment.template.json"), Path(".safetygear/bench")


@app.command()
def overhead(
    stream: Streams = None,
    model: Models = None,
    seconds: Seconds = 20.0,
    repeats: Annotated[int, typer.Option(help="Floor and solution in turn, so often each.")] = 3,
    cameras: Annotated[int, typer.Option(help="Served at once.")] = 1,
    fps: Fps = 5.0,
    runtime: Runtimes = "onnxruntime",
    manifest: Manifest = TEMPLATE,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """Processor time per analysed frame of capture and inference together, over that of the barest process.

    The floor receives the same stream, decodes every picture, resizes as we do and runs the same network: no ring, no
    hub, no rules, no messages.
    """
    _positive(seconds=seconds, repeats=repeats, cameras=cameras, fps=fps)
    from dataclasses import replace

    from safetygear_workbench.bench import overhead as measuring

    results = []
    for case in _cases(stream or ["main", "sub"], model or ["v8n", "default"], folder, manifest):
        wanted = replace(case, cameras=cameras, fps=fps, runtime=_runtime(runtime))
        results.append(asyncio.run(measuring.measure(wanted, seconds=seconds, repeats=repeats, say=_say)))
    first = results[0]
    keys = ("overhead_ratio", "floor_ms", "solution_ms")
    document = {key: first[key] for key in keys} | {"cases": results} | _about(folder, results)
    rows = [
        [
            one["stream"],
            one["model"],
            f"{one['overhead_ratio']:.3f}",
            *(f"{one[key]:.1f}" for key in ("floor_ms", "solution_ms")),
            *(f"{one['parts_ms'][part]:.1f}" for part in ("capture", "inference", "stand_in")),
        ]
        for one in results
    ]
    head = ["stream", "model", "ratio", "floor ms", "solution ms", "capture", "inference", "(stand-in)"]
    return _out(as_json, document, "Processor time per analysed frame", head, rows)


@app.command()
def streams(
    stream: Streams = None,
    model: Models = None,
    seconds: Seconds = 120.0,
    first: Annotated[int, typer.Option(help="Number of cameras to begin with.")] = 8,
    also: Annotated[
        str, typer.Option(metavar="N,N,…", help="Numbers below the largest, measured for the line of cost too.")
    ] = "1,2,4",
    search_seconds: Annotated[
        float, typer.Option(help="At most, of each number tried; what is found and one more are proven for --seconds.")
    ] = 60.0,
    fps: Fps = 5.0,
    runtime: Runtimes = "onnxruntime",
    manifest: Manifest = TEMPLATE,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """The largest number of live cameras each of which is analysed at its rate, with one more shown to fail.

    Policy all, no motion gate, no shedding; the camera server and the stand-in runtime work on the same cores. The
    floor is measured in the same run: how many cameras it would take if it used all cores whole.
    """
    numbers = _numbers(also, "--also", "1,2,4")
    _positive(seconds=seconds, first=first, fps=fps, search_seconds=search_seconds)
    from dataclasses import replace

    from safetygear_workbench.bench import streams as measuring
    from safetygear_workbench.bench import tables

    results = []
    for case in _cases(stream or ["sub"], model or ["default"], folder, manifest):
        wanted = replace(case, fps=fps, runtime=_runtime(runtime))
        measured = measuring.measure(
            wanted, seconds=seconds, search_seconds=search_seconds, first=first, also=numbers, say=_say
        )
        results.append(asyncio.run(measured))
    document = results[0] | ({"cases": results} if len(results) > 1 else {}) | _about(folder, results)
    rows = [tables.trial_row(one, trial) for one in results for trial in one["cameras"]]
    notes = [note for one in results for note in (*tables.cost_notes(one), *tables.trial_creep_notes(one))]
    return _out(as_json, document, "Cameras at once (percent of one core)", tables.TRIALS, rows, notes)


@app.command()
def latency(
    cameras: Annotated[str, typer.Option(metavar="N,N,…", help="Numbers of cameras to measure with.")] = "1,4",
    stream: Streams = None,
    model: Models = None,
    seconds: Seconds = 60.0,
    warm_up: Annotated[
        float, typer.Option(help="Seconds before it; caches fill for minutes, which looks like growth.")
    ] = 10.0,
    fps: Fps = 5.0,
    runtime: Runtimes = "onnxruntime",
    manifest: Manifest = TEMPLATE,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """From the picture being taken to IoT Hub having its message, in total and by stage.

    With the model v8n each message tells the number burnt into its picture; the result says how many were read and
    whether each is the picture that the message's time claims.
    """
    numbers = _numbers(cameras, "--cameras", "1,4")
    _positive(seconds=seconds, warm_up=warm_up, fps=fps)
    from dataclasses import replace

    from safetygear_workbench.bench import latency as measuring
    from safetygear_workbench.bench import tables
    from safetygear_workbench.bench.clips import STREAMS

    results: list[dict[str, Any]] = []
    for case in _cases(stream or ["main"], model or ["v8n"], folder, manifest):
        wanted = replace(case, fps=fps, runtime=_runtime(runtime))
        measured = measuring.measure(
            wanted, STREAMS[case.stream], numbers, seconds=seconds, warm_up_s=warm_up, say=_say
        )
        results += asyncio.run(measured)
    rows = [
        [
            one["stream"],
            one["model"],
            str(one["cameras"]),
            *(f"{one[key]:.0f}" for key in ("p50_ms", "p95_ms", "p99_ms")),
            *(f"{stage['p50_ms']:.0f}/{stage['p95_ms']:.0f}" for stage in one["stages"].values()),
            f"{one['numbers']['read']}, {one['numbers']['wrong_picture']} wrong",
        ]
        for one in results
    ]
    head = ["stream", "model", "cameras", "p50", "p95", "p99", *results[0]["stages"], "numbers read"]
    notes = [note for one in results for note in tables.creep_notes(one)]
    return _out(as_json, results, "From the picture to its message, ms (stages: p50/p95)", head, rows, notes)


@app.command()
def transport(
    rounds: Annotated[int, typer.Option(help="Frames of each kind.")] = 200,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """A frame from capture to inference: through the ring in shared memory, or as JPEG in the message."""
    _positive(rounds=rounds)
    from safetygear_workbench.bench import transport as measuring
    from safetygear_workbench.bench.clips import STREAMS, clip
    from safetygear_workbench.simulation.options import DEMO_CLIP

    _say("preparing clips")
    results = measuring.measure(lambda name: clip(STREAMS[name], DEMO_CLIP, folder / "clips"), rounds=rounds)
    rows = [
        [one["stream"], f"{one['width_px']}x{one['height_px']}", *(f"{one[key]:.2f}" for key in ("ring_ms", "jpeg_ms"))]
        for one in results
    ]
    return _out(as_json, results, "Handing a frame over, both sides, ms", ["stream", "size", "ring", "JPEG"], rows)


@app.command()
def detector(
    model: Models = None,
    rounds: Annotated[int, typer.Option(help="Runs of each model, in turn.")] = 100,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """What each network costs in one thread, in each runtime that is installed. Without --model: all that are shipped,
    and v8n."""
    _positive(rounds=rounds)
    from safetygear_workbench.bench import detector_costs
    from safetygear_workbench.bench.cases import model_file
    from safetygear_workbench.model_path import models_dir

    names = model or [*(path.name for path in detector_costs.shipped(models_dir(os.environ))), "v8n"]
    models = dict(model_file(name, folder.resolve(), os.environ) for name in names)
    results = detector_costs.measure(models, rounds=rounds)
    keys = ("prepare_ms", "run_ms", "run_p95_ms", "decode_ms")
    rows = [[one["model"], *(f"{one[key]:.2f}" for key in keys), f"{one['ratio']:.2f}"] for one in results]
    head = ["model", "prepare", "run", "run p95", "decode", "run, to the first"]
    return _out(as_json, results, "One frame in one thread, ms of processor time", head, rows)


@app.command()
def hub(
    messages: Annotated[int, typer.Option(help="Of each size.")] = 500,
    sizes: Annotated[str, typer.Option(metavar="BYTES,…", help="Of the messages' bodies.")] = "300,2000,20000,150000",
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """Messages a second from one SDK client through the stand-in's hub to where IoT Hub would be."""
    numbers = _numbers(sizes, "--sizes", "300,2000")
    _positive(messages=messages)
    from safetygear_workbench.bench import hub_rate

    folder.mkdir(parents=True, exist_ok=True)
    results = asyncio.run(hub_rate.measure(folder, numbers, messages=messages))
    keys = ("acknowledged_per_s", "delivered_per_s", "hub_cpu_ms", "client_cpu_ms")
    rows = [[str(one["body_bytes"]), *(f"{one[key]:.2f}" for key in keys)] for one in results]
    head = ["bytes", "acknowledged/s", "delivered/s", "hub ms", "client ms"]
    return _out(as_json, results, "Through the hub (ms of processor time a message)", head, rows)


@app.command()
def peers(
    stream: Streams = None,
    model: Models = None,
    seconds: Seconds = 30.0,
    first: Annotated[int, typer.Option(help="Cameras to compare costs at, and to begin the search with.")] = 2,
    repeats: Annotated[int, typer.Option(help="All in turn, so often each.")] = 2,
    search: Annotated[bool, typer.Option(help="Find the most cameras of each; takes minutes each.")] = True,
    fps: Fps = 5.0,
    manifest: Manifest = TEMPLATE,
    folder: Folder = FOLDER,
    as_json: AsJson = False,
) -> int:
    """The solution beside a plain loop (cv2.VideoCapture, a JPEG between two parts, ONNX Runtime as it comes),
    Ultralytics and Roboflow's video pipeline, as they come and with one thread each.

    Same cameras, same network, same rate; costs in turn, then the largest number of cameras of each. The others need
    `make peers-env`; without it their rows say so.
    """
    _positive(seconds=seconds, first=first, repeats=repeats, fps=fps)
    from dataclasses import replace

    from safetygear_workbench.bench import peers as measuring
    from safetygear_workbench.bench import tables

    results = []
    for case in _cases(stream or ["main"], model or ["v8n"], folder, manifest):
        wanted = replace(case, fps=fps)
        measured = measuring.measure(
            wanted, seconds=seconds, first=first, repeats=repeats, with_search=search, say=_say
        )
        results.append(asyncio.run(measured))
    rows = [tables.peer_row(one, name, found) for one in results for name, found in one["contestants"].items()]
    notes = [note for one in results for note in tables.peer_notes(one)]
    document = results[0] | ({"cases": results} if len(results) > 1 else {}) | _about(folder, results)
    title = f"ms of processor time per analysed frame at {first} cameras"
    return _out(as_json, document, title, tables.PEERS, rows, notes)


def _numbers(text: str, option: str, example: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{option} is {text!r}:", hint=f"write numbers with commas, such as {example}.") from None
    _positive(**{option.removeprefix("--"): min(numbers)})
    return numbers


def _cases(streams: Sequence[str], models: Sequence[str], folder: Path, manifest: Path) -> list[Any]:
    from safetygear_workbench.bench.cases import case

    if not manifest.is_file():
        raise UserError(f"there is no manifest {manifest}.", hint="Run it in the repository, or give --manifest.")
    _say("preparing clips and models")
    return [
        case(stream, model, folder=folder, manifest=manifest, environ=os.environ)
        for stream in streams
        for model in models
    ]


def _about(folder: Path, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from safetygear_workbench.bench.machine import machine, sha256

    clips = sorted((folder / "clips").glob("*.mp4"))
    used = {str(one["stream"]) for one in results}
    return {
        "machine": machine(),
        "clips": {path.name: sha256(path) for path in clips if path.name.split("-")[0] in used},
    }


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1e6:
            raise UserError(f"--{name.replace('_', '-')} is {value:g}:", hint="give a number above 0.")


def _say(text: str) -> None:
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(text, style="dim")


def _runtime(name: str) -> Any:
    from typing import get_args

    from safetygear_inference.detectors.runtimes.choice import Runtime

    if name not in get_args(Runtime):
        raise UserError(f"--runtime is {name!r}:", hint=f"use {' or '.join(get_args(Runtime))}.")
    return name


def _out(
    as_json: bool,
    document: Any,
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str] = (),
) -> int:
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return 0
    table = Table(title=title, title_justify="left")
    for name in head:
        table.add_column(name, justify="left" if name in ("stream", "model") else "right")
    for row in rows:
        table.add_row(*row)
    # Into a file or a pipe: a table that is cut at 80 columns would be of no use.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True)
    return 0
