"""`safetygear evaluate`: how right a detector is on pictures whose boxes are known; or two of them.

Exit codes: 0 done; 1 the network failed; 2 bad input: no such file, a field of the data that can't be used, a model
that is refused, labels that have nothing in common.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from safetygear.errors import UserError

if TYPE_CHECKING:
    from safetygear_workbench.evaluate.evaluation import Evaluation
    from safetygear_workbench.evaluate.found import JudgedPicture

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="A .onnx, a folder, an export .zip, a model's name, or `default`.")
    ],
    data: Annotated[
        Path, typer.Option(metavar="FILE.json", help="COCO detection JSON, or Custom Vision's images with regions.")
    ],
    images: Annotated[Path, typer.Option(metavar="DIR", help="The folder that the pictures' names are relative to.")],
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Another model on the same pictures, side by side.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="P", min=0, max=1, help="From which probability on a box counts. Else the model's own."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=DATA", help="A label of the model is one of the data's; repeatable."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write everything as one page that needs nothing else.")
    ] = None,
    with_pictures: Annotated[
        bool, typer.Option("--with-pictures", help="Put the worst pictures into the page. They show people.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object on stdout: {model, data, images, classes, map50, map, …}."),
    ] = False,
) -> int:
    """Measure a detector: precision, recall and F1 at its thresholds, average precision, what it takes for what.

    Exit codes: 0 done, 1 the network failed, 2 bad input.
    """
    # Here, so that `--help` does not load ONNX Runtime.
    from safetygear_workbench.evaluate import documents
    from safetygear_workbench.evaluate.classes import match_classes
    from safetygear_workbench.evaluate.evaluation import compare
    from safetygear_workbench.evaluate.evaluation import evaluate as figures_of
    from safetygear_workbench.evaluate.reading import open_truth
    from safetygear_workbench.evaluate.report import page, pictures
    from safetygear_workbench.evaluate.running import judge
    from safetygear_workbench.model_path import open_named_model

    if with_pictures and report is None:
        raise UserError("--with-pictures says what is in the page.", hint="Give --report OUT.html too.")
    given = _given_labels(label or [])
    truth = open_truth(data, images)
    models = [open_named_model(name, os.environ) for name in (model, against) if name is not None]
    matched = [
        match_classes(opened.labels, truth.labels, {key: value for key, value in given.items() if key in opened.labels})
        for opened in models
    ]
    unknown = [name for name in given if not any(name in opened.labels for opened in models)]
    if unknown:
        raise UserError(f"--label {unknown[0]}=…: the model has no such label; it has: {', '.join(models[0].labels)}.")
    warnings = [
        text
        for opened, classes in zip(models, matched, strict=True)
        for text in _warnings(opened.identity.name, classes.model_only, classes.data_only)
    ]
    for text in warnings:
        sys.stderr.write(f"safetygear: {text}\n")
    evaluations = [
        figures_of(judge(opened, truth, classes, images, threshold, _progress))
        for opened, classes in zip(models, matched, strict=True)
    ]
    comparison = compare(*evaluations) if against is not None else None
    content: dict[str, Any] = documents.evaluation_document(evaluations[0], matched[0], str(data))
    if comparison is not None:
        content["against"] = documents.evaluation_document(evaluations[1], matched[1], str(data))
        content["difference"] = documents.comparison_document(comparison)
    if report is not None:
        shown = pictures.shown(evaluations[0].worst, images if with_pictures else None)
        page.write(report, page.render(evaluations, comparison, shown, data.name, warnings))
    if as_json:
        sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(content, evaluations)
    return 0


def _given_labels(texts: list[str]) -> dict[str, str]:
    given = {}
    for text in texts:
        mine, separator, theirs = text.partition("=")
        if not separator or not mine or not theirs:
            raise UserError(f"--label {text!r} is no pair.", hint="Write MODEL=DATA, for example no-helmet=head.")
        given[mine] = theirs
    return given


def _warnings(model: str, model_only: tuple[str, ...], data_only: tuple[str, ...]) -> list[str]:
    found = []
    if model_only:
        found.append(f"{model}: not in the data, so not measured: {', '.join(model_only)}.")
    if data_only:
        found.append(f"{model}: not known to the model, so not asked for: {', '.join(data_only)}.")
    return found


def _progress(pictures: Iterator[JudgedPicture], total: int) -> Iterator[JudgedPicture]:
    shown = sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as progress:
        yield from progress.track(pictures, total=total, description="detecting")


def _print(content: dict[str, Any], evaluations: list[Evaluation]) -> None:
    # Into a pipe nothing is folded: 80 columns are nobody's there.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 400)
    for evaluation, document in zip(evaluations, [content, content.get("against")], strict=False):
        assert document is not None
        console.print(f"{evaluation.judged.model} on {document['images']} pictures")
        console.print(_classes(document))
        console.print()
    if "difference" in content:
        console.print(f"{evaluations[1].judged.model} less {evaluations[0].judged.model}, 95 % intervals")
        console.print(_differences(content["difference"]))


def _classes(document: dict[str, Any]) -> Table:
    table = _table(
        "label", "support", "AP50", "AP50-95", "threshold", "precision", "recall", "F1", "best F1", "at threshold"
    )
    for one in document["classes"]:
        best = one["best"] or {"f1": None, "threshold": None}
        table.add_row(
            Text(one["label"]),
            str(one["support"]),
            *(_share(one[name]) for name in ("ap50", "ap", "threshold", "precision", "recall", "f1")),
            _share(best["f1"]),
            _share(best["threshold"]),
        )
    table.add_row("mean", "", _share(document["map50"]), _share(document["map"]))
    return table


def _differences(document: dict[str, Any]) -> Table:
    table = _table("label", "AP50", "", "AP50-95", "", "F1", "")
    mean = {"label": "mean", "ap50": document["map50"], "ap": document["map"], "f1": document["f1"]}
    for one in (*document["classes"], mean):
        cells = []
        for figure in ("ap50", "ap", "f1"):
            found = one[figure]["interval"]
            cells.append(_share(one[figure]["difference"], "+"))
            cells.append("" if found is None else f"{found[0]:+.3f} to {found[1]:+.3f}")
        table.add_row(Text(one["label"]), *cells)
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    return table


def _share(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"
