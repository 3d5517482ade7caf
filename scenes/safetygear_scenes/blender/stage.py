"""Engine settings, light, camera and people of one story in Blender, and pictures of a rectangle of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from safetygear_scenes.actor import Actor
from safetygear_scenes.blender import shading, yard
from safetygear_scenes.blender.objects import mesh_object
from safetygear_scenes.mesh import Vertices
from safetygear_scenes.projection import Lens
from safetygear_scenes.story import Light, Person, Story

PLAIN_GROUND = (0.21, 0.18, 0.14)
"""The yard's ground on average: what people's shadows are taken from, at a third of the cost."""
_SOFT = ("shirt", "trousers", "vest", "boots", "hair", "hood")


class Stage:
    """Built once per process. `samples` per pixel hold for every picture: with persistent data, Cycles does not take
    another number later. `detailed`: the costly ground."""

    def __init__(self, story: Story, view: Lens, *, samples: int, threads: int, detailed: bool) -> None:
        self._size_px = (view.width_px, view.height_px)
        self._people: dict[str, dict[str, Any]] = {}
        for old in list(bpy.data.objects):
            bpy.data.objects.remove(old)
        _engine(self._size_px, samples, threads)
        ground = yard.build(story.site_seed, story.light.rain)
        if not detailed:
            ground.data.materials[0] = shading.plain("plain ground", PLAIN_GROUND, 0.95)
        for number, thing in enumerate(story.occluders):
            yard.occlude(number, thing)
        _light(story.light, view)
        _camera(view, story.camera.horizontal_fov_deg)

    def add(self, number: int, person: Person, actor: Actor, reflecting: float) -> None:
        """Hidden at first. `number` is what Cryptomatte's names begin with."""
        worker, looks, clothes = actor.worker, person.looks, person.clothes
        materials = {
            "skin": shading.skin(f"skin{number}", looks.skin, looks.hair, looks.beard, worker.eyes),
            "eyes": shading.plain(f"eyes{number}", (0.08, 0.06, 0.05), 0.3),
            "hair": shading.hair(f"hair{number}", looks.hair),
            "shirt": shading.cloth(f"shirt{number}", clothes.shirt),
            "hood": shading.cloth(f"hood{number}", clothes.headwear_colour),
            "trousers": shading.cloth(f"trousers{number}", clothes.trousers),
            "boots": shading.plain(f"boots{number}", clothes.boots),
        }
        if clothes.vest is not None and worker.vest_lines is not None:
            materials["vest"] = shading.vest(
                f"vest{number}", clothes.vest, clothes.vest_trim, worker.vest_lines, reflecting
            )
        objects: dict[str, Any] = {}
        for name, part in worker.parts.items():
            objects[name] = mesh_object(
                f"{number}_{name}", part.vertices, part.faces, [materials[name]], rest=part.vertices
            )
            if name in _SOFT:
                finer = objects[name].modifiers.new("finer", "SUBSURF")
                finer.levels, finer.render_levels = 0, 1
            if name == "vest":
                thick = objects[name].modifiers.new("thick", "SOLIDIFY")
                thick.thickness, thick.offset = 0.006, 1.0
        for name, hat, colour in (
            ("helmet", worker.helmet, clothes.helmet), ("cap", worker.cap, clothes.headwear_colour),
        ):  # fmt: skip
            if hat is not None and colour is not None:
                outside = (
                    shading.shell(f"shell{number}", colour)
                    if name == "helmet"
                    else shading.cloth(f"cap{number}", colour)
                )
                lining = shading.plain(f"lining {name}{number}", (0.05, 0.05, 0.05), 0.8)
                objects[name] = mesh_object(
                    f"{number}_{name}", hat.vertices, hat.faces, [outside, lining],
                    material_of_face=hat.inside.astype(np.int32),
                )  # fmt: skip
        self._people[person.id] = objects
        self.move(person.id, None)

    def move(self, person: str, meshes: Mapping[str, Vertices] | None) -> None:
        """Give a person's parts their places, or take the person away."""
        for name, thing in self._people[person].items():
            thing.hide_render = meshes is None
            if meshes is not None:
                thing.data.vertices.foreach_set("co", np.ascontiguousarray(meshes[name], np.float32).ravel())
                thing.data.update()

    def render(self, path: Path, rectangle: tuple[int, int, int, int] | None = None) -> None:
        """An OpenEXR file with the picture and Cryptomatte, whole or of x0, y0, x1, y1 in px."""
        settings = bpy.context.scene.render
        settings.use_border = settings.use_crop_to_border = rectangle is not None
        if rectangle is not None:
            (width, height), (x0, y0, x1, y1) = self._size_px, rectangle
            settings.border_min_x, settings.border_max_x = x0 / width, x1 / width
            settings.border_min_y, settings.border_max_y = 1 - y1 / height, 1 - y0 / height
        settings.filepath = str(path)
        bpy.ops.render.render(write_still=True)


