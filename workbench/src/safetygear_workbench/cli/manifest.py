"""`safetygear manifest`: deployment templates made of other ones.

Exit codes: 0 done, 2 bad input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from safetygear.errors import UserError
from safetygear_workbench.manifests.sharding import sharded

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def manifest() -> None:
    """Deployment templates made of other ones."""


@app.command()
def shard(
    instances: Annotated[int, typer.Option(help="Inference modules, 2 to 16.")],
    manifest: Annotated[Path, typer.Option(help="The template to begin with.")] = Path("deployment.template.json"),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The new template; without it: stdout.")] = None,
) -> int:
    """Several inference modules in place of one, and the cameras spread over them.

    Exit codes: 0 done, 2 bad input.
    """
    try:
        template = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise UserError(f"{manifest} does not exist.", hint="Name a template with --manifest.") from exc
    except (OSError, ValueError) as exc:
        raise UserError(f"{manifest} can't be read as JSON: {exc}.") from exc
    text = json.dumps(sharded(template, instances), indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
        return 0
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UserError(f"{out} can't be written: {exc.strerror}.", hint="Name another file.") from exc
    return 0
