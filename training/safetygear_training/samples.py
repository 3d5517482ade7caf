"""One training sample: a picture, or a mosaic of several, at a random place and scale, and what it teaches where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from safetygear_training.anchors import grid
from safetygear_training.labels import CLASSES, Boxes
from safetygear_training.looks import Looks, apply
from safetygear_training.pictures import PAD_GREY, Picture, Pixels
from safetygear_training.toml_tables import Chance

VISIBLE_PART = 0.3
"""A box cut to less of its area is ignored: neither an object nor background."""
MIN_SIDE_PX = 3.0
ASPECT_CHANGE = 0.1
WIDEST_OF_SQUEEZED = 1.5
"""A squeezed picture is shown up to this much wider: at 4/3 most people in it have their own shape again."""
IGNORED_MARGIN_PX = 4.0


@dataclass(frozen=True)
class Framing:
    """Scales are of the whole picture fitted into its frame: below 1 leaves room around it, above 1 crops."""

    whole_scale: tuple[float, float]
    tile_scale: tuple[float, float]
    small_mosaic: Chance  # share of the mosaics that are 3 x 3: small people without an empty canvas
    zoom_out: Chance  # chance that a whole picture is shown far smaller
    zoom_out_scale: tuple[float, float]
    newcomer: Chance = 0.0  # chance that a picture is offered somebody bare-headed or without a vest out of another one


@dataclass(frozen=True)
class Sample:
    """BGR pixels (H, W, 3), boxes in them, and per anchor and class whether it is labelled there (A, classes)."""

    pixels: Pixels
    boxes: Boxes
    mask: NDArray[np.bool_]


Rectangle = tuple[int, int, int, int]


def make_sample(
    next_picture: Callable[[], Picture],
    size: tuple[int, int],
    mosaic: float,
    framing: Framing,
    looks: Looks,
    random: np.random.Generator,
) -> Sample:
    """`mosaic` is the chance of a mosaic; size is height and width in pixels."""
    height, width = size
    canvas = np.full((height, width, 3), PAD_GREY, np.uint8)
    mask = np.zeros((len(grid(height, width).centres), len(CLASSES)), bool)
    if random.random() < mosaic:
        tiles, scale = _tiles(size, 3 if random.random() < framing.small_mosaic else 2, random), framing.tile_scale
    else:
        tiles = [(0, 0, width, height)]
        scale = framing.zoom_out_scale if random.random() < framing.zoom_out else framing.whole_scale
    boxes = [_place(next_picture(), canvas, mask, tile, scale, random) for tile in tiles]
    return Sample(apply(canvas, looks, random), np.concatenate(boxes), mask)


def _tiles(size: tuple[int, int], count: int, random: np.random.Generator) -> list[Rectangle]:
    """count x count rectangles x0, y0, x1, y1 that fill the canvas, their edges moved at random."""

    def edges(length: int) -> list[int]:
        inner = [int(length * (k + random.uniform(-0.2, 0.2)) / count) for k in range(1, count)]
        return [0, *inner, length]

    rows, columns = edges(size[0]), edges(size[1])
    return [(columns[i], rows[j], columns[i + 1], rows[j + 1]) for j in range(count) for i in range(count)]


def _place(
    picture: Picture,
    canvas: Pixels,
    mask: NDArray[np.bool_],
    tile: Rectangle,
    scale: tuple[float, float],
    random: np.random.Generator,
) -> Boxes:
    """Draw the picture into the tile, set what is labelled there, return the boxes that can be seen."""
    left, top, right, bottom = tile
    matrix = _placement(picture, (right - left, bottom - top), scale, random)
    canvas[top:bottom, left:right] = _warp(picture.pixels, matrix, (right - left, bottom - top))

    centres = grid(canvas.shape[0], canvas.shape[1]).centres
    inside = (centres[:, 0] >= left) & (centres[:, 0] < right) & (centres[:, 1] >= top) & (centres[:, 1] < bottom)
    mask[inside] = picture.labelled
    whole = move_boxes(picture.boxes, matrix)
    seen = _clip(whole, tile)
    keep = visible(whole, seen)
    for box in np.concatenate((seen[~keep], _clip(move_boxes(picture.ignored, matrix), tile))):
        _ignore(mask, centres, box)
    return seen[keep]


def _placement(
    picture: Picture, room: tuple[int, int], scale: tuple[float, float], random: np.random.Generator
) -> NDArray[np.float64]:
    """(2, 3) matrix from picture pixels to pixels of the tile: mirrored or not, scaled, shifted."""
    height, width = picture.pixels.shape[:2]
    factor = min(room[0] / width, room[1] / height) * np.exp(random.uniform(*np.log(scale)))
    stretch = np.exp(random.uniform(-ASPECT_CHANGE, ASPECT_CHANGE))
    if picture.squeezed:
        stretch *= np.sqrt(random.uniform(1.0, WIDEST_OF_SQUEEZED))
    matrix = np.array([[factor * stretch, 0, 0], [0, factor / stretch, 0]])
    if random.random() < 0.5:
        matrix[0] = -matrix[0, 0], 0, matrix[0, 0] * width
    focus = picture.boxes[random.integers(len(picture.boxes))][None] if len(picture.boxes) else None
    if focus is not None and random.random() < 0.2:
        focus = None
    for axis, length in enumerate((width, height)):
        spare = room[axis] - abs(matrix[axis, axis]) * length
        shift = random.uniform(min(spare, 0), max(spare, 0))
        if spare < 0 and focus is not None:
            # a crop, around some object
            box = move_boxes(focus, matrix)[0]
            shift = np.clip(random.uniform(0.15, 0.85) * room[axis] - (box[axis] + box[axis + 2]) / 2, spare, 0)
        matrix[axis, 2] += shift
    return matrix


def _warp(pixels: Pixels, matrix: NDArray[np.float64], room: tuple[int, int]) -> Pixels:
    if abs(matrix[0, 0]) < 0.5:  # far smaller: average first, or thin things turn into dots
        pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        matrix = matrix * [[2, 2, 1]]
    grey = (PAD_GREY, PAD_GREY, PAD_GREY)
    return cv2.warpAffine(pixels, matrix, room, flags=cv2.INTER_LINEAR, borderValue=grey)


def move_boxes(boxes: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    """Boxes through a matrix that scales, mirrors and shifts along the axes."""
    moved = boxes.copy()
    for axis in (0, 1):
        ends = boxes[:, [axis, axis + 2]] * matrix[axis, axis] + matrix[axis, 2]
        moved[:, axis], moved[:, axis + 2] = ends.min(1), ends.max(1)
    return moved


def _clip(boxes: Boxes, tile: Rectangle) -> Boxes:
    """Boxes in tile pixels, cut to the tile, in canvas pixels."""
    left, top, right, bottom = tile
    cut = boxes.copy()
    cut[:, [0, 2]] = boxes[:, [0, 2]].clip(0, right - left) + left
    cut[:, [1, 3]] = boxes[:, [1, 3]].clip(0, bottom - top) + top
    return cut


def visible(whole: Boxes, seen: Boxes) -> NDArray[np.bool_]:
    """(n,): enough of the box is left to teach it."""
    sides = seen[:, 2:4] - seen[:, :2]
    before = (whole[:, 2:4] - whole[:, :2]).prod(1)
    return (sides.prod(1) > VISIBLE_PART * before) & (sides > MIN_SIDE_PX).all(1)


def _ignore(mask: NDArray[np.bool_], centres: NDArray[np.float32], box: NDArray[np.float32]) -> None:
    low, high = box[:2] - IGNORED_MARGIN_PX, box[2:4] + IGNORED_MARGIN_PX
    if (box[2:4] > box[:2]).all():
        mask[((centres >= low) & (centres <= high)).all(1), int(box[4])] = False
