"""Rendered frames and their truth to a clip and a truth file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np

from safetygear_scenes import events, look, truth
from safetygear_scenes.frames import BACKGROUND, read_frame
from safetygear_scenes.pictures import Picture, Pixels
from safetygear_scenes.story import Story

_KEY_EVERY_S = 2
_X264 = "scenecut=0:open-gop=0:colorprim=bt709:transfer=bt709:colormatrix=bt709"


def finish(
    story: Story,
    folder: Path,
    out: Path,
    size_px: tuple[int, int],
    report: Callable[[str], None],
    *,
    crf: int,
    b_frames: int,
) -> None:
    """`NAME-360p.mp4` and `.truth.json` into `out`. Every frame has to be rendered: raises OSError."""
    background: Picture = np.load(folder / BACKGROUND)
    out.mkdir(parents=True, exist_ok=True)
    clip = out / f"{folder.name}.mp4"
    found = clip_truth(story, folder, clip.name, size_px)
    pictures = (look.develop(read_frame(folder, n, background), story.light, n) for n in range(story.frame_count))
    encode(clip, pictures, story.fps, size_px, crf=crf, b_frames=b_frames)
    clip.with_suffix(".truth.json").write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    report(f"{clip.name}: {clip.stat().st_size / 1000:.0f} KB, {len(found['events'])} violations")


def clip_truth(story: Story, folder: Path, clip: str, size_px: tuple[int, int]) -> dict[str, Any]:
    """The whole truth file."""
    frames = [json.loads((folder / f"{number:04d}.json").read_bytes()) for number in range(story.frame_count)]
    for frame in frames:
        for person in frame["persons"]:
            person["zones"] = events.zones_of(person, story.zones)
    wears = {
        person.id: {
            "wears_vest": person.clothes.vest is not None,
            "helmet": person.helmet,
            "headwear": person.clothes.headwear,
        }
        for person in story.people
    }
    return {
        "video": clip,
        "story": story.name,
        "title": story.title,
        "use": story.use,
        "width": size_px[0],
        "height": size_px[1],
        "fps": story.fps,
        "frame_count": story.frame_count,
        "duration_s": story.frame_count / story.fps,
        "notes": truth.format_notes,
        "camera": msgspec.to_builtins(story.camera),
        "light": msgspec.to_builtins(story.light),
        "zones": msgspec.to_builtins(story.zones),
        "persons": {name: wears[name] | times for name, times in events.presence(frames, story.fps).items()},
        "events": events.rule_events(frames, story.zones, story.fps),
        "occlusion_s": events.occlusions(frames, story.fps),
        "frames": frames,
    }


def encode(
    path: Path, pictures: Iterable[Pixels], fps: int, size_px: tuple[int, int], *, crf: int, b_frames: int
) -> None:
    """H.264 with a key frame every 2 s. The same pictures give the same file."""
    every = _KEY_EVERY_S * fps
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size_px, "yuv420p"
        stream.codec_context.time_base, stream.codec_context.gop_size = Fraction(1, fps), every
        stream.codec_context.options = {
            "crf": str(crf), "preset": "slow", "profile": "high", "threads": "1",
            "x264-params": f"keyint={every}:min-keyint={every}:bframes={b_frames}:{_X264}",
        }  # fmt: skip
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
