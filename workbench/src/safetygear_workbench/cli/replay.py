"""`safetygear replay`: recorded detections judged again, under any rules.

Exit codes: 0 done (also where nothing was violated); 2 bad input: no such file, no detections in it, a field of the
configuration that can't be used, a label that the rules ask for and the recording's model does not know.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from safetygear_workbench.replay.recording import Frame

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def replay(
    detections: Annotated[
        Path,
        typer.Argument(
            metavar="DETECTIONS.jsonl", help="What `simulate --messages` wrote, or one detections body a line."
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option(metavar="TWIN.json", help="Inference's desired properties. Without it: the module's defaults."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="OTHER.json", help="Judge under these too, and say what comes out otherwise.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A label that the model has and no box of the recording; repeatable."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object on stdout: {recording, episodes, kpi[, against, difference]}."),
    ] = False,
) -> int:
    """Judge recorded detections again: who wears what, which violations there were, how much of the time was compliant.

    The code is the module's own; recorded people and tracks are not read. Record with policy `all`, as `simulate` does.

    Exit codes: 0 done, 2 bad input.
    """
    # Here, so that `--help` does not load numpy.
    from safetygear_inference.config import InferenceTwin
    from safetygear_workbench.replay import documents
    from safetygear_workbench.replay.difference import difference
    from safetygear_workbench.replay.files import open_config, open_recording, refuse
    from safetygear_workbench.replay.judging import known_labels, label_errors
    from safetygear_workbench.replay.judging import replay as judge

    configs = [(path, open_config(path)) for path in (config, against) if path is not None]
    if config is None:
        configs.insert(0, (Path("the defaults"), InferenceTwin()))
    recording = open_recording(detections)
    known = known_labels(recording, label or ())
    for path, twin in configs:
        refuse(path, label_errors(twin, known))
    results = [judge(recording, twin, known, progress=_progress) for _, twin in configs]
    content: dict[str, Any] = {"recording": documents.recording_document(recording)}
    content |= documents.replayed_document(results[0])
    if against is not None:
        content["against"] = documents.replayed_document(results[1])
        content["difference"] = documents.difference_document(difference(results[0].episodes, results[1].episodes))
    if as_json:
        sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(content)
    return 0


def _progress(frames: Sequence[Frame]) -> Iterator[Frame]:
    shown = sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as progress:
        yield from progress.track(frames, description="judging")


def _print(content: dict[str, Any]) -> None:
    # Into a pipe nothing is folded: 80 columns are nobody's there.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 400)
    recording = content["recording"]
    lost = "".join(f", {recording[name]} {name}" for name in ("duplicates", "missing") if recording[name])
    cameras = ", ".join(recording["cameras"])
    console.print(f"{recording['frames']} frames of {cameras} in {recording['seconds']:.1f} s{lost}")
    console.print()
    console.print(_episodes(content["episodes"]) if content["episodes"] else "no episodes")
    console.print()
    console.print(_kpi(content["kpi"]) if content["kpi"] else "nobody in a rule zone")
    if "difference" in content:
        console.print()
        _print_difference(console, content)


def _print_difference(console: Console, content: dict[str, Any]) -> None:
    found = content["difference"]
    for name, title in (("onlyConfig", "only under --config"), ("onlyAgainst", "only under --against")):
        console.print(f"{title}: {len(found[name])}")
        if found[name]:
            console.print(_episodes(found[name]))
    console.print(f"under both, but otherwise: {len(found['changed'])}")
    if found["changed"]:
        table = _table("camera", "zone", "rule", "opened", "field", "config", "against")
        for changed in found["changed"]:
            one, other = changed["config"], changed["against"]
            for field in changed["fields"]:
                place = (one["camera"], one["zone"], one["rule"], _time(one["openedAt"]))
                table.add_row(*(Text(text) for text in (*place, field, _value(one[field]), _value(other[field]))))
        console.print(table)
    console.print(f"the same under both: {found['same']}")
    console.print()
    console.print("under --against:")
    console.print(_kpi(content["against"]["kpi"]) if content["against"]["kpi"] else "nobody in a rule zone")


def _episodes(episodes: Iterable[dict[str, Any]]) -> Table:
    table = _table(
        "camera", "zone", "track", "rule", "severity", "opened", "closed", "seconds", "reason", "close reason"
    )
    table.columns[7].justify = "right"
    for one in episodes:
        table.add_row(
            *(Text(one[name]) for name in ("camera", "zone", "track", "rule", "severity")),
            Text(_time(one["openedAt"])),
            Text(_time(one["closedAt"])),
            Text(f"{one['seconds']:.1f}"),
            Text(one["reason"]),
            Text(one["closeReason"] or "still open"),
        )
    return table


def _kpi(hours: Iterable[dict[str, Any]]) -> Table:
    """Person-seconds."""
    table = _table("camera", "zone", "hour", "compliant s", "violating s", "indeterminate s", "compliance")
    for column in table.columns[3:]:
        column.justify = "right"
    for one in hours:
        table.add_row(
            Text(one["camera"]),
            Text(one["zone"]),
            Text(_time(one["hour"])[:16]),
            *(Text(f"{one[name]:.1f}") for name in ("secondsCompliant", "secondsViolating", "secondsIndeterminate")),
            Text("-" if one["compliance"] is None else f"{one['compliance']:.1%}"),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    return table


def _value(value: Any) -> str:
    return "-" if value is None else str(value)


def _time(text: str | None) -> str:
    """`2026-11-25 09:14:03.2`, UTC."""
    return "-" if text is None else text[:21].replace("T", " ")
