"""Pictures of the sources, decoded and with their boxes; the one file that reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from safetygear_training.labels import CLASSES, Boxes, class_mask, cut_heads

PAD_GREY = 114

cv2.setNumThreads(0)

Pixels = NDArray[np.uint8]


class DataError(Exception):
    """A source cannot be read; the message is one line for the user."""


def no_boxes() -> Boxes:
    return np.zeros((0, 5), np.float32)


@dataclass(frozen=True)
class Picture:
    """BGR pixels (H, W, 3); boxes in those pixels; `ignored` are places that say nothing about their class.

    `squeezed`: its source made it square, from a shape nobody knows any more, but mostly a wider one.
    """

    name: str
    pixels: Pixels
    boxes: Boxes
    labelled: NDArray[np.bool_]
    ignored: Boxes = field(default_factory=no_boxes)
    squeezed: bool = False


def read_source(data: Path, source: str, whole_heads: bool = False, squeezed: bool = False) -> list[Picture]:
    """All pictures of `<data>/<source>.json`; `iscrowd` boxes are ignored. Raises DataError naming the wrong file."""
    listing = data / f"{source}.json"
    try:
        coco = json.loads(listing.read_bytes())
        names = {entry["id"]: entry["name"] for entry in coco["categories"]}
        index = {name: position for position, name in enumerate(CLASSES)}
        rows: dict[int, list[tuple[float, ...]]] = {}
        crowds: dict[int, list[tuple[float, ...]]] = {}
        for entry in coco["annotations"]:
            x, y, width, height = entry["bbox"]
            label = index[names[entry["category_id"]]]
            into = crowds if entry.get("iscrowd") else rows
            into.setdefault(entry["image_id"], []).append((x, y, x + width, y + height, label))
        pictures = [
            _read_picture(data, entry, rows.get(entry["id"], []), crowds.get(entry["id"], []), whole_heads)
            for entry in coco["images"]
        ]
    except FileNotFoundError as error:
        raise DataError(f"{listing}: there is no such file; see training/DATA.md for the sources") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{listing}: not COCO detection JSON with the classes of training/DATA.md ({error})") from error
    return [replace(picture, squeezed=squeezed) for picture in pictures] if squeezed else pictures


def _read_picture(
    data: Path,
    entry: dict[str, object],
    rows: list[tuple[float, ...]],
    crowds: list[tuple[float, ...]],
    whole_heads: bool,
) -> Picture:
    path = data / str(entry["file_name"])
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise DataError(f"{path}: not a picture OpenCV can read")
    scale = np.ones(5, np.float32)
    scale[[0, 2]] = pixels.shape[1] / float(str(entry["width"]))
    scale[[1, 3]] = pixels.shape[0] / float(str(entry["height"]))
    boxes, ignored = (np.array(some, np.float32).reshape(-1, 5) * scale for some in (rows, crowds))
    if whole_heads:
        boxes, ignored = cut_heads(boxes), cut_heads(ignored)
    return Picture(str(entry["file_name"]), pixels, boxes, class_mask(list(entry["labelled"])), ignored)


def letterbox(pixels: Pixels, height: int, width: int) -> tuple[Pixels, float]:
    """The picture at the top left of a grey canvas, and the scale that brought it there."""
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    shape = max(1, int(pixels.shape[1] * scale)), max(1, int(pixels.shape[0] * scale))
    canvas = np.full((height, width, 3), PAD_GREY, np.uint8)
    canvas[: shape[1], : shape[0]] = cv2.resize(pixels, shape, interpolation=cv2.INTER_LINEAR)
    return canvas, scale
