"""What the network sees of a crop: (SIDE, SIDE, 3) BGR, made as a camera, a codec and a careless box would make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from safetygear_training import looks
from safetygear_training.pictures import Pixels
from safetygear_training.second_look.config import Draws
from safetygear_training.second_look.crops import AROUND, NO, UNCLEAR, YES, Crop
from safetygear_training.second_look.dressing import dressed
from safetygear_training.second_look.squares import HEAD_DOWN, HEAD_SIDES

SIDE = 48
"""Of the network's input, px."""
SQUARE_PER_HEAD_PX = (HEAD_SIDES, 3.0)
"""Side of a helmet's and of a vest's square per side of the same person's head box."""
LEAST_COVERED = 0.75
"""Of a head's or torso's place, by what makes it unclear."""
TOO_SMALL_PX = (2.5, 4.5)
"""A head's side from which nobody could tell."""
SEEN_QUALITY = 60
"""JPEG quality of the crops that are measured on."""


@dataclass(frozen=True)
class Pool:
    """Crops by gear and answer, and how probable each is among them."""

    crops: Sequence[Sequence[Sequence[Crop]]]
    chances: Sequence[Sequence[NDArray[np.float64]]]

    def draw(self, gear: int, answer: int, random: np.random.Generator) -> Crop:
        cumulative = self.chances[gear][answer]
        return self.crops[gear][answer][int(min(np.searchsorted(cumulative, random.random()), len(cumulative) - 1))]


def make_sample(pool: Pool, draws: Draws, random: np.random.Generator) -> tuple[Pixels, int, int]:
    """Pixels, gear, answer."""
    gear = 0 if random.random() < draws.heads else 1
    chance = random.random()
    if chance < draws.unclear:
        return _unclear(pool, gear, draws, random), gear, UNCLEAR
    answer = YES if random.random() < draws.yes else NO
    crop = pool.draw(gear, answer, random)
    pixels = crop.pixels
    if gear == 0 and answer == NO and not crop.of_body and random.random() < draws.dressed:
        pixels = dressed(pixels, random)
    side_px = _target_px(gear, draws, random)
    return _look(pixels, crop.side_px, side_px, draws, random), gear, answer


def measured(crop: Crop, head_px: float, number: int) -> Pixels:
    """The crop as it is measured on: a head of `head_px` (or as large as it is), a little beside its place, compressed.
    The same each time: all chance is by `number`."""
    random = np.random.default_rng((77, number))
    square_px = min(SQUARE_PER_HEAD_PX[crop.gear] * head_px, crop.side_px)
    cut = _placed(crop.pixels, random.uniform(-0.06, 0.06, 2), float(np.exp(random.uniform(-0.1, 0.1))), False)
    return _enlarged(_encoded(_reduced(cut, square_px), SEEN_QUALITY))


def _unclear(pool: Pool, gear: int, draws: Draws, random: np.random.Generator) -> Pixels:
    kind = random.random()
    if kind < 0.4:
        crop = pool.draw(gear, UNCLEAR, random)
        return _look(crop.pixels, crop.side_px, _target_px(gear, draws, random), draws, random)
    crop = pool.draw(gear, int(random.integers(2)), random)
    if kind < 0.7:
        other = pool.draw(gear, UNCLEAR, random)
        covered = _covered(crop.pixels, other.pixels, gear, random)
        return _look(covered, crop.side_px, _target_px(gear, draws, random), draws, random)
    if kind < 0.85:
        shift = random.uniform(0.45, 0.75) * np.array([np.cos(a := random.uniform(0, 2 * np.pi)), np.sin(a)])
        return _look(crop.pixels, crop.side_px, _target_px(gear, draws, random), draws, random, shift=shift)
    small = random.uniform(*TOO_SMALL_PX) * SQUARE_PER_HEAD_PX[gear]
    return _look(crop.pixels, crop.side_px, small, draws, random)


def _target_px(gear: int, draws: Draws, random: np.random.Generator) -> float:
    return SQUARE_PER_HEAD_PX[gear] * float(np.exp(random.uniform(np.log(draws.least_px), np.log(draws.most_px))))


def _look(
    pixels: Pixels,
    side_px: float,
    target_px: float,
    draws: Draws,
    random: np.random.Generator,
    shift: NDArray[np.float64] | None = None,
) -> Pixels:
    if shift is None:
        shift = random.uniform(-draws.shift, draws.shift, 2)
    scale = float(np.exp(random.uniform(-draws.scale, draws.scale)))
    cut = _placed(pixels, shift, scale, random.random() < 0.5)
    seen = looks.colour(_reduced(cut, min(target_px, side_px)), random)
    if random.random() < draws.gamma:
        seen = looks.gamma(seen, random)
    if random.random() < draws.infrared:
        seen = looks.infrared(seen, random)
    if random.random() < draws.blur:
        seen = cv2.GaussianBlur(seen, (0, 0), random.uniform(0.3, 0.9))
    if random.random() < draws.noise:
        seen = looks.noise(seen, random)
    if random.random() < draws.compression:
        seen = _encoded(seen, int(random.integers(20, 80)))
    return _enlarged(seen)


def _placed(pixels: Pixels, shift: NDArray[np.float64], scale: float, mirrored: bool) -> Pixels:
    """The square, moved by `shift` of its side and `scale` times as large, at the resolution of the crop."""
    size = pixels.shape[0]
    side = size / AROUND
    out = max(6, round(side))
    x, y = size / 2 + shift[0] * side, size / 2 + shift[1] * side
    factor = out / (side * scale)
    matrix = np.array([[factor, 0, out / 2 - factor * x], [0, factor, out / 2 - factor * y]])
    cut = cv2.warpAffine(pixels, matrix, (out, out), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(cut[:, ::-1]) if mirrored else cut


def _reduced(cut: Pixels, side_px: float) -> Pixels:
    size = max(6, round(side_px))
    return cut if size >= cut.shape[0] else cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)


def _enlarged(seen: Pixels) -> Pixels:
    """As the product resizes."""
    return cv2.resize(seen, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def _encoded(pixels: Pixels, quality: int) -> Pixels:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR) if done else pixels


def _covered(pixels: Pixels, other: Pixels, gear: int, random: np.random.Generator) -> Pixels:
    """Something else before most of the head or torso."""
    size = pixels.shape[0]
    side = size / AROUND
    unit = side / HEAD_SIDES
    place = (1.3 * unit, size / 2 - HEAD_DOWN * unit) if gear == 0 else (0.8 * side, size / 2)
    # From one side over at least LEAST_COVERED of the place.
    reach = place[0] * random.uniform(LEAST_COVERED, 1.2)
    hidden = pixels.copy()
    filled = cv2.resize(other, (size, size), interpolation=cv2.INTER_LINEAR)
    if random.random() < 0.5:
        end = round(size / 2 - place[0] / 2 + reach)
        hidden[:, :end] = filled[:, :end]
        return hidden if random.random() < 0.5 else np.ascontiguousarray(hidden[:, ::-1])
    start = round(place[1] + place[0] / 2 - reach)
    hidden[max(0, start) :] = filled[max(0, start) :]
    return hidden
