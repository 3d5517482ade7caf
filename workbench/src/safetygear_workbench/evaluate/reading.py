"""Reads the data file and finds the pictures it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetygear.errors import UserError
from safetygear_workbench.evaluate.coco_file import read_coco
from safetygear_workbench.evaluate.custom_vision_file import read_regions
from safetygear_workbench.evaluate.truth import Truth

_SHAPES = "Give COCO detection JSON, which most labelling tools export, or Custom Vision's images with regions."
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def open_truth(path: Path, images: Path) -> Truth:
    """What is known of the pictures in the folder `images`. Raises UserError."""
    if not images.is_dir():
        raise UserError(f"{images}: {'is no folder' if images.exists() else 'there is no such folder'}.")
    document = _json(path)
    if _is_coco(document, path):
        truth = read_coco(document, str(path))
    else:
        truth = read_regions(document, _picture_names(images), str(path))
    _check_pictures(truth, path, images)
    return truth


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        # Exports of other tools are folders.
        hint = _SHAPES if isinstance(exc, IsADirectoryError) else ""
        raise UserError(f"{path} can't be read: {exc.strerror}.", hint=hint) from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{path} is not UTF-8 text.", hint=_SHAPES) from exc
    except json.JSONDecodeError as exc:
        where = f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise UserError(f"{path} is not JSON: {where}.", hint=_SHAPES) from exc
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{path} is not JSON: {exc}.") from exc


def _is_coco(document: Any, path: Path) -> bool:
    """COCO has its boxes in a list of their own; Custom Vision has them in each image."""
    if isinstance(document, dict) and ("annotations" in document or "categories" in document):
        return True
    images = document.get("images") if isinstance(document, dict) else document
    if isinstance(images, list) and any(isinstance(image, dict) and "regions" in image for image in images):
        return False
    raise UserError(
        f"{path}: is neither COCO detection JSON (images, annotations, categories) nor Custom Vision's images with "
        "regions."
    )


def _picture_names(folder: Path) -> list[str]:
    return sorted(
        entry.relative_to(folder).as_posix()
        for entry in folder.rglob("*")
        if entry.suffix.lower() in PICTURES and entry.is_file()
    )


def _check_pictures(truth: Truth, path: Path, images: Path) -> None:
    if not truth.pictures:
        raise UserError(f"{path}: images is empty.", hint="Name at least one picture.")
    missing = [picture.name for picture in truth.pictures if not (images / picture.name).is_file()]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{path}: {missing[0]!r}{more}: no such picture in {images}.",
            hint="Give the folder to which the names are relative with --images.",
        )
    twice = {picture.name for picture in truth.pictures}
    if len(twice) < len(truth.pictures):
        raise UserError(f"{path}: a picture is named twice.", hint="Put all its boxes under one image.")
