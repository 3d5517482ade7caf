"""Procedural materials: shader graphs written as expressions. No texture is ever read from a file."""

from __future__ import annotations

from typing import Any

import bpy

from safetygear_scenes.clothes import VestLines
from safetygear_scenes.mesh import Vertices
from safetygear_scenes.story import Colour

Socket = Any
"""A node's input or output, or a plain number or colour."""
Stops = list[tuple[float, Colour]]


def scaled(colour: Colour, by: float) -> Colour:
    r, g, b = (min(1.0, max(0.0, part * by)) for part in colour)
    return r, g, b


class Shader:
    """A Principled material and its graph. Methods add a node and return its output."""

    def __init__(
        self, name: str, colour: Colour = (0.5, 0.5, 0.5), roughness: float = 0.6, metallic: float = 0
    ) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self._tree = self.material.node_tree
        self.surface = self._tree.nodes["Principled BSDF"]
        self.set("Base Color", (*colour, 1))
        self.set("Roughness", roughness)
        self.set("Metallic", metallic)

    def node(self, kind: str, **settings: Any) -> Any:
        node = self._tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        return node

    def feed(self, value: Socket, into: Any) -> None:
        if isinstance(value, int | float):
            into.default_value = value
        elif isinstance(value, tuple):
            into.default_value = (*value, 1) if len(value) == 3 else value
        else:
            self._tree.links.new(value, into)

    def set(self, name: str, value: Socket) -> None:
        """An input of the surface."""
        self.feed(value, self.surface.inputs[name])

    def math(self, operation: str, *values: Socket, clamp: bool = False) -> Socket:
        node = self.node("ShaderNodeMath", operation=operation, use_clamp=clamp)
        for number, value in enumerate(values):
            self.feed(value, node.inputs[number])
        return node.outputs[0]

    def product(self, *values: Socket) -> Socket:
        found = values[0]
        for value in values[1:]:
            found = self.math("MULTIPLY", found, value)
        return found

    def mix(self, share: Socket, a: Socket, b: Socket) -> Socket:
        node = self.node("ShaderNodeMix", data_type="RGBA")
        for number, value in ((0, share), (6, a), (7, b)):
            self.feed(value, node.inputs[number])
        return node.outputs[2]

    def noise(
        self, at: Socket, scale: float, detail: float = 3.0, roughness: float = 0.55, distortion: float = 0.0
    ) -> Socket:
        node = self.node("ShaderNodeTexNoise")
        values = {"Scale": scale, "Detail": detail, "Roughness": roughness, "Distortion": distortion, "Vector": at}
        for name, value in values.items():
            self.feed(value, node.inputs[name])
        return node.outputs[0]

    def ramp(self, share: Socket, stops: Stops) -> Socket:
        node = self.node("ShaderNodeValToRGB")
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*colour, 1)
        self.feed(share, node.inputs[0])
        return node.outputs[0]

    def bumps(self, height: Socket, strength: float, distance: float) -> None:
        node = self.node("ShaderNodeBump")
        for name, value in (("Strength", strength), ("Distance", distance), ("Height", height)):
            self.feed(value, node.inputs[name])
        self.set("Normal", node.outputs[0])

    def place(self) -> Socket:
        """Where on the object."""
        return self.node("ShaderNodeTexCoord").outputs["Object"]

    def rest(self) -> Socket:
        """Where on a person in the rest pose, so that cloth does not swim."""
        return self.node("ShaderNodeAttribute", attribute_name="rest").outputs["Vector"]

    def xyz(self, vector: Socket) -> tuple[Socket, Socket, Socket]:
        node = self.node("ShaderNodeSeparateXYZ")
        self.feed(vector, node.inputs[0])
        return node.outputs[0], node.outputs[1], node.outputs[2]

    def stretched(self, vector: Socket, scale: Colour) -> Socket:
        node = self.node("ShaderNodeMapping")
        node.inputs["Scale"].default_value = scale
        self.feed(vector, node.inputs[0])
        return node.outputs[0]


def plain(name: str, colour: Colour, roughness: float = 0.6, metallic: float = 0.0) -> Any:
    return Shader(name, colour, roughness, metallic).material


def cloth(name: str, colour: Colour) -> Any:
    shader = Shader(name, colour, 0.9)
    rest = shader.rest()
    shader.set("Base Color", shader.mix(shader.noise(rest, 6.0, 4.0), scaled(colour, 0.75), scaled(colour, 1.25)))
    folds = shader.noise(shader.stretched(rest, (1.0, 1.0, 2.2)), 8.0, 2.0, 0.5, 0.8)
    shader.bumps(folds, 0.6, 0.05)
    return shader.material


