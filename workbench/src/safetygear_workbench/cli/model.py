"""`safetygear model`: what a model is, or why it is refused; packages for the edge.

Exit codes: 0 done, 1 a check differs, 2 a model is refused or can't be read; the reason is one line on stderr.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from safetygear.errors import ModelError, UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def model() -> None:
    """Say which format a model has, and why; or why it is refused. Make packages of models, and check them."""


@app.command()
def inspect(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A .onnx or .tflite, a folder, an export .zip, a model's name or `default`."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Open and try a model as the inference module does.

    Exit codes: 0 it can be used, 2 it is refused or can't be read.
    """
    from safetygear_workbench.model_description import describe, lines
    from safetygear_workbench.model_path import open_named_model_or_classifier

    found = describe(open_named_model_or_classifier(path, os.environ))
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return 0
    table = Table.grid(padding=(0, 2))
    for name, value in lines(found):
        table.add_row(Text(name), Text(value))
    Console(highlight=False, markup=False, soft_wrap=True).print(table)
    return 0


@app.command()
def quantize(
    path: Annotated[str, typer.Argument(metavar="MODEL", help="A .onnx, a folder, an export .zip, or a model's name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="Where to write it; its labels go beside it.")],
    calibrate: Annotated[
        Path, typer.Option("--calibrate", metavar="DIR", help="Pictures like those the cameras take; 50 or more.")
    ],
    float_head: Annotated[
        bool, typer.Option("--float-head/--int8-head", help="Leave what makes boxes and scores in float.")
    ] = True,
    seven_bits: Annotated[
        bool, typer.Option("--seven-bits/--eight-bits", help="Weights: eight need a processor with VNNI.")
    ] = True,
    pictures: Annotated[
        int, typer.Option("--pictures", min=2, max=2000, help="At most so many are used, evenly drawn.")
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Make an int8 network of a float one, and say how far its boxes agree with the float one's.

    Exit codes: 0 written, 1 quantising failed, 2 bad input.
    """
    from safetygear_workbench.quantizing import Wishes
    from safetygear_workbench.quantizing import quantize as make

    if out.suffix.lower() != ".onnx":
        raise UserError(f"OUT is {out.name!r}:", hint="give a name that ends in .onnx")
    wishes = Wishes(float_head=float_head, seven_bits=seven_bits, most_pictures=pictures)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("quantising", total=None)

        def step(name: str) -> None:
            progress.update(task, description=name)

        try:
            made = make(_source(path), out, calibrate, wishes, step)
        except ModelError as exc:
            raise UserError(f"{path}: {exc}", code=exc.code) from exc
    if as_json:
        _print_json(made.as_document())
    else:
        sys.stdout.write("\n".join(made.lines()) + "\n")
    return 0


@app.command()
def pack(
    path: Annotated[str, typer.Argument(metavar="MODEL", help="A .onnx or .tflite, a folder or an export .zip.")],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.zip", help="Where to write the package.")],
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="Class names, one a line, instead of the model's.")
    ] = None,
    golden: Annotated[
        list[Path] | None,
        typer.Option("--golden", metavar="PICTURE", help="A picture that goes along with what the model sees in it."),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=OTHER", help="Call a class of the model otherwise: hardhat=helmet."),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option("--threshold", metavar="LABEL=P", help="Least probability of a label's boxes: helmet=0.45."),
    ] = None,
    version: Annotated[str | None, typer.Option("--version", help="What messages call its version.")] = None,
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="Markdown: what it was made from, and for what.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Make a package that the inference module takes by `model.uri` and `model.sha256`; print its SHA-256.

    Exit codes: 0 written, 2 the model is refused, or an option can't be used.
    """
    from safetygear_workbench.model_packing import Wishes, described
    from safetygear_workbench.model_packing import pack as make

    if out.suffix.lower() != ".zip":
        raise UserError(f"--output is {out.name!r}:", hint="give a name that ends in .zip")
    wishes = Wishes(
        labels=labels,
        golden=golden or (),
        card=card,
        version=version,
        mapping=dict(_pair(text, "--map") for text in mapping or ()),
        thresholds={label: _share(value) for label, value in (_pair(text, "--threshold") for text in threshold or ())},
    )
    try:
        made = make(_source(path), out, wishes)
    except ModelError as exc:
        raise UserError(f"{path}: {exc}", code=exc.code) from exc
    if as_json:
        _print_json({"path": str(out), **described(made)})
    else:
        sys.stdout.write(f"{made.sha256}  {out}\n")
    return 0


@app.command()
def verify(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A package, or whatever `inspect` takes.")],
    sha256: Annotated[str | None, typer.Option("--sha256", metavar="HEX", help="What its SHA-256 must be.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Open a model as the inference module does, and look at its golden pictures with it.

    Exit codes: 0 it does what its maker saw, 1 it differs, or has another SHA-256, 2 it is refused or can't be read.
    """
    from safetygear_workbench.model_packing import described
    from safetygear_workbench.model_packing import verify as look

    source = _source(path)
    try:
        found = look(source)
    except ModelError as exc:
        raise UserError(f"{path}: {exc}", code=exc.code) from exc
    same = sha256 is None or found.sha256 == sha256.lower()
    passed = same and not found.differences
    if as_json:
        _print_json({"path": str(source), "ok": passed, **described(found)})
        return 0 if passed else 1
    identity = found.model.identity
    sys.stdout.write(f"{identity.name}, version {identity.version}, {found.model.format.name}\n")
    if not same:
        seen = f"is {found.sha256}" if found.sha256 is not None else "can't be told of a folder"
        sys.stdout.write(f"SHA-256 differs: it {seen}\n")
    for difference in found.differences:
        sys.stdout.write(f"golden picture differs: {difference}\n")
    if not found.pictures:
        sys.stdout.write("no golden picture: it was opened and tried, nothing else\n")
    elif not found.differences:
        sys.stdout.write(f"golden pictures seen as expected: {found.pictures}\n")
    return 0 if passed else 1


def _source(text: str) -> Path:
    from safetygear_workbench.model_path import named_model_path

    return named_model_path(text, os.environ)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not (name and mark and value):
        raise UserError(f"{option} is {text!r}:", hint="write NAME=VALUE")
    return name, value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UserError(f"--threshold is {text!r}:", hint="write a number from 0 to 1")
    return value


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
