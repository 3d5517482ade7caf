"""`safetygear model`: what a model is, or why it is refused.

Exit codes: 0 it can be used, 2 it is refused or can't be read; the reason is one line on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from safetygear_inference.detectors import Model

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def model() -> None:
    """Say which format a model has, and why; or why it is refused."""


@app.command()
def inspect(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A .onnx, a folder, an export .zip, a model's name, or `default`.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Open and try a model as the inference module does.

    Exit codes: 0 it can be used, 2 it is refused or can't be read.
    """
    from safetygear_workbench.model_path import open_named_model

    found = describe(open_named_model(path, os.environ))
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return 0
    table = Table.grid(padding=(0, 2))
    for name, value in _lines(found):
        table.add_row(Text(name), Text(value))
    Console(highlight=False, markup=False, soft_wrap=True).print(table)
    return 0


def describe(model: Model) -> dict[str, Any]:
    """{name, version, sha256, format, why, labels, input, defaultThreshold, thresholds, nmsIou}; sizes in px."""
    taken = model.format.input
    width, height = taken.size if taken.size is not None else (None, None)
    return {
        "name": model.identity.name,
        "version": model.identity.version,
        "sha256": model.identity.sha256,
        "format": model.format.name,
        "why": model.format.why,
        "labels": list(model.labels),
        "input": {
            "name": taken.name,
            "type": taken.dtype,
            "layout": taken.layout,
            "width": width,
            "height": height,
            "channels": taken.channels,
            "range": [round(taken.offset, 4), round(taken.offset + 255 * taken.scale, 4)],
            "fit": taken.fit,
        },
        "defaultThreshold": model.own_default_threshold,
        "thresholds": dict(model.own_thresholds),
        "nmsIou": model.format.nms_iou,
    }


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    taken = found["input"]
    size = f"{taken['width']}x{taken['height']}" if taken["width"] else "any size"
    own = "".join(f", {label} {value:g}" for label, value in found["thresholds"].items())
    return [
        ("model", f"{found['name']}, version {found['version']}"),
        ("format", found["format"]),
        ("why", found["why"]),
        ("labels", ", ".join(found["labels"])),
        (
            "input",
            f"{taken['name']}: {size}, {taken['channels'].upper()}, values {taken['range'][0]:g} to "
            f"{taken['range'][1]:g}, {taken['type']}, {taken['layout'].upper()}, {taken['fit']}",
        ),
        ("thresholds", f"{found['defaultThreshold']:g}{own}"),
        ("sha256", found["sha256"]),
    ]
