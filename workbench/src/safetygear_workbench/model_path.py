"""Which model a command's MODEL argument means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetygear_inference
from safetygear.errors import ModelError, UserError
from safetygear_inference.detectors import ClassifierModel, Model, open_model, open_model_or_classifier
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model

DEFAULT = "default"


def models_dir(environ: Mapping[str, str]) -> Path:
    """Where the image's models lie: $MODELS_DIR, else beside the inference module's sources."""
    given = environ.get("MODELS_DIR", "").strip()
    return Path(given) if given else Path(safetygear_inference.__file__).parents[2] / "models"


def open_named_model(text: str, environ: Mapping[str, str]) -> Model:
    """The model that `named_model_path` finds. Raises UserError with the reason."""
    path = named_model_path(text, environ)
    try:
        return open_model(path)
    except ModelError as exc:
        raise UserError(f"{text}: {exc}", code=exc.code) from exc


def open_named_model_or_classifier(text: str, environ: Mapping[str, str]) -> Model | ClassifierModel:
    """As `open_named_model`, but takes a classifier too. Raises UserError with the reason."""
    path = named_model_path(text, environ)
    try:
        return open_model_or_classifier(path)
    except ModelError as exc:
        raise UserError(f"{text}: {exc}", code=exc.code) from exc


def named_model_path(text: str, environ: Mapping[str, str]) -> Path:
    """`text`: `default`, a path, or the name of a model in the models folder. Raises UserError with the reason."""
    path = Path(text)
    try:
        if text == DEFAULT:
            return find_model(DEFAULT_MODEL, (models_dir(environ),))
        if path.exists() or len(path.parts) > 1 or path.suffix in (".zip", ".onnx", ".tflite"):
            return path
        return find_model(text, (models_dir(environ),))
    except ModelError as exc:
        raise UserError(f"{text}: {exc}", code=exc.code) from exc
