"""Head and torso crops of the sources' pictures, with what they answer; the one file that cuts them out.

A crop answers `yes`, `no` or nothing (a place where nobody is: unclear). Boxes are xyxy in pixels of their picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from safetygear_training.boxes import intersection
from safetygear_training.labels import HEAD, HELMET, NO_VEST, PERSON, VEST
from safetygear_training.pictures import PAD_GREY, Picture, Pixels
from safetygear_training.second_look.squares import Array, head_squares, heads_of, torso_squares, torsos_of

NO, YES, UNCLEAR = range(3)
ANSWERS = ("no", "yes", "unclear")
GEARS = ("helmet", "vest")

AROUND = 1.6
"""A crop is kept with so much more around it, so that it can be moved and enlarged later."""
KEPT_PX = 96
"""Larger ones are scaled down to it."""
LEAST_SQUARE_PX = 12
UPRIGHT = 0.62
"""Width per height from which on a person may bend, and the head is somewhere else."""
SHOULDERS = 2.4
"""Height per width of an upright person: how tall somebody is whom the picture's lower edge cuts."""
TOO_SHORT_PX = 40
PLACES_PER_PICTURE = 2
"""Places where nobody is, of each gear."""


@dataclass(frozen=True)
class Crop:
    """(n, n, 3) BGR; the square that is looked at lies in the middle and is 1 / AROUND of it."""

    pixels: Pixels
    gear: int
    answer: int
    side_px: float
    """Of the square in the source's picture."""
    person_px: float
    """Height of the person, where one is known: else 0."""
    source: str
    of_body: bool
    """Placed by the person's box, not by one of the head or torso."""


def crops_of(picture: Picture, source: str, bodies: Sequence[str]) -> list[Crop]:
    """All crops of one picture. `bodies`: gear whose lack a person without a box of it shows."""
    boxes = picture.boxes.astype(np.float64)
    by_class = {label: boxes[boxes[:, 4] == label, :4] for label in (PERSON, HELMET, VEST, HEAD, NO_VEST)}
    found: list[Crop] = []
    for gear, present, lacking, squares in ((0, HELMET, HEAD, head_squares), (1, VEST, NO_VEST, torso_squares)):
        for label, answer in ((present, YES), (lacking, NO)):
            for square, height in zip(
                squares(by_class[label]), _heights(by_class[label], by_class[PERSON]), strict=True
            ):
                found += _cut(picture, square, gear, answer, height, source, of_body=False)
        found += _of_bodies(picture, by_class, gear, present, lacking, source, GEARS[gear] in bodies)
    return found


def places_without(picture: Picture, source: str, random: np.random.Generator) -> list[Crop]:
    """Squares that show no head (or no torso), of which nothing can be said: unclear. Only where the source's labels
    tell that nobody is there."""
    height, width = picture.pixels.shape[:2]
    boxes = picture.boxes.astype(np.float64)
    known = [bool(picture.labelled[PERSON])] * len(GEARS)
    known[0] |= bool(picture.labelled[[HELMET, HEAD]].all())
    found: list[Crop] = []
    for gear in np.flatnonzero(known).tolist():
        for _ in range(PLACES_PER_PICTURE):
            side = float(np.exp(random.uniform(np.log(20), np.log(max(24, min(height, width) / 3)))))
            square = np.array([random.uniform(0, width), random.uniform(0, height), side])
            place = np.array([[*(square[:2] - side / 2), *(square[:2] + side / 2)]])
            if len(boxes) == 0 or intersection(place, boxes[:, :4]).max() < 0.05 * side * side:
                found += _cut(picture, square, gear, UNCLEAR, 0.0, source, of_body=False)
    return found


def _of_bodies(
    picture: Picture, by_class: dict[int, Array], gear: int, present: int, lacking: int, source: str, complete: bool
) -> list[Crop]:
    """Crops placed by people's boxes: what lies in the region answers; where gear is labelled completely, nothing is
    `no` too."""
    people = by_class[PERSON]
    size = people[:, 2:] - people[:, :2]
    height, width = picture.pixels.shape[:2]
    upright = (size[:, 0] < UPRIGHT * size[:, 1]) & (size[:, 1] >= TOO_SHORT_PX) & (people[:, 1] > 0.01 * height)
    upright &= (people[:, 0] > 1) & (people[:, 2] < width - 1)
    found: list[Crop] = []
    for number in np.flatnonzero(upright):
        person = people[number : number + 1]
        others = np.delete(people, number, axis=0)
        if person[0, 3] > 0.99 * height:
            person = person.copy()
            person[0, 3] = person[0, 1] + max(size[number, 1], SHOULDERS * size[number, 0])
        region = (heads_of if gear == 0 else torsos_of)(person)
        square = (head_squares if gear == 0 else torso_squares)(region)[0]
        area = np.prod(region[0, 2:] - region[0, :2])
        if len(others) and intersection(region, others).max() > 0.3 * area:
            continue
        wide = region + np.array([[-1, -1, 1, 1]]) * 0.5 * np.sqrt(area)
        answers = {
            answer
            for label, answer in ((present, YES), (lacking, NO))
            if len(by_class[label]) and intersection(wide, by_class[label]).max() > 0.1 * area
        }
        if not answers and complete:
            answers = {NO}
        if len(answers) == 1:
            found += _cut(picture, square, gear, answers.pop(), float(size[number, 1]), source, of_body=True)
    return found


def _heights(boxes: Array, people: Array) -> list[float]:
    """Height of the smallest person's box that each box lies in, 0 where there is none."""
    if not len(people) or not len(boxes):
        return [0.0] * len(boxes)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    inside = intersection(boxes, people) > 0.6 * area[:, None]
    heights = (people[:, 3] - people[:, 1])[None, :]
    best = np.where(inside, heights, np.inf).min(axis=1)
    return [float(height) if np.isfinite(height) else 0.0 for height in best]


def _cut(
    picture: Picture, square: Array, gear: int, answer: int, person_px: float, source: str, *, of_body: bool
) -> list[Crop]:
    x, y, side = (float(value) for value in square)
    if side < LEAST_SQUARE_PX:
        return []
    around = side * AROUND
    size = min(KEPT_PX, max(8, round(around)))
    scale = size / around
    matrix = np.array([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]])
    pixels = picture.pixels
    if scale < 0.5:  # far smaller: average first, or thin things turn into dots
        pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= 2
    grey = (PAD_GREY, PAD_GREY, PAD_GREY)
    kept = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=grey)
    return [Crop(kept, gear, answer, side, person_px, source, of_body)]
