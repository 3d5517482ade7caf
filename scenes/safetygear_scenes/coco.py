"""The truth of stills as the detector is trained from it: COCO detection JSON, as training/DATA.md says. Pure.

What is hardly to be seen is marked `iscrowd`: neither an object nor background. `head` is the whole head, face
included; the training cuts it (`whole_heads`). Torsos without a vest are not labelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CLASSES = ("person", "helmet", "vest", "head")
LEAST_PART = 0.3
"""Of a person, in the picture and in sight; with less, neither it nor its gear is an object."""
_LEAST_FILLED = {"helmet": 0.25, "vest": 0.2, "head": 0.3}
"""Of a box, by pixels to be seen, where about two thirds is what nobody hides."""
_LEAST_PX = 6


def listing(pictures: Iterable[tuple[str, Iterable[Mapping[str, Any]]]], size_px: tuple[int, int]) -> dict[str, Any]:
    """`pictures`: file names with the people's records of `truth.person`."""
    images, annotations = [], list[dict[str, Any]]()
    for number, (name, people) in enumerate(pictures, 1):
        images.append(
            {"id": number, "file_name": name, "width": size_px[0], "height": size_px[1], "labelled": list(CLASSES)}
        )
        for person in people:
            for label, box, crowd in boxes(person):
                x0, y0, x1, y1 = box
                width, height = round(x1 - x0, 1), round(y1 - y0, 1)
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": number, "category_id": CLASSES.index(label) + 1,
                     "bbox": [x0, y0, width, height], "area": round(width * height, 1), "iscrowd": int(crowd)}
                )  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    return {"categories": categories, "images": images, "annotations": annotations}


def boxes(person: Mapping[str, Any]) -> list[tuple[str, list[float], bool]]:
    """Class, box in px and whether it is too little to be seen, of one person's record."""
    hidden = min(person["visible_fraction"], person["in_frame"]) < LEAST_PART
    found = [("person", list(person["box_visible"]), hidden)]
    parts = [("helmet", person["helmet"]), ("vest", person["vest"])]
    if person["helmet_state"] != "worn" and person["head"] is not None:
        parts.append(("head", {"box": person["head"], "visible_px": person["head_visible_px"]}))
    for label, part in parts:
        if part is None or part["visible_px"] < _LEAST_PX:
            continue
        x0, y0, x1, y1 = part["box"]
        covered = part["visible_px"] < _LEAST_FILLED[label] * (x1 - x0) * (y1 - y0)
        found.append((label, list(part["box"]), hidden or covered))
    return found
