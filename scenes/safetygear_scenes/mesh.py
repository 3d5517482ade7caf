"""Operations on meshes of quads. Vertices are (n, 3) metres, faces (m, 4) vertex numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]
Rotation = NDArray[np.float64]
"""(3, 3)"""


def part_of(faces: Faces, count: int) -> tuple[NDArray[np.int64], Faces]:
    """The vertices that `faces` of a mesh with `count` vertices use, and the faces in their numbering."""
    used = np.unique(faces)
    renumbered = np.full(count, -1, np.int64)
    renumbered[used] = np.arange(len(used))
    return used, renumbered[faces]


def normals(vertices: Vertices, faces: Faces) -> Vertices:
    """Unit normals of the vertices, areas as weights."""
    across = np.cross(vertices[faces[:, 2]] - vertices[faces[:, 0]], vertices[faces[:, 3]] - vertices[faces[:, 1]])
    found = np.zeros_like(vertices)
    for corner in range(4):
        np.add.at(found, faces[:, corner], across)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9))


def edges(faces: Faces) -> NDArray[np.int64]:
    """(k, 2), each edge in both directions, once."""
    one_way = np.concatenate([faces[:, [corner, (corner + 1) % 4]] for corner in range(4)])
    return np.unique(np.concatenate([one_way, one_way[:, ::-1]]), axis=0)


def averaged(values: NDArray[np.float64], faces: Faces) -> NDArray[np.float64]:
    """Each vertex's values (n, k) as the mean of its neighbours'."""
    pairs = edges(faces)
    total = np.zeros_like(values)
    np.add.at(total, pairs[:, 0], values[pairs[:, 1]])
    degree = np.bincount(pairs[:, 0], minlength=len(values)).clip(1)
    return np.asarray(total / degree[:, None])


def smoothed(vertices: Vertices, faces: Faces, rounds: int, strength: float) -> Vertices:
    """Laplacian smoothing."""
    pairs = edges(faces)
    degree = np.bincount(pairs[:, 0], minlength=len(vertices)).clip(1)[:, None]
    moved = vertices.copy()
    for _ in range(rounds):
        total = np.zeros_like(moved)
        np.add.at(total, pairs[:, 0], moved[pairs[:, 1]])
        moved += strength * (total / degree - moved)
    return moved


def softened_weights(weights: NDArray[np.float64], faces: Faces, rounds: int) -> NDArray[np.float64]:
    """Skin weights (n, bones) blended with the neighbours': cloth bends less sharply than skin."""
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * averaged(weights, faces)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def turn(axis: object, degrees: float) -> Rotation:
    """Right-handed rotation about an axis."""
    a = np.asarray(axis, np.float64)
    a = a / np.linalg.norm(a)
    angle = np.radians(degrees)
    k = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)


def turn_x(degrees: float) -> Rotation:
    return turn((1, 0, 0), degrees)


def turn_y(degrees: float) -> Rotation:
    return turn((0, 1, 0), degrees)


def turn_z(degrees: float) -> Rotation:
    return turn((0, 0, 1), degrees)


def turn_onto(a: Vertices, b: Vertices) -> Rotation:
    """The shortest rotation that takes direction `a` to direction `b`."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    return np.eye(3) if sine < 1e-9 else turn(axis, float(np.degrees(np.arctan2(sine, a @ b))))


def between(start: Rotation, end: Rotation, share: float) -> Rotation:
    """The rotation at `share` (0..1) of the way."""
    rest = start.T @ end
    angle = float(np.arccos(np.clip((np.trace(rest) - 1) / 2, -1, 1)))
    if angle < 1e-6:
        return start
    axis = np.array([rest[2, 1] - rest[1, 2], rest[0, 2] - rest[2, 0], rest[1, 0] - rest[0, 1]])
    if np.linalg.norm(axis) < 1e-6:
        axis = np.array([1.0, 0.0, 0.0])
    return np.asarray(start @ turn(axis, float(np.degrees(angle)) * share))