def _engine(size_px: tuple[int, int], samples: int, threads: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    cycles, settings, layer = scene.cycles, scene.render, scene.view_layers[0]
    cycles.device, cycles.samples, cycles.seed, cycles.use_animated_seed = "CPU", samples, 3, False
    cycles.use_adaptive_sampling, cycles.adaptive_threshold, cycles.adaptive_min_samples = True, 0.05, min(6, samples)
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_prefilter = "RGB_ALBEDO_NORMAL", "FAST"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 2
    cycles.transmission_bounces, cycles.transparent_max_bounces, cycles.sample_clamp_indirect = 1, 4, 4.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    settings.resolution_x, settings.resolution_y, settings.resolution_percentage = *size_px, 100
    settings.threads_mode, settings.threads, settings.use_persistent_data = "FIXED", threads, True
    settings.image_settings.media_type = "MULTI_LAYER_IMAGE"
    settings.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    # Cryptomatte's ids do not survive half floats.
    settings.image_settings.color_depth = "32"
    layer.use_pass_cryptomatte_object, layer.pass_cryptomatte_depth, layer.use_pass_z = True, 4, False


def sun_direction(light: Light) -> Vertices | None:
    """Towards the sun; None where nothing throws a shadow that matters."""
    if light.kind != "day":
        return None
    up, around = np.radians(light.elevation_deg), np.radians(light.azimuth_deg)
    return np.array([np.cos(up) * np.sin(around), -np.cos(up) * np.cos(around), np.sin(up)])


def _light(light: Light, view: Lens) -> None:
    # Sun's power, its width in degrees, and the sky's strength.
    sun, width_deg, sky = {
        "day": (3.2, 1.2, 0.55), "overcast": (0.25, 40.0, 1.15), "dusk": (0.0, 1.0, 0.20),
        "night-ir": (0.0, 1.0, 0.002),
    }[light.kind]  # fmt: skip
    scene = bpy.context.scene
    world = bpy.data.worlds.new("world")
    scene.world, world.use_nodes = world, True
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256
    nodes = world.node_tree.nodes
    air = nodes.new("ShaderNodeTexSky")
    air.sky_type, air.sun_disc = "MULTIPLE_SCATTERING", False
    air.sun_elevation, air.sun_rotation = np.radians(light.elevation_deg), np.radians(light.azimuth_deg)
    world.node_tree.links.new(air.outputs[0], nodes["Background"].inputs[0])
    nodes["Background"].inputs[1].default_value = sky * 0.12
    if sun:
        up, around = np.radians(light.elevation_deg), np.radians(light.azimuth_deg)
        towards = np.array([np.cos(up) * np.sin(around), -np.cos(up) * np.cos(around), np.sin(up)])
        _lamp("sun", "SUN", sun, (1.0, 0.95, 0.87), towards * 50, np.zeros(3)).angle = np.radians(width_deg)
    if light.kind == "dusk":
        for name, x, y in (("mast0", -7.0, 7.5), ("mast1", 8.5, 7.0)):
            lamp = _lamp(name, "AREA", 500.0, (1.0, 0.86, 0.66), np.array([x, y, 6.5]), np.array([0.0, 2.5, 0.0]))
            lamp.size = 0.6
    if light.kind == "night-ir":
        # The illuminator sits on the camera. A spot's edge falls off as those of cheap cameras do.
        ahead = view.position_m - view.axes[2] * 10
        lamp = _lamp("illuminator", "SPOT", 2600.0, (1.0, 1.0, 1.0), view.position_m + view.axes[1] * 0.08, ahead)
        lamp.spot_size, lamp.spot_blend, lamp.shadow_soft_size = np.radians(75), 0.9, 0.05


def _lamp(
    name: str, kind: str, power: float, colour: tuple[float, float, float], at: Vertices, towards: Vertices
) -> Any:
    lamp = bpy.data.lights.new(name, kind)
    lamp.energy, lamp.color = power, colour
    thing = bpy.data.objects.new(name, lamp)
    bpy.context.scene.collection.objects.link(thing)
    back = (at - towards) / np.linalg.norm(at - towards)
    right = np.cross([0.0, 0.0, 1.0] if abs(back[2]) < 0.99 else [0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    _place(thing, np.stack([right, np.cross(back, right), back]), at)
    return lamp


def _camera(view: Lens, horizontal_fov_deg: float) -> None:
    camera = bpy.data.cameras.new("camera")
    camera.sensor_fit, camera.angle_x = "HORIZONTAL", np.radians(horizontal_fov_deg)
    thing = bpy.data.objects.new("camera", camera)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing
    _place(thing, view.axes, view.position_m)


def _place(thing: Any, axes: Vertices, at: Vertices) -> None:
    """`axes`: rows are the object's own x, y and z in the world."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes.T, at
    thing.matrix_world = Matrix(matrix.tolist())
