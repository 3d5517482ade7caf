"""`python -m safetygear_scenes stills`: pictures to train on, of scenes drawn at random, with their truth.

Into the folder: `NAME.json`, COCO detection JSON, and the pictures in `NAME/`. What is rendered is not rendered again;
the listing is of all scenes from the first number to the last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from safetygear_scenes import coco, look
from safetygear_scenes.drawn_scene import draw, frames
from safetygear_scenes.frames import BACKGROUND, read_frame
from safetygear_scenes.story import Story

SIZE_PX = (640, 360)
_BACKGROUND_SAMPLES = 10
_QUALITY = (72, 95)
"""Of the JPEGs: cameras differ."""


def main(arguments: list[str], cache: Path) -> int:
    """Returns 2 where the arguments are wrong; else ends the process when all is written."""
    parser = argparse.ArgumentParser(prog="safetygear_scenes stills", description=__doc__)
    parser.add_argument("--scenes", required=True, metavar="FROM:TO", help="numbers, TO excluded; 8 stills each")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", default="rendered_train", help="of the listing and its folder of pictures")
    parser.add_argument("--cache", type=Path, default=cache, metavar="DIR")
    parser.add_argument("--body-data", type=Path, default=cache / "mpfb2", metavar="DIR")
    parser.add_argument("--samples", type=int, default=6, help="per pixel, of what is not in the cache yet")
    given = parser.parse_args(arguments)
    try:
        stories = [draw(number) for number in _numbers(given.scenes)]
    except ValueError as error:
        sys.stderr.write(f"--scenes {given.scenes}: {error}; it takes FROM:TO, such as 0:20\n")
        return 2
    pictures = []
    for story in stories:
        folder = given.cache / f"{story.name}-360p"
        render(story, folder, given.body_data, given.samples)
        pictures += write_pictures(story, folder, given.out, given.name)
    found = coco.listing(pictures, SIZE_PX)
    (given.out / f"{given.name}.json").write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    objects = Counter(coco.CLASSES[one["category_id"] - 1] for one in found["annotations"] if not one["iscrowd"])
    counts = ", ".join(f"{objects[name]} {name}" for name in coco.CLASSES)
    report(f"{given.name}: {len(pictures)} pictures, {counts}")
    # Blender's atexit handlers crash on some machines after everything is written.
    os._exit(0)


def _numbers(given: str) -> range:
    first, colon, end = given.partition(":")
    found = range(int(first), int(end)) if colon else range(0)
    if not found:
        raise ValueError("no scenes")
    return found


def render(story: Story, folder: Path, body_data: Path, samples: int) -> None:
    """The scene's stills into the cache, where they are not there yet."""
    if all((folder / f"{number:04d}.json").exists() for number in frames()):
        return
    from safetygear_scenes.render import render_background, render_frames  # only this needs Blender

    folder.mkdir(parents=True, exist_ok=True)
    for detailed in (True, False):
        render_background(
            story, folder, SIZE_PX, detailed=detailed, samples=_BACKGROUND_SAMPLES if detailed else samples, threads=1
        )
    render_frames(
        story, folder, SIZE_PX, body_data, frames(), samples=samples, threads=1,
        report=lambda line: report(f"{story.name} {line}"),
    )  # fmt: skip


def write_pictures(story: Story, folder: Path, out: Path, name: str) -> list[tuple[str, list[dict[str, object]]]]:
    """As JPEG. Returns file names relative to `out` with the people's records; stills without anybody are left out."""
    from PIL import Image  # of the scenes' own environment

    background, pictures = np.load(folder / BACKGROUND), []
    (out / name).mkdir(parents=True, exist_ok=True)
    for number in frames():
        people = json.loads((folder / f"{number:04d}.json").read_bytes())["persons"]
        if not people:
            continue
        chance = np.random.default_rng((story.site_seed, number))
        pixels = look.develop(read_frame(folder, number, background), story.light, int(chance.integers(2**31)))
        file_name = f"{name}/{story.name}-{number:04d}.jpg"
        Image.fromarray(pixels).save(out / file_name, quality=int(chance.integers(*_QUALITY)))
        pictures.append((file_name, people))
    return pictures


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