def skin(name: str, colour: Colour, hair: Colour, beard: float, eyes: Vertices) -> Any:
    shader = Shader(name, colour, 0.5)
    rest = shader.rest()
    x, y, z = shader.xyz(rest)
    aside, eye_y, eye_z = shader.math("ABSOLUTE", x), float(eyes[:, 1].mean()), float(eyes[:, 2].mean())
    front = shader.math("LESS_THAN", y, eye_y + 0.035)
    found = shader.mix(shader.noise(rest, 14.0, 4.0), scaled(colour, 0.85), scaled(colour, 1.12))
    height = shader.math("COMPARE", z, eye_z + 0.020, 0.0065)
    brows = shader.product(height, shader.math("COMPARE", aside, 0.034, 0.021), front)
    found = shader.mix(brows, found, scaled(hair, 0.9))
    lips = shader.product(
        shader.math("COMPARE", z, eye_z - 0.073, 0.009), shader.math("LESS_THAN", aside, 0.024), front
    )
    found = shader.mix(lips, found, (colour[0] * 0.75, colour[1] * 0.5, colour[2] * 0.5))
    if beard:
        below = shader.math("LESS_THAN", z, eye_z - 0.055)
        above = shader.math("GREATER_THAN", z, eye_z - 0.135)
        ahead = shader.math("LESS_THAN", y, eye_y + 0.075)
        bristles = shader.product(below, above, ahead, shader.math("SUBTRACT", 1.0, lips), beard)
        found = shader.mix(bristles, found, hair)
    shader.set("Base Color", found)
    shader.set("Specular IOR Level", 0.35)
    return shader.material


def hair(name: str, colour: Colour) -> Any:
    shader = Shader(name, colour, 0.55)
    rest = shader.rest()
    shader.set("Base Color", shader.mix(shader.noise(rest, 60.0), scaled(colour, 0.5), scaled(colour, 1.6)))
    shader.bumps(shader.noise(rest, 110.0), 0.9, 0.02)
    return shader.material


def vest(name: str, colour: Colour, trim: Colour | None, lines: VestLines, reflecting: float) -> Any:
    """With two silver bands around and one over each shoulder. `reflecting`: how much light of the camera's own lamp
    the bands send back, as brightness of their own."""
    shader = Shader(name, colour, 0.75)
    rest = shader.rest()
    x, y, z = shader.xyz(rest)
    aside, half = shader.math("ABSOLUTE", x), 0.026
    chest = lines.chest - 0.05

    def around(height: float, width: float) -> Socket:
        return shader.math("COMPARE", z, height, width)

    def bands(width: float) -> Socket:
        return shader.math("MAXIMUM", around(chest, width), around(lines.waist - 0.02, width))

    over = shader.product(shader.math("COMPARE", aside, lines.band_x, 0.024), shader.math("GREATER_THAN", z, chest))
    silver = shader.math("MAXIMUM", bands(half), over)
    front = shader.math("LESS_THAN", y, lines.front_y)
    found = shader.mix(shader.noise(rest, 5.0), scaled(colour, 0.82), colour)
    if trim:
        found = shader.mix(bands(half + 0.018), found, trim)
    hem = shader.math("LESS_THAN", z, lines.hem + 0.018)
    found = shader.mix(hem, found, trim or scaled(colour, 0.7))
    found = shader.mix(silver, found, (0.72, 0.73, 0.74))
    found = shader.mix(shader.product(shader.math("LESS_THAN", aside, 0.008), front), found, (0.05, 0.05, 0.05))
    shader.set("Base Color", found)
    # Fluorescence is a faint glow, not a lamp: sampled as one, every triangle of the vest would cost time.
    shader.material.cycles.emission_sampling = "NONE"
    glow = shader.product(shader.math("SUBTRACT", 1.0, silver), 0.16 if not reflecting else 0.0)
    shader.set("Emission Color", found)
    shader.set("Emission Strength", shader.math("ADD", glow, shader.product(silver, reflecting)))
    shader.set("Roughness", shader.math("SUBTRACT", 0.8, shader.product(silver, 0.45)))
    shader.bumps(shader.noise(shader.stretched(rest, (1.4, 1.4, 0.8)), 8.0, 2.0, 0.5, 1.0), 0.55, 0.05)
    return shader.material


def shell(name: str, colour: Colour) -> Any:
    """A hard hat's plastic."""
    shader = Shader(name, colour, 0.28)
    shader.set("Coat Weight", 0.4)
    return shader.material


def weathered(name: str, colour: Colour) -> Any:
    """Painted steel with rust that runs down."""
    shader = Shader(name, colour, 0.55)
    at = shader.place()
    runs = shader.noise(shader.stretched(at, (3.0, 3.0, 0.6)), 1.2, 6.0, 0.7)
    rust = shader.math("MULTIPLY", shader.math("SUBTRACT", runs, 0.55), 2.4, clamp=True)
    paint = shader.mix(shader.noise(at, 0.8), scaled(colour, 0.75), colour)
    shader.set("Base Color", shader.mix(rust, paint, (0.16, 0.075, 0.035)))
    return shader.material


