"""Meshes, boxes and pipes as Blender objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]
_BOX_FACES = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]


def mesh_object(
    name: str,
    vertices: Any,
    faces: Any,
    materials: Sequence[Any],
    *,
    smooth: bool = True,
    rest: NDArray[np.float64] | None = None,
    material_of_face: NDArray[np.int32] | None = None,
) -> Any:
    """An object in the scene. A quad whose last two corners are one becomes a triangle."""
    mesh = bpy.data.meshes.new(name)
    rows = [[int(corner) for corner in face] for face in faces]
    rows = [row[:3] if len(row) == 4 and row[2] == row[3] else row for row in rows]
    mesh.from_pydata(np.asarray(vertices, np.float64).tolist(), [], rows)
    for material in materials:
        mesh.materials.append(material)
    if smooth:
        mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    if material_of_face is not None:
        mesh.polygons.foreach_set("material_index", material_of_face)
    if rest is not None:
        attribute = mesh.attributes.new("rest", "FLOAT_VECTOR", "POINT")
        attribute.data.foreach_set("vector", np.asarray(rest, np.float32).ravel())
    mesh.update()
    found = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(found)
    return found


def box(name: str, centre: Point, size: Point, material: Any, rotation_deg: float = 0.0, bevel_m: float = 0.01) -> Any:
    x, y, z = (side / 2 for side in size)
    corners = [[i, j, k] for i in (-x, x) for j in (-y, y) for k in (-z, z)]
    found = mesh_object(name, corners, _BOX_FACES, [material], smooth=False)
    found.location, found.rotation_euler = centre, (0, 0, float(np.radians(rotation_deg)))
    if bevel_m:
        bevel = found.modifiers.new("bevel", "BEVEL")
        bevel.width, bevel.segments = bevel_m, 2
    return found


def pipe(
    name: str, start: Point, end: Point, radius_m: float, material: Any, sides: int = 12, open_: bool = False
) -> Any:
    a, b = np.array(start, float), np.array(end, float)
    along = (b - a) / np.linalg.norm(b - a)
    first = np.cross(along, [0, 0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0, 0])
    first /= np.linalg.norm(first)
    second = np.cross(along, first)
    angle = np.arange(sides) / sides * 2 * np.pi
    ring = radius_m * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    faces = [[i, (i + 1) % sides, sides + (i + 1) % sides, sides + i] for i in range(sides)]
    if not open_:
        faces += [list(range(sides))[::-1], list(range(sides, 2 * sides))]
    return mesh_object(name, np.vstack([a + ring, b + ring]), faces, [material], smooth=False)


def container(name: str, position: tuple[float, float], size: Point, material: Any, rotation_deg: float) -> None:
    """A freight container, its walls corrugated."""
    length, depth, height = size
    wall: list[list[float]] = []
    faces: list[list[int]] = []

    def corrugated(span: float, step: float, out: float, aside: float, along_x: bool) -> None:
        along = np.linspace(-span / 2, span / 2, 2 * max(2, int(span / step)) + 1)
        depths = np.array([0, out, out, 0])[np.arange(len(along)) % 4]
        for sign in (-1, 1):
            first = len(wall)
            for at, deep in zip(along, depths, strict=True):
                off = sign * (aside / 2 - 0.04 + deep)
                place = [at, off] if along_x else [off, at]
                wall.extend([[*place, 0.12], [*place, height - 0.1]])
            faces.extend(
                [first + 2 * i, first + 2 * i + 2, first + 2 * i + 3, first + 2 * i + 1] for i in range(len(along) - 1)
            )

    corrugated(length, 0.14, 0.035, depth, True)
    corrugated(depth, 0.2, 0.03, length, False)
    found = mesh_object(name, wall, faces, [material], smooth=False)
    found.location, found.rotation_euler = (*position, 0), (0, 0, float(np.radians(rotation_deg)))
    cosine, sine = float(np.cos(np.radians(rotation_deg))), float(np.sin(np.radians(rotation_deg)))

    def frame(at: Point, bar: Point) -> None:
        x, y = position[0] + at[0] * cosine - at[1] * sine, position[1] + at[0] * sine + at[1] * cosine
        box(f"{name} frame", (x, y, at[2]), bar, material, rotation_deg)

    frame((0, 0, height - 0.05), (length, depth, 0.1))
    frame((0, 0, 0.08), (length, depth, 0.14))
    for side in (-1, 1):
        for end in (-1, 1):
            frame((side * (length / 2 - 0.06), end * (depth / 2 - 0.06), height / 2), (0.14, 0.14, height))
