"""`python -m safetygear_scenes`: render stories, and make clips and truth of what is rendered."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from safetygear_scenes.story import StoryError, read_story

SCENES = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_scenes", description=__doc__)
    parser.add_argument("steps", choices=["background", "plain", "frames", "finish"], nargs="+")
    parser.add_argument("--story", type=Path, required=True, metavar="FILE.toml")
    parser.add_argument("--cache", type=Path, default=SCENES / ".cache", metavar="DIR")
    parser.add_argument("--body-data", type=Path, default=SCENES / ".cache" / "mpfb2", metavar="DIR")
    parser.add_argument("--size", choices=["360p", "720p"], default="360p")
    parser.add_argument("--samples", type=int, default=6, help="per pixel, of the frames")
    parser.add_argument("--frames", metavar="FROM:TO[:STEP]", help="of the story; without it all")
    parser.add_argument("--crf", type=int, default=25, help="of the clip: lower is better and bigger")
    parser.add_argument("--out", type=Path, default=SCENES / "clips", metavar="DIR")
    given = parser.parse_args(arguments)
    try:
        story = read_story(given.story)
    except StoryError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    size_px = (640, 360) if given.size == "360p" else (1280, 720)
    folder = given.cache / f"{story.name}-{given.size}"
    folder.mkdir(parents=True, exist_ok=True)
    frames = range(*(int(part) for part in given.frames.split(":"))) if given.frames else range(story.frame_count)

    def report(line: str) -> None:
        sys.stdout.write(f"{story.name} {given.size} {line}\n")
        sys.stdout.flush()

    for step in given.steps:
        if step == "finish":
            from safetygear_scenes.clip import finish

            finish(story, folder, given.out, size_px, given.crf, report)
            continue
        # Only these need Blender.
        from safetygear_scenes.render import render_background, render_frames

        if step == "frames":
            render_frames(
                story, folder, size_px, given.body_data, frames, samples=given.samples, threads=1, report=report
            )
        else:
            render_background(story, folder, size_px, detailed=step == "background", samples=given.samples, threads=1)
    sys.stdout.flush()
    # Blender's atexit handlers crash on some machines after everything is written.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
