"""Renders one story's frames into a folder: background once, then the rectangles with people, and the truth per frame.

A frame that is there is not rendered again, so that a run can be stopped at any time. Nothing of a frame's later look -
exposure, noise, rain - is in these files.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from safetygear_scenes import exr, plates, truth
from safetygear_scenes.actor import Figure
from safetygear_scenes.base_mesh import read_base_mesh
from safetygear_scenes.blender.stage import Stage, sun_direction
from safetygear_scenes.cast import actors
from safetygear_scenes.frames import BACKGROUND, PLAIN, write_frame
from safetygear_scenes.mesh import Vertices
from safetygear_scenes.projection import Box, Lens, box_around, joined, lens, within
from safetygear_scenes.silhouette import covered_px
from safetygear_scenes.story import Story

_MARGIN_PX = (12, 8, 12, 10)
"""Around a person and its shadow: left, top, right, bottom."""
_REFLECTING = {"night-ir": 1.1, "dusk": 0.0}
Report = Callable[[str], None]


def render_background(
    story: Story, folder: Path, size_px: tuple[int, int], *, detailed: bool, samples: int, threads: int
) -> None:
    """One still of the empty site."""
    path = folder / (BACKGROUND if detailed else PLAIN)
    if path.exists():
        return
    stage = Stage(story, lens(story.camera, *size_px), samples=samples, threads=threads, detailed=detailed)
    still = folder / "still.exr"
    stage.render(still)
    np.save(path, exr.read(still).picture)
    still.unlink()


def render_frames(
    story: Story, folder: Path, size_px: tuple[int, int], body_data: Path, frames: Iterable[int],
    *, samples: int, threads: int, report: Report,
) -> None:  # fmt: skip
    """The frames that are not there yet. Needs both backgrounds."""
    view, cast = lens(story.camera, *size_px), actors(read_base_mesh(body_data), story)
    stage = Stage(story, view, samples=samples, threads=threads, detailed=False)
    numbers = {person.id: number for number, person in enumerate(story.people, 1)}
    for person in story.people:
        stage.add(numbers[person.id], person, cast[person.id], _REFLECTING.get(story.light.kind, 0.0))
    background, plain = np.load(folder / BACKGROUND), np.load(folder / PLAIN)
    shadows, headwear = sun_direction(story.light), {p.id: p.clothes.headwear for p in story.people}
    for frame in frames:
        record = folder / f"{frame:04d}.json"
        if record.exists():
            continue
        began_s, t_s = time.perf_counter(), frame / story.fps
        figures: dict[str, Figure] = {}
        boxes: list[Box] = []
        for name, actor in cast.items():
            figure = actor.at(t_s) if actor.path.present(t_s) else None
            box = _rectangle(figure, view, shadows) if figure else None
            stage.move(name, figure.meshes if figure and box else None)
            if figure and box:
                figures[name] = figure
                boxes.append(box)
        picture, visible = background.copy(), dict[tuple[int, str], truth.Mask]()
        for box in joined(boxes, worth_px=3000):
            x0, y0, x1, y1 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
            piece = folder / "piece.exr"
            stage.render(piece, (x0, y0, x1, y1))
            rendered = exr.read(piece)
            y1, x1 = y0 + rendered.picture.shape[0], x0 + rendered.picture.shape[1]
            cover = np.zeros(rendered.picture.shape[:2], np.float32)
            for key, part in rendered.coverage.items():
                cover += part
                mask = visible.setdefault(key, np.zeros((view.height_px, view.width_px), bool))
                mask[y0:y1, x0:x1] |= part > 0.5
            edges = (x0 > 0, y0 > 0, x1 < view.width_px, y1 < view.height_px)
            picture[y0:y1, x0:x1] = plates.compose(
                rendered.picture, np.clip(cover, 0, 1), plain[y0:y1, x0:x1], background[y0:y1, x0:x1], edges
            )
        people = []
        for name, figure in figures.items():
            actor, places = cast[name], {part: view.pixels(mesh) for part, mesh in figure.meshes.items()}
            faces = {part: mesh.faces for part, mesh in actor.worker.parts.items()}
            faces |= {
                part: hat.faces for part, hat in (("helmet", actor.worker.helmet), ("cap", actor.worker.cap)) if hat
            }
            on_body = [part for part in places if part != "helmet" or figure.helmet == "worn"]
            people.append(
                truth.person(
                    name, view, places,
                    {part: mask for (number, part), mask in visible.items() if number == numbers[name]},
                    head_vertices=actor.worker.head_vertices,
                    silhouette_px=covered_px([(places[p], faces[p]) for p in on_body], view.width_px, view.height_px),
                    helmet=figure.helmet, headwear=headwear[name], feet_m=figure.feet_m,
                )
            )  # fmt: skip
        if boxes:
            write_frame(folder, frame, picture, background)
        found = [one for one in people if one is not None]
        record.write_text(json.dumps({"frame": frame, "t": round(t_s, 3), "persons": found}), encoding="utf-8")
        report(f"frame {frame}: {len(found)} people, {time.perf_counter() - began_s:.1f} s")


def _rectangle(figure: Figure, view: Lens, sun: Vertices | None) -> Box | None:
    """Where the person and its shadow on the ground are in the picture."""
    meshes = list(figure.meshes.values())
    places = [view.pixels(mesh) for mesh in meshes]
    if sun is not None:
        places += [view.pixels(mesh - sun * (mesh[:, 2:3] / sun[2])) for mesh in meshes]
    left, top, right, bottom = box_around(np.vstack(places))
    # A person outside the picture may still throw its shadow into it.
    wide = (left - _MARGIN_PX[0], top - _MARGIN_PX[1], right + _MARGIN_PX[2], bottom + _MARGIN_PX[3])
    return within(wide, view.width_px, view.height_px)
