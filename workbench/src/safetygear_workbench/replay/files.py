"""Reads what `replay` is given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetygear.errors import UserError
from safetygear.twin.reading import FieldError, read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_workbench.replay.recording import Recording, read_recording


def open_recording(path: Path) -> Recording:
    """Raises UserError."""
    try:
        with path.open("rb") as file:
            return read_recording(file, str(path))
    except OSError as exc:
        raise UserError(f"{path} can't be read: {exc.strerror}.") from exc


def open_config(path: Path) -> InferenceTwin:
    """The desired properties in a file: themselves, or in what `twin get` prints. Raises UserError naming each field
    that can't be used."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise UserError(f"{path} can't be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{path} is not UTF-8 text.") from exc
    except json.JSONDecodeError as exc:
        raise UserError(f"{path} is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.") from exc
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{path} is not JSON: {exc}.") from exc
    if not isinstance(content, dict):
        raise UserError(f"{path}: is no JSON object.", hint="Give inference's desired properties.")
    reading = read_desired(InferenceTwin, _desired_of(content), last_good=None)
    refuse(path, reading.errors)
    return reading.config


def refuse(path: Path, errors: Iterable[FieldError]) -> None:
    """Raises UserError where there are any."""
    texts = [f"{error.path} {error.message}" if error.path else error.message for error in errors]
    if texts:
        raise UserError(f"{path}: {'; '.join(texts)}.")


def _desired_of(content: dict[str, Any]) -> Any:
    inner = content["properties"] if set(content) == {"properties"} else content
    if isinstance(inner, dict) and "desired" in inner and inner.keys() <= {"desired", "reported"}:
        return inner["desired"]
    return inner
