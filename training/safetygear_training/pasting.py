"""People of the rare kinds - bare-headed, without a vest - put into other pictures, with soft edges.

Where somebody stands already, or may stand, nobody is put. What the other picture's source labels and the giver's does
not is neither an object nor background where the newcomer stands. Who comes out of a squeezed source stays as narrow
as that made them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from safetygear_training.boxes import area, intersection
from safetygear_training.labels import CLASSES, HEAD, NO_VEST, PERSON, Boxes
from safetygear_training.pictures import Picture, Pixels, no_boxes

RARE = (HEAD, NO_VEST)
MARGIN_PART = 0.08
"""Of a person's sides, all around: there the edge is blended over."""
INSIDE_PART = 0.9
"""A box with this much of it in the cutting belongs to the person."""
TOUCHED_PART = 0.05
"""Of another box, or of the cutting: with more in common the other one is in the way."""
HEIGHT_PART = (0.15, 0.6)
"""Of the picture's height: how tall a newcomer is, with LARGEST_SCALE times the own size as the limit."""
LARGEST_SCALE = 1.5
GIVERS = 4
PLACES = 20
"""So many other pictures are looked through for somebody, and so many places tried."""


@dataclass(frozen=True)
class Cutting:
    """A person with some room around: BGR pixels, boxes and ignored places in those pixels, the classes labelled."""

    pixels: Pixels
    boxes: Boxes
    ignored: Boxes
    labelled: NDArray[np.bool_]


def cuttings(picture: Picture) -> list[Cutting]:
    """Every person with a rare class and with nobody else's boxes in the way."""
    people = picture.boxes[picture.boxes[:, 4] == PERSON]
    rare = picture.boxes[np.isin(picture.boxes[:, 4], RARE)]
    shows = (_share_inside(rare, people) >= INSIDE_PART).any(0)
    found = [_cut(picture, person) for person in people[shows]]
    return [cutting for cutting in found if cutting is not None]


def _cut(picture: Picture, person: NDArray[np.float32]) -> Cutting | None:
    height, width = picture.pixels.shape[:2]
    margin = MARGIN_PART * (person[2:4] - person[:2])
    left, top = np.maximum(person[:2] - margin, 0).astype(int)
    right, bottom = np.minimum(np.ceil(person[2:4] + margin), (width, height)).astype(int)
    place = np.array([[left, top, right, bottom]], np.float32)
    known = np.concatenate((picture.boxes, picture.ignored))
    inside, covered = _share_inside(known, place)[:, 0], _share_inside(place, known)[0]
    mine = inside >= INSIDE_PART
    others = (np.maximum(inside, covered) > TOUCHED_PART) & ~mine
    if others.any() or (known[mine, 4] == PERSON).sum() != 1:
        return None
    shift = np.array([left, top, left, top, 0], np.float32)
    boxes = mine[: len(picture.boxes)]
    return Cutting(
        picture.pixels[top:bottom, left:right],
        picture.boxes[boxes] - shift,
        picture.ignored[mine[len(picture.boxes) :]] - shift,
        picture.labelled,
    )


def _share_inside(boxes: Boxes, places: Boxes) -> NDArray[np.floating]:
    """(n, m): the part of each box that lies in each place."""
    return intersection(boxes, places) / (area(boxes)[:, None] + 1e-9)


def with_newcomer(picture: Picture, next_giver: Callable[[], Picture], random: np.random.Generator) -> Picture:
    """The picture with a rare person of another one in a free place; as it is where nobody is found, or no room.

    Only into pictures that label people and a rare class the newcomer shows: elsewhere nobody knows which places are
    free, or there is nothing to learn.
    """
    rare = [label for label in RARE if picture.labelled[label]]
    if not rare or not picture.labelled[PERSON]:
        return picture
    for _ in range(GIVERS):
        fit = [cutting for cutting in cuttings(next_giver()) if np.isin(cutting.boxes[:, 4], rare).any()]
        if fit:
            break
    else:
        return picture
    cutting = fit[int(random.integers(len(fit)))]
    wanted_px = picture.pixels.shape[0] * float(np.exp(random.uniform(*np.log(HEIGHT_PART))))
    cutting = _resized(cutting, min(wanted_px / cutting.pixels.shape[0], LARGEST_SCALE))
    if random.random() < 0.5:
        cutting = _mirrored(cutting)
    place = _free_place(picture, cutting.pixels.shape[:2], random)
    return picture if place is None else _put(picture, cutting, place)


def _resized(cutting: Cutting, scale: float) -> Cutting:
    height, width = cutting.pixels.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    factor = np.array([size[0] / width, size[1] / height, size[0] / width, size[1] / height, 1], np.float32)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(cutting.pixels, size, interpolation=how)
    return replace(cutting, pixels=pixels, boxes=cutting.boxes * factor, ignored=cutting.ignored * factor)


def _mirrored(cutting: Cutting) -> Cutting:
    width = cutting.pixels.shape[1]

    def mirror(boxes: Boxes) -> Boxes:
        turned = boxes.copy()
        turned[:, 0], turned[:, 2] = width - boxes[:, 2], width - boxes[:, 0]
        return turned

    pixels = np.ascontiguousarray(cutting.pixels[:, ::-1])
    return replace(cutting, pixels=pixels, boxes=mirror(cutting.boxes), ignored=mirror(cutting.ignored))


def _free_place(picture: Picture, shape: tuple[int, int], random: np.random.Generator) -> tuple[int, int] | None:
    """Left and top in picture pixels where neither a box nor an ignored place is touched; None where none was found."""
    room = picture.pixels.shape[0] - shape[0], picture.pixels.shape[1] - shape[1]
    if min(room) < 0:
        return None
    taken = np.concatenate((picture.boxes, picture.ignored))
    for _ in range(PLACES):
        top, left = int(random.integers(room[0] + 1)), int(random.integers(room[1] + 1))
        place = np.array([[left, top, left + shape[1], top + shape[0]]], np.float32)
        if not intersection(taken, place).any():
            return left, top
    return None


def _put(picture: Picture, cutting: Cutting, place: tuple[int, int]) -> Picture:
    left, top = place
    height, width = cutting.pixels.shape[:2]
    cover = soft_cover(height, width)[..., None]
    pixels = picture.pixels.copy()
    below = pixels[top : top + height, left : left + width]
    below[:] = (cutting.pixels * cover + below * (1 - cover) + 0.5).astype(np.uint8)
    shift = np.array([left, top, left, top, 0], np.float32)
    taught = picture.labelled & cutting.labelled
    unknown = [label for label in range(len(CLASSES)) if picture.labelled[label] and not cutting.labelled[label]]
    blanks = np.array([[left, top, left + width, top + height, label] for label in unknown], np.float32)
    boxes, ignored = cutting.boxes + shift, cutting.ignored + shift
    return replace(
        picture,
        pixels=pixels,
        boxes=np.concatenate((picture.boxes, boxes[taught[boxes[:, 4].astype(int)]])),
        ignored=np.concatenate((picture.ignored, ignored, blanks if unknown else no_boxes())),
    )


def soft_cover(height: int, width: int) -> NDArray[np.float32]:
    """(height, width): how much of the newcomer is seen; 0 at the very edge, 1 from the margin on."""

    def ramp(length: int) -> NDArray[np.float32]:
        margin = max(1.0, MARGIN_PART / (1 + 2 * MARGIN_PART) * length)
        along = np.arange(length) + 0.5
        return (np.minimum(along, along[::-1]) / margin).clip(0, 1).astype(np.float32)

    return ramp(height)[:, None] * ramp(width)[None]
