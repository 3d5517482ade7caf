"""Custom Vision's images with regions to a Truth. Pure.

What is taken is the answer of the training API's "get images" and "get tagged images", v3.x: a list of images with
`id`, `width`, `height` and `regions` of `tagName`, `left`, `top`, `width`, `height` in 0..1; or an object with such a
list as `images`, and `tags` with `id` and `name` where the regions have a `tagId` only. That answer names no file: a
picture is `fileName` (also `file_name`, `image`, `name`) where somebody added it, else the file in the folder whose
name without suffix is the image's `id`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from safetygear.errors import UserError
from safetygear_workbench.evaluate.picture_names import checked_name
from safetygear_workbench.evaluate.truth import Truth, TruthPicture

SHAPE = "Custom Vision"
NEGATIVE = "Negative"
"""Custom Vision's tag type for pictures that show none of the others; it is no class."""
ROUNDING = 0.01
"""Regions reach beyond the picture by as much as that: the service does not cut them."""

SidePx = Annotated[int, Meta(ge=1, le=65536)]
Share = Annotated[float, Meta(ge=-ROUNDING, le=1 + ROUNDING)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Tag(msgspec.Struct, frozen=True):
    id: str
    name: Name
    type: str | None = None


class Region(msgspec.Struct, frozen=True, rename="camel"):
    left: Share
    top: Share
    width: Share
    height: Share
    tag_name: Name | None = None
    tag_id: str | None = None


class Image(msgspec.Struct, frozen=True, rename="camel"):
    id: str | None = None
    width: SidePx | None = None
    height: SidePx | None = None
    regions: list[Region] | None = None
    labelled: list[str] | None = None
    file_name: str | None = None
    file_name_: str | None = msgspec.field(default=None, name="file_name")
    image: str | None = None
    name: str | None = None

    @property
    def given_name(self) -> str | None:
        return self.file_name or self.file_name_ or self.image or self.name


class RegionsFile(msgspec.Struct, frozen=True):
    images: list[Image]
    tags: list[Tag] = []


def read_regions(document: object, files: Sequence[str], where: str) -> Truth:
    """`document`: the decoded JSON; `files`: the pictures' names in the folder, for images that name none.

    Raises UserError naming the field and what would be right.
    """
    try:
        file = msgspec.convert({"images": document} if isinstance(document, list) else document, RegionsFile)
    except msgspec.ValidationError as exc:
        raise UserError(
            f"{where}: {exc}.", hint="Regions have tagName, left, top, width and height, the last four in 0..1."
        ) from exc
    tags = {tag.id: tag.name for tag in file.tags}
    regions = [_tagged(image, f"{where}: images[{number}]", tags) for number, image in enumerate(file.images)]
    labels = list(dict.fromkeys([tag.name for tag in file.tags if tag.type != NEGATIVE]))
    labels += sorted({name for boxes in regions for name, _ in boxes} - set(labels))
    if not labels:
        raise UserError(f"{where}: no image has a region.", hint="Give images whose boxes somebody has drawn.")
    by_stem = {name.rsplit("/", 1)[-1].rsplit(".", 1)[0].casefold(): name for name in files}
    return Truth(
        tuple(labels),
        tuple(
            _picture(image, f"{where}: images[{number}]", boxes, labels, by_stem)
            for number, (image, boxes) in enumerate(zip(file.images, regions, strict=True))
        ),
        SHAPE,
    )


def _tagged(image: Image, field: str, tags: dict[str, str]) -> list[tuple[str, Region]]:
    found = []
    for number, region in enumerate(image.regions or ()):
        name = region.tag_name or tags.get(region.tag_id or "")
        if name is None:
            raise UserError(
                f"{field}.regions[{number}] has no tagName, and no tag has its tagId.", hint="Write its tagName."
            )
        if not math.isfinite(region.left + region.top) or min(region.width, region.height) <= 0:
            raise UserError(f"{field}.regions[{number}] has no width or no height.", hint="Leave it out.")
        found.append((name, region))
    return found


def _picture(
    image: Image, field: str, boxes: list[tuple[str, Region]], labels: list[str], by_stem: dict[str, str]
) -> TruthPicture:
    unknown = [name for name in image.labelled or () if name not in labels]
    if unknown:
        raise UserError(f"{field}.labelled names {unknown[0]!r}; the tags are: {', '.join(labels)}.")
    labelled: Any = range(len(labels)) if image.labelled is None else map(labels.index, image.labelled)
    return TruthPicture(
        name=_name(image, field, by_stem),
        size_px=None if image.width is None or image.height is None else (image.width, image.height),
        xywh=np.array([(box.left, box.top, box.width, box.height) for _, box in boxes], np.float64).reshape(-1, 4),
        unit="norm",
        class_id=np.array([labels.index(name) for name, _ in boxes], np.int64),
        crowd=np.zeros(len(boxes), bool),
        labelled=frozenset(labelled),
    )


def _name(image: Image, field: str, by_stem: dict[str, str]) -> str:
    if image.given_name:
        return checked_name(image.given_name, f"{field}.fileName")
    if image.id is None:
        raise UserError(f"{field} has neither fileName nor id.", hint="Write the picture's fileName.")
    name = by_stem.get(image.id.casefold())
    if name is None:
        raise UserError(
            f"{field}: no picture in the folder is named {image.id} plus a suffix.",
            hint="Save it under its id, or write the picture's fileName.",
        )
    return name