def speckled(name: str, dark: Colour, light: Colour, scale: float, bump: tuple[float, float, float]) -> Any:
    """Concrete, sand, leaves. `bump`: scale, strength, distance."""
    shader = Shader(name, roughness=0.9)
    at = shader.place()
    shader.set("Base Color", shader.ramp(shader.noise(at, scale, 6.0, 0.7, 0.4), [(0.3, dark), (0.7, light)]))
    shader.bumps(shader.noise(at, bump[0], 4.0), bump[1], bump[2])
    return shader.material


def planks(name: str) -> Any:
    shader = Shader(name, roughness=0.8)
    grain = shader.noise(shader.stretched(shader.place(), (1.0, 12.0, 12.0)), 2.0, 4.0)
    shader.set("Base Color", shader.ramp(grain, [(0.3, (0.24, 0.15, 0.08)), (0.7, (0.46, 0.33, 0.19))]))
    return shader.material


def bricks(name: str) -> Any:
    shader = Shader(name, roughness=0.9)
    node = shader.node("ShaderNodeTexBrick")
    for field, colour in (
        ("Color1", (0.36, 0.17, 0.10)),
        ("Color2", (0.45, 0.22, 0.13)),
        ("Mortar", (0.4, 0.38, 0.35)),
    ):
        shader.feed(colour, node.inputs[field])
    node.inputs["Scale"].default_value = 2.0
    upright = shader.node("ShaderNodeMapping")
    upright.inputs["Rotation"].default_value = (1.5708, 0, 0)
    shader.feed(shader.place(), upright.inputs[0])
    shader.feed(upright.outputs[0], node.inputs["Vector"])
    shader.set("Base Color", node.outputs["Color"])
    return shader.material


def ground(wet: float) -> Any:
    """Compacted sand and gravel with wheel tracks and damp patches, more of them where it rains."""
    shader = Shader("ground", roughness=0.95)
    at = shader.place()
    _, y, _ = shader.xyz(at)
    wide, middle, fine = (
        shader.noise(at, 0.35, 4.0, 0.6, 0.6), shader.noise(at, 2.5, 5.0, 0.65), shader.noise(at, 38.0, 4.0, 0.7),
    )  # fmt: skip
    earth = shader.math("ADD", shader.product(wide, 0.6), shader.product(middle, 0.4))
    tones: Stops = [(0.32, (0.20, 0.165, 0.125)), (0.5, (0.33, 0.285, 0.22)), (0.68, (0.44, 0.39, 0.32))]
    found = shader.ramp(earth, tones)
    grains = shader.math("MULTIPLY", shader.math("SUBTRACT", fine, 0.35), 1.2, clamp=True)
    found = shader.mix(grains, shader.mix(0.55, found, (0.10, 0.085, 0.065)), found)
    cells = shader.node("ShaderNodeTexVoronoi")
    cells.inputs["Scale"].default_value = 16.0
    shader.feed(at, cells.inputs["Vector"])
    near = shader.math("LESS_THAN", cells.outputs["Distance"], 0.16)
    pebbles = shader.product(near, shader.math("GREATER_THAN", middle, 0.5))
    found = shader.mix(pebbles, found, (0.45, 0.43, 0.40))
    wavy = shader.math("ADD", y, shader.product(shader.noise(at, 0.12, 2.0), 3.2))
    tracks: Socket = 0.0
    for lane in (3.2, 4.9, 7.6, 9.2):
        off = shader.math("ABSOLUTE", shader.math("SUBTRACT", wavy, lane))
        inside = shader.math("SUBTRACT", 1.0, shader.math("DIVIDE", off, 0.32), clamp=True)
        tracks = shader.math("MAXIMUM", tracks, inside)
    wave = shader.node("ShaderNodeTexWave")
    wave.inputs["Scale"].default_value, wave.inputs["Distortion"].default_value = 3.2, 2.0
    shader.feed(at, wave.inputs[0])
    tread = shader.product(tracks, shader.math("ADD", 0.55, shader.product(wave.outputs[1], 0.45)))
    found = shader.mix(shader.product(tread, 0.6), found, (0.13, 0.11, 0.085))
    patches = shader.math("SUBTRACT", shader.noise(at, 0.5, 3.0, 0.5), 0.60 - 0.22 * wet)
    damp = shader.math("MULTIPLY", patches, 8.0, clamp=True)
    shader.set("Base Color", shader.mix(shader.product(damp, 0.65), found, (0.09, 0.075, 0.06)))
    shader.set("Roughness", shader.math("SUBTRACT", 0.95, shader.product(damp, 0.45 + 0.3 * wet)))
    height = shader.math("ADD", shader.product(fine, 0.25), shader.product(tread, -0.5))
    shader.bumps(shader.math("ADD", shader.product(middle, 0.5), height), 0.8, 0.06)
    return shader.material
