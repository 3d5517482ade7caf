"""The site that all stories play on: a yard with a building shell, scaffold, containers, stacks, fence and cabins."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from safetygear_scenes.blender import shading
from safetygear_scenes.blender.objects import box, container, mesh_object, pipe
from safetygear_scenes.story import Colour, Occluder

_GROUND_M = 500.0
_PAINTS: tuple[Colour, ...] = (
    (0.05, 0.13, 0.26), (0.42, 0.19, 0.06), (0.06, 0.20, 0.13), (0.30, 0.30, 0.28), (0.36, 0.06, 0.05),
)  # fmt: skip


def build(seed: int, wet: float) -> Any:
    """All of it; returns the ground. `seed` decides colours, bushes and stones."""
    draw = np.random.default_rng(seed)
    corners = [
        [-_GROUND_M, -_GROUND_M, 0],
        [_GROUND_M, -_GROUND_M, 0],
        [_GROUND_M, _GROUND_M, 0],
        [-_GROUND_M, _GROUND_M, 0],
    ]
    ground = mesh_object("ground", corners, [[0, 1, 2, 3]], [shading.ground(wet)], smooth=False)
    concrete = shading.speckled("concrete", (0.33, 0.325, 0.31), (0.50, 0.49, 0.47), 1.3, (30.0, 0.25, 0.02))
    steel, wood, brick = (
        shading.plain("steel", (0.55, 0.56, 0.57), 0.45, 0.7),
        shading.planks("wood"),
        shading.bricks("brick"),
    )
    paints = draw.permutation(len(_PAINTS))
    for number, (place, turned) in enumerate((((-6.6, 9.6), 6.0), ((-10.2, 4.4), 78.0), ((14.5, 6.0), 95.0))):
        paint = shading.weathered(f"paint{number}", _PAINTS[int(paints[number])])
        container(f"container{number}", place, (6.06, 2.44, 2.59), paint, turned)
    _shell(concrete, brick)
    _scaffold(steel, wood)
    _fence(steel, concrete)
    _cabins()
    _bushes(draw)
    _goods(draw, concrete, brick, wood)
    _stones(draw)
    return ground


def occlude(number: int, thing: Occluder) -> None:
    """One more thing, from the story."""
    name, (x, y), (length, depth, height) = f"occluder{number}", thing.position_m, thing.size_m
    if thing.kind == "container":
        container(name, (x, y), thing.size_m, shading.weathered(name, thing.colour), thing.rotation_deg)
    elif thing.kind == "pipes":
        material = shading.speckled(name, shading.scaled(thing.colour, 0.7), thing.colour, 1.3, (30.0, 0.25, 0.02))
        radius, rows = 0.2, max(1, round(height / 0.4))
        angle = np.radians(thing.rotation_deg)
        along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        across = np.array([-np.sin(angle), np.cos(angle)])
        for row in range(rows):
            for column in range(max(1, round(depth / 0.4))):
                middle = np.array([x, y]) + across * (0.4 * column - depth / 2)
                a, b, z = middle - along, middle + along, radius + 0.4 * row
                pipe(name, (*a, z), (*b, z), radius, material, 20, open_=True)
    else:
        material = shading.bricks(name) if thing.kind == "wall" else shading.plain(name, thing.colour, 0.5)
        box(name, (x, y, height / 2), (length, depth, height), material, thing.rotation_deg, 0.02)


def _shell(concrete: Any, brick: Any) -> None:
    """A storey of a building under construction."""
    for x in (2.2, 6.2, 10.2):
        for y in (10.5, 14.5):
            box("column", (x, y, 1.55), (0.4, 0.4, 3.1), concrete, 0, 0.02)
    box("slab", (6.2, 12.5, 3.25), (9.2, 5.2, 0.3), concrete, 0, 0.02)
    box("plinth", (6.2, 12.5, 0.09), (9.6, 5.6, 0.18), concrete, 0, 0.02)
    box("wall", (6.2, 14.6, 1.6), (8.0, 0.22, 3.0), concrete)
    box("brick wall", (8.2, 10.4, 0.85), (3.6, 0.24, 1.5), brick, 0, 0.005)


def _scaffold(steel: Any, wood: Any) -> None:
    for x in np.arange(1.6, 11.0, 2.1):
        for y in (8.9, 9.9):
            pipe("scaffold", (x, y, 0), (x, y, 4.6), 0.026, steel, 8)
        for z in (1.0, 2.0, 3.0):
            pipe("scaffold", (x, 8.9, z), (x, 9.9, z), 0.024, steel, 8)
    for z in (1.0, 2.0, 2.5, 3.0):
        pipe("scaffold", (1.4, 8.9, z), (10.2, 8.9, z), 0.024, steel, 8)
    pipe("scaffold", (1.6, 8.9, 0), (3.7, 8.9, 2.0), 0.022, steel, 8)
    pipe("scaffold", (5.8, 8.9, 2.0), (7.9, 8.9, 0), 0.022, steel, 8)
    for number in range(4):
        box("deck", (5.8, 9.02 + number * 0.24, 2.04), (8.8, 0.22, 0.045), wood, 0, 0.004)


def _fence(steel: Any, concrete: Any) -> None:
    """Around the far sides, with debris netting."""
    net = shading.plain("net", (0.10, 0.22, 0.14), 0.9)
    for number in range(12):
        x, y = -20 + number * 3.5, 17.5
        box("net", (x + 1.7, y, 1.05), (3.3, 0.01, 1.9), net, 0, 0)
        for post in (x, x + 3.4):
            pipe("fence", (post, y - 0.03, 0), (post, y - 0.03, 2.05), 0.022, steel, 8)
        for z in (0.15, 2.03):
            pipe("fence", (x, y - 0.03, z), (x + 3.4, y - 0.03, z), 0.02, steel, 8)
        box("foot", (x, y, 0.07), (0.7, 0.24, 0.14), concrete)
    for side in (-19.0, 20.0):
        for number in range(7):
            y = -6 + number * 3.5
            box("net", (side, y + 1.7, 1.05), (0.01, 3.3, 1.9), net, 0, 0)
            pipe("fence", (side, y, 0), (side, y, 2.05), 0.022, steel, 8)


def _cabins() -> None:
    wall, glass, dark = (
        shading.plain("cabin", (0.56, 0.57, 0.55)), shading.plain("glass", (0.05, 0.07, 0.09), 0.15),
        shading.plain("door", (0.03, 0.03, 0.03), 0.7),
    )  # fmt: skip
    for x, z in ((-13.0, 0.0), (-6.6, 0.0), (-13.0, 2.75), (0.2, 0.0), (9.0, 0.0), (15.5, 0.0), (9.0, 2.75)):
        box("cabin", (x, 23.5, z + 1.36), (6.1, 2.5, 2.7), wall, 0, 0.03)
        for window in (-1.7, 1.2):
            box("window", (x + window, 22.24, z + 1.65), (1.5, 0.06, 0.9), glass, 0, 0)
        box("door", (x + 2.6, 22.24, z + 1.1), (0.8, 0.06, 1.95), dark, 0, 0)


def _bushes(draw: np.random.Generator) -> None:
    """A belt of green behind the fences, on three sides."""
    leaf = shading.speckled("leaf", (0.012, 0.028, 0.008), (0.085, 0.14, 0.035), 2.2, (5.0, 1.0, 0.5))
    around, up = np.meshgrid(np.arange(14) / 14 * 2 * np.pi, np.linspace(-0.4, np.pi / 2, 7))
    ball = np.stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up) * 1.2], -1).reshape(-1, 3)
    vertices, faces = [], []
    for number in range(150):
        if number < 90:
            middle = np.array([draw.uniform(-36, 36), draw.uniform(30, 40), 0])
        else:
            middle = np.array([draw.choice([-1, 1]) * draw.uniform(26, 34), draw.uniform(-6, 32), 0])
        size, first = draw.uniform(1.4, 3.4), 98 * number
        vertices.append(ball * size * (1 + 0.14 * draw.standard_normal((98, 1))) + middle + [0, 0, size * 0.4])
        faces += [
            [first + at for at in (r * 14 + j, r * 14 + (j + 1) % 14, (r + 1) * 14 + (j + 1) % 14, (r + 1) * 14 + j)]
            for r in range(6) for j in range(14)
        ]  # fmt: skip
    mesh_object("bushes", np.vstack(vertices), faces, [leaf])


def _goods(draw: np.random.Generator, concrete: Any, brick: Any, wood: Any) -> None:
    """Barriers, cones, bricks, pipes, timber, drums and a heap of sand."""
    red, white = shading.plain("red", (0.62, 0.05, 0.03), 0.45), shading.plain("white", (0.78, 0.78, 0.76), 0.5)
    profile = [
        (-0.28, 0),
        (0.28, 0),
        (0.28, 0.09),
        (0.10, 0.32),
        (0.075, 0.8),
        (-0.075, 0.8),
        (-0.10, 0.32),
        (-0.28, 0.09),
    ]
    count = len(profile)
    sides = [[j, (j + 1) % count, count + (j + 1) % count, count + j] for j in range(count)]
    ends = [list(range(count))[::-1], list(range(count, 2 * count))]
    for number, x in enumerate((-3.1, -1.05, 1.0)):
        body = [[end, *point] for end in (-1.0, 1.0) for point in profile]
        barrier = mesh_object("barrier", body, sides + ends, [white if number % 2 else red], smooth=False)
        barrier.location, barrier.rotation_euler = (x, 7.4 + 0.25 * number, 0), (0, 0, 0.122)
    rubber, orange = shading.plain("rubber", (0.03, 0.03, 0.03), 0.7), shading.plain("orange", (0.80, 0.13, 0.02), 0.5)
    rings = [(0.04, 0.135), (0.26, 0.098), (0.42, 0.071), (0.52, 0.054), (0.72, 0.022)]
    for x, y in ((-4.4, 2.6), (-4.7, 5.2), (3.6, 5.7), (4.9, 3.4)):
        box("cone foot", (x, y, 0.02), (0.38, 0.38, 0.04), rubber)
        for number, ((z0, r0), (z1, r1)) in enumerate(pairwise(rings)):
            angle = np.arange(20) / 20 * 2 * np.pi
            body = [[x + r * np.cos(a), y + r * np.sin(a), z] for z, r in ((z0, r0), (z1, r1)) for a in angle]
            faces = [[j, (j + 1) % 20, 20 + (j + 1) % 20, 20 + j] for j in range(20)]
            mesh_object("cone", body, faces, [white if number == 1 else orange])
    for layer in range(5):
        for i in range(4):
            for j in range(2):
                box("bricks", (4.6 + i * 0.26, 7.3 + j * 0.5, 0.2 + layer * 0.13), (0.245, 0.47, 0.12), brick, 0, 0.006)
    for row in range(3):
        box("pallet", (5.0, 7.15 + row * 0.42, 0.07), (1.2, 0.1, 0.13), wood)
        for i in range(4 - row):
            x, z = -6.9 + (i + row * 0.5) * 0.34, 0.17 + row * 0.29
            pipe("pipe", (x, 4.4, z), (x + 1, 7.2, z), 0.165, concrete, 20, open_=True)
    for number in range(5):
        box("timber", (6.9, 4.4 + number * 0.17, 0.06), (2.8, 0.15, 0.1), wood, 4)
        box("timber", (6.9, 4.45 + number * 0.17, 0.17), (2.8, 0.15, 0.1), wood, 3)
    drum = shading.plain("drum", (0.03, 0.10, 0.30), 0.4)
    for x, y in ((2.9, 7.7), (3.55, 7.9)):
        pipe("drum", (x, y, 0), (x, y, 0.88), 0.29, drum, 28)
    across, along = np.meshgrid(np.linspace(-2.4, 2.4, 60), np.linspace(-2.0, 2.0, 50))
    off = np.hypot(across / 2.2, along / 1.8)
    height = 1.35 * np.clip(1 - off, 0, 1) ** 0.95 + 0.05 * np.sin(across * 5 + along * 3) * np.clip(1 - off, 0, 1)
    rough = 0.03 * draw.standard_normal(across.shape) * (off < 1) - 0.03
    heap = np.stack([across, along, height + rough], -1).reshape(-1, 3)
    faces = [[i * 60 + j, i * 60 + j + 1, (i + 1) * 60 + j + 1, (i + 1) * 60 + j] for i in range(49) for j in range(59)]
    sand = shading.speckled("sand", (0.40, 0.30, 0.19), (0.58, 0.46, 0.31), 3.0, (40.0, 0.5, 0.03))
    mesh_object("sand", heap, faces, [sand]).location = (-1.5, 11.8, 0)


def _stones(draw: np.random.Generator) -> None:
    stone = np.array(
        [[0, 0, 1], [0.9, 0, 0.45], [0.28, 0.85, 0.45], [-0.72, 0.53, 0.45], [-0.72, -0.53, 0.45], [0.28, -0.85, 0.45],
         [0, 0, -0.4]]
    )  # fmt: skip
    sides = [
        [0, 1, 2],
        [0, 2, 3],
        [0, 3, 4],
        [0, 4, 5],
        [0, 5, 1],
        [6, 2, 1],
        [6, 3, 2],
        [6, 4, 3],
        [6, 5, 4],
        [6, 1, 5],
    ]
    vertices, faces = [], []
    for number in range(1600):
        middle = np.array([draw.uniform(-12, 14), draw.uniform(-4, 12), 0])
        one = stone * (draw.gamma(2.0, 0.009) + 0.006) * draw.uniform(0.6, 1.3, 3)
        angle = draw.uniform(0, 2 * np.pi)
        cosine, sine = np.cos(angle), np.sin(angle)
        turned = [one[:, 0] * cosine - one[:, 1] * sine, one[:, 0] * sine + one[:, 1] * cosine, one[:, 2] * 0.7]
        vertices.append(np.stack(turned, 1) + middle)
        faces += [[7 * number + corner for corner in side] for side in sides]
    mesh_object("stones", np.vstack(vertices), faces, [shading.plain("stones", (0.34, 0.315, 0.28), 0.9)])
