"""`python -m safetygear_scenes`: render stories, and make clips and truth of them; or `stills` to train on."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from safetygear_scenes.story import StoryError, read_story

SCENES = Path(__file__).parents[1]
NAMES = {"640x360": "360p", "1280x720": "720p"}
"""Of clips and their folders in the cache, by size in px."""
_BACKGROUND_SAMPLES = 32
"""It is rendered once for all frames."""


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["stills"]:
        from safetygear_scenes import stills

        return stills.main(arguments[1:], SCENES / ".cache")
    parser = argparse.ArgumentParser(prog="safetygear_scenes", description=__doc__)
    parser.add_argument("steps", choices=["background", "plain", "frames", "finish"], nargs="+")
    parser.add_argument("--story", type=Path, required=True, metavar="FILE.toml")
    parser.add_argument("--cache", type=Path, default=SCENES / ".cache", metavar="DIR")
    parser.add_argument("--body-data", type=Path, default=SCENES / ".cache" / "mpfb2", metavar="DIR")
    parser.add_argument("--size", choices=list(NAMES), default="640x360", help="width x height in px")
    parser.add_argument("--samples", type=int, default=6, help="per pixel, of the frames")
    parser.add_argument("--frames", metavar="FROM:TO[:STEP]", help="of the story; without it all")
    parser.add_argument("--crf", type=int, default=25, help="of the clip: lower is better and bigger")
    parser.add_argument("--b-frames", type=int, default=2, help="of the clip, one after the other; cameras send none")
    parser.add_argument("--out", type=Path, metavar="DIR", help="else clips at 640x360, and in the cache above that")
    given = parser.parse_args(arguments)
    try:
        story = read_story(given.story)
    except StoryError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    width, height = (int(side) for side in given.size.split("x"))
    size_px, size_name = (width, height), NAMES[given.size]
    folder = given.cache / f"{story.name}-{size_name}"
    out = given.out or (SCENES / "clips" if size_name == "360p" else given.cache / "clips")
    folder.mkdir(parents=True, exist_ok=True)
    frames = range(*(int(part) for part in given.frames.split(":"))) if given.frames else range(story.frame_count)

    def report(line: str) -> None:
        sys.stdout.write(f"{story.name} {size_name} {line}\n")
        sys.stdout.flush()

    for step in given.steps:
        if step == "finish":
            from safetygear_scenes.clip import finish

            finish(story, folder, out, size_px, report, crf=given.crf, b_frames=given.b_frames)
            continue
        # Only these need Blender.
        from safetygear_scenes.render import render_background, render_frames

        if step == "frames":
            render_frames(
                story, folder, size_px, given.body_data, frames, samples=given.samples, threads=1, report=report
            )
        else:
            detailed = step == "background"
            samples = _BACKGROUND_SAMPLES if detailed else given.samples
            render_background(story, folder, size_px, detailed=detailed, samples=samples, threads=1)
    sys.stdout.flush()
    # Blender's atexit handlers crash on some machines after everything is written.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
