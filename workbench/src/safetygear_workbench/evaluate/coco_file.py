"""COCO detection JSON to a Truth. Pure.

The format: https://cocodataset.org/#format-data, of which `images`, `annotations` and `categories` are read. One
addition: an image may have `labelled`, a list of category names; the other categories are not labelled in it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from safetygear.errors import UserError
from safetygear_workbench.evaluate.picture_names import checked_name
from safetygear_workbench.evaluate.truth import Truth, TruthPicture

SHAPE = "COCO"

Id = Annotated[int, Meta(ge=0)]
SidePx = Annotated[int, Meta(ge=1, le=65536)]


class Category(msgspec.Struct, frozen=True):
    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    supercategory: Any = None


class Image(msgspec.Struct, frozen=True):
    id: Id
    file_name: str
    width: SidePx | None = None
    height: SidePx | None = None
    labelled: list[str] | None = None


class Annotation(msgspec.Struct, frozen=True):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    iscrowd: Annotated[int, Meta(ge=0, le=1)] = 0


class CocoFile(msgspec.Struct, frozen=True):
    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


def read_coco(document: object, where: str) -> Truth:
    """`document`: the decoded JSON. Raises UserError naming the field and what would be right."""
    try:
        file = msgspec.convert(document, CocoFile)
    except msgspec.ValidationError as exc:
        raise UserError(f"{where}: {exc}.", hint="COCO detection JSON has images, annotations and categories.") from exc
    categories = _classes(file)
    index = _class_ids(categories, where)
    labels = [category.name for category in categories]
    boxes: dict[int, list[tuple[Annotation, int]]] = defaultdict(list)
    images = {image.id for image in file.images}
    for number, annotation in enumerate(file.annotations):
        field = f"{where}: annotations[{number}]"
        if annotation.image_id not in images:
            raise UserError(f"{field}.image_id is {annotation.image_id}, and no image has that id.")
        if annotation.category_id not in index:
            raise UserError(f"{field}.category_id is {annotation.category_id}, and no category has that id.")
        if not np.isfinite(annotation.bbox).all() or min(annotation.bbox[2:]) <= 0:
            raise UserError(f"{field}.bbox is {list(annotation.bbox)}.", hint="Write left, top, width, height in px.")
        boxes[annotation.image_id].append((annotation, index[annotation.category_id]))
    if len(images) < len(file.images):
        raise UserError(f"{where}: two images have one id.", hint="Give each its own.")
    return Truth(
        tuple(labels),
        tuple(
            _picture(image, f"{where}: images[{number}]", boxes[image.id], labels)
            for number, image in enumerate(file.images)
        ),
        SHAPE,
    )


def _classes(file: CocoFile) -> list[Category]:
    """Without headings: Roboflow's category 0 is the project's name, which the classes have as their supercategory and
    no box has as its class. It may have the name of a class, or one that the rules take for a class.
    """
    used = {annotation.category_id for annotation in file.annotations}
    labelled = {name for image in file.images for name in image.labelled or ()}

    def is_heading(one: Category) -> bool:
        others = [other for other in file.categories if other is not one]
        above_all = one.supercategory in (None, "", "none")
        over_others = any(other.supercategory == one.name for other in others)
        meant = one.id in used or one.name in labelled - {other.name for other in others}
        return above_all and over_others and not meant

    return [category for category in file.categories if not is_heading(category)]


def _class_ids(categories: list[Category], where: str) -> dict[int, int]:
    """Category id to its place among the categories."""
    index: dict[int, int] = {}
    names: set[str] = set()
    for number, category in enumerate(categories):
        if category.id in index or category.name in names:
            raise UserError(
                f"{where}: categories[{number}] is {category.name!r} with id {category.id}, and another one has that "
                "name or id."
            )
        index[category.id] = number
        names.add(category.name)
    if not categories:
        raise UserError(f"{where}: categories is empty.", hint="Name the classes that are labelled.")
    return index


def _picture(image: Image, field: str, boxes: list[tuple[Annotation, int]], labels: list[str]) -> TruthPicture:
    unknown = [name for name in image.labelled or () if name not in labels]
    if unknown:
        raise UserError(f"{field}.labelled names {unknown[0]!r}; the categories are: {', '.join(labels)}.")
    labelled = range(len(labels)) if image.labelled is None else (labels.index(name) for name in image.labelled)
    return TruthPicture(
        name=checked_name(image.file_name, f"{field}.file_name"),
        size_px=None if image.width is None or image.height is None else (image.width, image.height),
        xywh=np.array([annotation.bbox for annotation, _ in boxes], np.float64).reshape(-1, 4),
        unit="px",
        class_id=np.array([class_id for _, class_id in boxes], np.int64),
        crowd=np.array([bool(annotation.iscrowd) for annotation, _ in boxes], bool),
        labelled=frozenset(labelled),
    )
