"""`safetygear detect`: a detector, or a classifier, on pictures.

Exit codes: 0 done (also where nothing is seen), 1 the network failed, 2 bad input: no such file, no picture, a model
that is refused.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from safetygear.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def detect(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A .onnx or .tflite, a folder, an export .zip, a model's name or `default`."
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG, PNG, BMP, WebP or TIFF files.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout, one object per picture.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each picture with its boxes drawn, as JPEG, into DIR.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="P", min=0, max=1, help="Least probability of a box. Else the model's own, by label."),
    ] = None,
) -> int:
    """Run a detector on pictures and say what it sees.

    Exit codes: 0 done (also where nothing is seen), 1 the network failed, 2 bad input.
    """
    # Here, so that `--help` does not load ONNX Runtime.
    from safetygear_inference.detectors import ClassifierModel
    from safetygear_workbench.detecting import Saver, classify_in_file, detect_in_file
    from safetygear_workbench.model_path import open_named_model_or_classifier

    for path in images:
        if not path.is_file():
            raise UserError(f"{path}: {'is no file' if path.exists() else 'there is no such file'}.")
    opened = open_named_model_or_classifier(model, os.environ)
    if isinstance(opened, ClassifierModel):
        if save is not None or threshold is not None:
            raise UserError(f"{model}: is a classifier, which has no boxes to draw and no threshold.")
        classifier = opened.classifier()
        shown = _with_progress(images, shown=sys.stderr.isatty())
        classified = [classify_in_file(path, opened, classifier) for path in shown]
        if as_json:
            sys.stdout.write(json.dumps(classified, indent=2, ensure_ascii=False) + "\n")
        else:
            _print_classifications(classified)
        return 0
    detector = opened.detector(default_threshold=threshold)
    saver = Saver(save) if save is not None else None
    results = [
        detect_in_file(path, opened, detector, saver) for path in _with_progress(images, shown=sys.stderr.isatty())
    ]
    if as_json:
        sys.stdout.write(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    else:
        _print_table(results)
    return 0


def _print_classifications(results: Sequence[dict[str, Any]]) -> None:
    table = Table("image", "the picture is", "probability", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    for result in results:
        for number, one in enumerate(result["classifications"]):
            image = Text(result["image"] if number == 0 else "")
            table.add_row(image, Text(one["label"]), f"{one['probability']:.3f}")
    width = None if sys.stdout.isatty() else 400
    Console(highlight=False, markup=False, width=width).print(table)


def _with_progress(images: Sequence[Path], *, shown: bool) -> Iterable[Path]:
    with Progress(console=Console(stderr=True), transient=True, disable=not shown or len(images) < 2) as progress:
        yield from progress.track(images, description="detecting")


def _print_table(results: Sequence[dict[str, Any]]) -> None:
    table = Table("image", "label", "probability", "left", "top", "width", "height", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.no_wrap = True
    for column in table.columns[2:]:
        column.justify = "right"
    for result in results:
        if not result["detections"]:
            table.add_row(Text(result["image"]), Text("nothing", style="dim"))
        for number, detection in enumerate(result["detections"]):
            # In px here: a person compares them with the picture; --json has them in 0..1.
            box = detection["boundingBox"]
            sides = {"left": "width", "top": "height", "width": "width", "height": "height"}
            table.add_row(
                Text(result["image"] if number == 0 else ""),
                Text(detection["label"]),
                f"{detection['probability']:.3f}",
                *(f"{box[name] * result[side]:.0f}" for name, side in sides.items()),
            )
    # Into a pipe nothing is folded: 80 columns are nobody's there.
    width = None if sys.stdout.isatty() else 400
    Console(highlight=False, markup=False, width=width).print(table)
