"""Simulated people on a yard, and what a simulated detector sees of them, with who is who: to score trackers by."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import as_xyxy

ASPECT = 16 / 9
SEEN_PART = 0.25
"""People of whom less is visible are not asked for, and not held against a tracker that has them."""

Ids = list[Any]


@dataclass(frozen=True)
class Frame:
    """Boxes in 0..1 (n, 4), probabilities (n,), and who is really there: ids and boxes (m, 4), those hidden apart."""

    at_s: float
    boxes: NDArray[np.float32]
    probability: NDArray[np.float32]
    truth_ids: Ids
    truth: NDArray[np.float32]
    hidden: NDArray[np.float32]


@dataclass
class _Walker:
    """On the ground, metres; walks from goal to goal, may stand for a while; leaves over the area's edge in the end."""

    place: NDArray[np.float64]
    goals: list[NDArray[np.float64]]
    speed_m_per_s: float
    height_m: float
    phase: float
    stands_s: float = 0.0
    gone: bool = False


CAMERA_HEIGHT_M, CAMERA_TILT, FOCAL_PER_HEIGHT = 5.0, math.radians(18), 1.1
CONTAINER_M = ((-4.0, 14.0), (0.0, 14.0), 2.4)
"""Left and right end on the ground, and the height: what walks behind it is hidden."""


def walkers(seed: int, people: int, *, seconds: float = 60.0, fps: float = 10.0) -> list[Frame]:
    """`people` at a time on a yard of 22 x 22 m seen from a mast, as a nano detector might see them."""
    draw = np.random.default_rng(seed)
    crowd: dict[int, _Walker] = {}
    numbers = itertools.count()
    frames = []
    step_s = 0.05
    every = round(1 / fps / step_s)
    for step in range(round(seconds / step_s)):
        while len(crowd) < people:
            crowd[next(numbers)] = _new_walker(draw, inside=step == 0)
        for number, walker in list(crowd.items()):
            _walk(walker, step_s, draw)
            if walker.gone:
                del crowd[number]
        if step % every == 0:
            frames.append(_observe(crowd, step * step_s, draw))
    return frames


def _new_walker(draw: np.random.Generator, *, inside: bool) -> _Walker:
    def point() -> NDArray[np.float64]:
        return np.array([draw.uniform(-9, 9), draw.uniform(8, 28)])

    def outside() -> NDArray[np.float64]:
        return np.array([draw.choice([-24.0, 24.0]), draw.uniform(8, 26)])

    goals = [point() for _ in range(draw.integers(0, 4))]
    return _Walker(
        point() if inside else outside(),
        [*goals, outside()],
        float(np.clip(draw.normal(1.35, 0.3), 0.5, 2.5)),
        float(draw.normal(1.76, 0.07)),
        float(draw.uniform(0, 7)),
    )


def _walk(walker: _Walker, step_s: float, draw: np.random.Generator) -> None:
    walker.phase += step_s
    if walker.stands_s > 0:
        walker.stands_s -= step_s
        return
    way = walker.goals[0] - walker.place
    left = float(np.hypot(*way))
    if left > 0.2:
        walker.place = walker.place + way / left * min(left, walker.speed_m_per_s * step_s) + draw.normal(0, 0.004, 2)
        return
    walker.goals.pop(0)
    walker.gone = not walker.goals
    if draw.random() < 0.5:
        walker.stands_s = float(draw.uniform(0.5, 6))


def project(x: float, y: float, z: float) -> tuple[float, float]:
    """Ground metres (y away from the camera, z up) to heights of the picture, origin top left."""
    depth = y * math.cos(CAMERA_TILT) + (CAMERA_HEIGHT_M - z) * math.sin(CAMERA_TILT)
    down = (CAMERA_HEIGHT_M - z) * math.cos(CAMERA_TILT) - y * math.sin(CAMERA_TILT)
    return ASPECT / 2 + FOCAL_PER_HEIGHT * x / depth, 0.5 + FOCAL_PER_HEIGHT * down / depth


def _body(walker: _Walker) -> NDArray[np.float64]:
    (x, y), height_m = walker.place, walker.height_m
    middle, top = project(x, y, height_m)
    _, bottom = project(x, y, 0)
    stride = 1 + 0.35 * abs(math.sin(walker.phase * 5)) * (walker.stands_s <= 0)
    half = 0.17 * (bottom - top) * stride
    return np.array([middle - half, top, middle + half, bottom])


def _observe(crowd: dict[int, _Walker], at_s: float, draw: np.random.Generator) -> Frame:
    limits = np.array([ASPECT, 1, ASPECT, 1])
    boxes, probability, ids, truth, hidden = [], [], [], [], []
    nearest_first = sorted(crowd.items(), key=lambda item: item[1].place[1])
    in_front: list[NDArray[np.float64]] = []
    (left, away), (right, _), high = CONTAINER_M
    wall = np.array([*project(left, away, high), *project(right, away, 0)])
    for number, walker in nearest_first:
        body = _body(walker)
        inside = np.clip(body, 0, limits)
        covers = in_front + ([wall] if walker.place[1] > away else [])
        in_front.append(body)
        seen_box, seen = visible_part(body, inside, covers)
        if area(inside) <= 0:
            continue
        (truth if seen >= SEEN_PART else hidden).append(inside / limits)
        if seen >= SEEN_PART:
            ids.append(number)
        chance = 0.97 if seen > 0.7 else 0.8 if seen > 0.4 else 0.4 if seen > 0.15 else 0.0
        if draw.random() < chance:
            sure = float(np.clip(draw.normal(0.2 + 0.62 * seen, 0.1), 0.05, 0.97))
            target = seen_box if draw.random() < 0.5 and seen < 0.8 else inside
            width, height = body[2] - body[0], body[3] - body[1]
            noise = draw.normal(0, 0.03, 4) * np.array([width, height, width, height])
            boxes.append(np.clip(target + noise, 0, limits) / limits)
            probability.append(sure)
    if draw.random() < 0.1:
        x, y = draw.uniform(0.1, 0.8), draw.uniform(0.2, 0.6)
        boxes.append(np.array([x, y, x + 0.04, y + 0.2]))
        probability.append(float(draw.uniform(0.1, 0.7)))
    return Frame(at_s, as_xyxy(boxes), np.array(probability, np.float32), ids, as_xyxy(truth), as_xyxy(hidden))


def area(box: NDArray[np.float64]) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def visible_part(
    body: NDArray[np.float64], inside: NDArray[np.float64], covers: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], float]:
    """The box around what is visible, and which part of the body that is, on a grid of points."""
    xs, ys = np.linspace(body[0], body[2], 9), np.linspace(body[1], body[3], 17)
    grid_x, grid_y = np.meshgrid(xs, ys)
    free = (grid_x >= inside[0]) & (grid_x <= inside[2]) & (grid_y >= inside[1]) & (grid_y <= inside[3])
    for cover in covers:
        free &= ~((grid_x > cover[0]) & (grid_x < cover[2]) & (grid_y > cover[1]) & (grid_y < cover[3]))
    if not free.any():
        return inside, 0.0
    return (
        np.array([grid_x[free].min(), grid_y[free].min(), grid_x[free].max(), grid_y[free].max()]),
        float(free.mean()),
    )
