"""Where models lie, by name. Those in the data folder come before those in the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetygear.errors import ModelError
from safetygear_inference.model_change.package_store import DIGEST

SUFFIXES = ("", ".zip", ".onnx", ".tflite")
SECOND_LOOK = "second_look.onnx"
"""Not a detector: the network of the second look, which lies beside them."""


def find_model(name: str, folders: Sequence[Path]) -> Path:
    """The folder, zip, onnx or tflite file called `name` in the first of `folders` that has it.

    Raises ModelError: `model-missing`, naming the models that are there; `model-unreadable`.
    """
    for folder in folders:
        for suffix in SUFFIXES:
            path = folder / (name + suffix)
            try:
                there = path.exists()
            except OSError as exc:  # a folder that this user may not enter
                raise ModelError(f"{path} can't be looked at: {exc.strerror}", code="model-unreadable") from exc
            if there:
                return path
    known = sorted({path.name for folder in folders for path in _entries(folder)})
    raise ModelError(
        f"there is no model {name!r} in {' or '.join(map(str, folders))}; there is: {', '.join(known) or 'none'}",
        code="model-missing",
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return [
            path
            for path in folder.iterdir()
            if path.name != SECOND_LOOK
            and ((path.is_dir() and DIGEST.fullmatch(path.name) is None) or path.suffix in SUFFIXES[1:])
        ]
    except OSError:
        return []
