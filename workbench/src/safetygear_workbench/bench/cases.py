"""Which clip and which model a measurement uses, and where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetygear.errors import UserError
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.clips import STREAMS, clip
from safetygear_workbench.model_path import models_dir
from safetygear_workbench.simulation.options import DEMO_CLIP

V8N = "v8n"
"""Our own network of YOLOv8n's size, with random weights."""


def case(
    stream: str, model: str, *, folder: Path, manifest: Path, environ: Mapping[str, str], source: Path | None = None
) -> Case:
    """`model`: v8n, `default`, the name of a shipped model, or a file. Raises UserError."""
    if stream not in STREAMS:
        raise UserError(f"--stream {stream}:", hint=f"there are {', '.join(STREAMS)}.")
    folder = folder.resolve()
    name, path = model_file(model, folder, environ)
    made = clip(STREAMS[stream], source or DEMO_CLIP, folder / "clips")
    return Case(stream, made, name, path, manifest, folder / "state" / f"{stream}-{name}")


def model_file(model: str, folder: Path, environ: Mapping[str, str]) -> tuple[str, Path]:
    """A model's name and file. Raises UserError."""
    if model == V8N:
        path = folder / "models" / "v8n-shape.onnx"
        if not path.exists():
            try:
                from safetygear_workbench.bench.v8n_network import write_v8n
            except ModuleNotFoundError as exc:
                raise UserError(
                    f"the model {V8N} is made with the package {exc.name}.", hint="Run `make bench`, which installs it."
                ) from exc
            path.parent.mkdir(parents=True, exist_ok=True)
            write_v8n(path, reads_numbers=True)
        return V8N, path
    path = Path(model)
    if not path.exists():
        path = find_model(DEFAULT_MODEL if model == "default" else model, (models_dir(environ),))
    return path.stem, path
