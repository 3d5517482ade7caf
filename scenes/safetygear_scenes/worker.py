"""A person: a body, what it wears, and how bones move it. Metres, Z up, facing -Y in the rest pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from safetygear_scenes.base_mesh import BaseMesh, Shape, body_vertices, joints
from safetygear_scenes.clothes import Part, Sleeves, Wardrobe
from safetygear_scenes.headgear import Hat, HelmetShape, cap, helmet
from safetygear_scenes.mesh import Rotation, Vertices

FINGERS = tuple(f"{finger}_0{joint}" for finger in ("index", "middle", "ring", "pinky") for joint in (1, 2, 3))


@dataclass(frozen=True)
class Absolute:
    """A bone's rotation in the person's frame, instead of relative to its parent."""

    rotation: Rotation


Pose = Mapping[str, Rotation | Absolute]


@dataclass(frozen=True)
class Skeleton:
    """A pose worked out: per bone its rotation (bones, 3, 3) and its joint (bones, 3), the pelvis where it rests."""

    rotations: Rotation
    joints: Vertices
    number: Mapping[str, int]

    def turn(self, bone: str) -> Rotation:
        return np.asarray(self.rotations[self.number[bone]])

    def joint(self, bone: str) -> Vertices:
        return np.asarray(self.joints[self.number[bone]])


class Worker:
    """`helmet`: the shape that the person has at all, None without one."""

    def __init__(
        self,
        base: BaseMesh,
        shape: Shape,
        *,
        vest: bool,
        helmet_shape: HelmetShape | None,
        headwear: str | None = None,
        sleeves: Sleeves = "long",
        hair_m: float = 0.012,
    ) -> None:
        self._base = base
        self.number = {bone.name: number for number, bone in enumerate(base.bones)}
        vertices = body_vertices(base, shape)
        self.rest = joints(base, vertices)
        wardrobe = Wardrobe(base, vertices, self.rest)
        dressed = wardrobe.dress(vest=vest, sleeves=sleeves, hair_m=hair_m)
        self.parts: dict[str, Part] = dressed.parts
        if headwear == "hood":
            self.parts["hood"] = wardrobe.hood()
            del self.parts["hair"]
        self.head_vertices, self.head, self.vest_lines, self.eyes = (
            dressed.head_vertices, dressed.head, dressed.vest, dressed.eyes,
        )  # fmt: skip
        self.helmet: Hat | None = helmet(self.head, helmet_shape) if helmet_shape else None
        self.cap: Hat | None = cap(self.head) if headwear == "cap" else None

    def joint(self, bone: str) -> Vertices:
        """In the rest pose."""
        return np.asarray(self.rest[self.number[bone]])

    def pose(self, pose: Pose) -> Skeleton:
        count = len(self._base.bones)
        rotations, places = np.zeros((count, 3, 3)), np.zeros((count, 3))
        for number, bone in enumerate(self._base.bones):
            given, parent = pose.get(bone.name), bone.parent
            before = np.eye(3) if parent < 0 else rotations[parent]
            if isinstance(given, Absolute):
                rotations[number] = given.rotation
            else:
                rotations[number] = before if given is None else before @ given
            places[number] = self.rest[number]
            if parent >= 0:
                places[number] = places[parent] + before @ (self.rest[number] - self.rest[parent])
        return Skeleton(rotations, places, self.number)

    def posed(self, part: Part, skeleton: Skeleton) -> Vertices:
        """Linear blend skinning."""
        shift = skeleton.joints - np.einsum("nij,nj->ni", skeleton.rotations, self.rest)
        blended = np.tensordot(part.weights, skeleton.rotations, axes=1)
        return np.asarray(np.einsum("vij,vj->vi", blended, part.vertices) + part.weights @ shift)
