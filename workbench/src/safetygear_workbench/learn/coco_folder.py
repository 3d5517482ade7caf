"""Examples as a COCO folder: `annotations.json` and `images/`.

The format: https://cocodataset.org/#format-data. Boxes are the detector's own; each has its `score`, as COCO's results
have, and `info` says that nobody has checked them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from safetygear_workbench.learn.new_folder import new_folder
from safetygear_workbench.learn.stored_examples import StoredExample
from safetygear_workbench.learn.suggestions import Suggestion, Wishes, suggestions

ANNOTATIONS, IMAGES = "annotations.json", "images"
_NOTE: Final = (
    "Boxes are suggestions of the detector that took the pictures. They are no truth until somebody checks them."
)


def coco_document(examples: Sequence[StoredExample], wishes: Wishes) -> dict[str, Any]:
    """The annotations. Pure."""
    found = [suggestions(one.example, wishes) for one in examples]
    labels = {wishes.names.get(label, label) for one in examples for label in one.example.labels}
    names = sorted(labels | {box.tag for boxes in found for box in boxes})
    ids = {name: number for number, name in enumerate(names, 1)}
    annotations = [
        _annotation(image, ids[box.tag], box, one)
        for image, (one, boxes) in enumerate(zip(examples, found, strict=True), 1)
        for box in boxes
    ]
    return {
        "info": {"description": "SafetyGear examples", "note": _NOTE},
        "images": [_image(number, one) for number, one in enumerate(examples, 1)],
        "annotations": [{"id": number, **one} for number, one in enumerate(annotations, 1)],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in ids.items()],
    }


def write_coco(
    folder: Path, examples: Sequence[StoredExample], wishes: Wishes, progress: Callable[[int, int], None]
) -> int:
    """Make `folder`; how many boxes it has. Raises UserError where it can't be written, or is there already."""
    document = coco_document(examples, wishes)
    with new_folder(folder, "--coco") as scratch:
        copy_pictures(scratch / IMAGES, examples, progress)
        (scratch / ANNOTATIONS).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return len(document["annotations"])


def copy_pictures(folder: Path, examples: Sequence[StoredExample], progress: Callable[[int, int], None]) -> None:
    """Make `folder` with the examples' pictures under their own names. Raises OSError, and UserError where a picture is
    gone or another one by now."""
    folder.mkdir()
    for number, one in enumerate(examples, 1):
        (folder / one.picture.name).write_bytes(one.read())
        progress(number, len(examples))


def _image(number: int, one: StoredExample) -> dict[str, Any]:
    picture = one.example.picture
    return {
        "id": number,
        "file_name": one.picture.name,
        "width": picture.width,
        "height": picture.height,
        "date_captured": one.example.captured_at,
        "camera": one.example.camera,
        "reasons": list(one.example.reasons),
    }


def _annotation(image: int, category: int, box: Suggestion, one: StoredExample) -> dict[str, Any]:
    across, down = one.example.picture.width, one.example.picture.height
    left, top, width, height = (
        round(value, 2) for value in (box.left * across, box.top * down, box.width * across, box.height * down)
    )
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "score": round(box.probability, 4),
    }
