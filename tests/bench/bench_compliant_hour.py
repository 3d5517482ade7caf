"""False events on an hour in which nobody breaks a rule: `python tests/bench/bench_compliant_hour.py [--minutes 60]`.

The rendered stories, each with a zone that its violators stay out of, in variations
(`support/compliant_footage.py`), as pictures at 5 analysed fps through the default detector and the judging that runs
live. JSON out: opens per camera-hour, each with its story, time and variation, and the most that may be meant by it.
`opens_with_the_whole_picture_as_zone` is the control: what the same boxes give where the violators are in the zone.
About seven minutes of one core for an hour of film.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear.clock import epoch_s  # noqa: E402  # the path above
from safetygear_inference.model_change.config import DEFAULT_MODEL  # noqa: E402
from support import scenes  # noqa: E402
from support.compliant_footage import ANALYSED_FPS, Play, Variation, plan  # noqa: E402
from support.watching import Watcher, opened  # noqa: E402

Pictures = Iterator[NDArray[np.uint8]]
NOISES = 8
UPPER_BOUND = 0.95


def film(play: Play) -> Pictures:
    """The story's analysed frames, BGR, as the variation has them."""
    story = scenes.truth(play.story)
    size_px = (story["width"], story["height"])
    with av.open(str(scenes.clip(play.story))) as container:
        chosen = (
            decoded.to_ndarray(format="bgr24")
            for number, decoded in enumerate(container.decode(video=0))
            if number >= play.variation.phase and (number - play.variation.phase) % (story["fps"] // ANALYSED_FPS) == 0
        )
        yield from compressed(altered(chosen, play.variation, size_px), size_px, play.variation.crf)


def altered(pictures: Iterable[NDArray[Any]], variation: Variation, size_px: tuple[int, int]) -> Pictures:
    width, height = size_px
    affine, draw = variation.affine(size_px), np.random.default_rng(round(variation.zoom * 1e6))
    levels = np.linspace(0, 1, 256)
    tints = np.array([1 - variation.warmth, 1.0, 1 + variation.warmth])
    table = 255 * np.clip(variation.gain * levels[:, None] ** variation.gamma * tints, 0, 1)
    tones = table.round().astype(np.uint8)[:, None, :]
    # A few fields of noise, moved about, are as good as a new one for each picture, at a tenth of the time.
    fields = draw.normal(0, variation.noise, (NOISES, height, width)).astype(np.int16)
    for picture in pictures:
        shown = cv2.warpAffine(
            picture, affine, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if variation.blur_px:
            shown = cv2.GaussianBlur(shown, (0, 0), variation.blur_px)
        shown = cv2.LUT(shown, tones)
        noise = np.roll(fields[draw.integers(NOISES)], tuple(draw.integers((height, width))), axis=(0, 1))
        yield np.asarray(cv2.add(shown, np.repeat(noise[..., None], 3, axis=2), dtype=cv2.CV_8U), np.uint8)


def compressed(pictures: Pictures, size_px: tuple[int, int], crf: int) -> Pictures:
    """Through H.264 and back, as a camera would send them."""
    sent = io.BytesIO()
    with av.open(sent, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=ANALYSED_FPS)
        stream.width, stream.height, stream.pix_fmt = *size_px, "yuv420p"
        stream.codec_context.time_base = Fraction(1, ANALYSED_FPS)
        stream.codec_context.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency", "threads": "1"}
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, ANALYSED_FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sent.seek(0)
    with av.open(sent) as container:
        for decoded in container.decode(video=0):
            yield decoded.to_ndarray(format="bgr24")


def measure(plays: list[Play], model: str) -> dict[str, Any]:
    watcher = Watcher(model)
    false, control, frames, different = list[str](), 0, 0, set[bytes]()
    for number, play in enumerate(plays, 1):
        seen = []
        for at, picture in enumerate(film(play)):
            different.add(hashlib.blake2b(picture.tobytes(), digest_size=16).digest())
            seen.append(watcher.see(at / ANALYSED_FPS, picture))
        frames += len(seen)
        zone = {"away": {"kind": "rule", "polygon": [list(point) for point in play.zone]}}
        for episode in opened(seen, watcher.labels, zone, scenes.MIDNIGHT_S):
            at_s = epoch_s(episode["openedAt"]) - scenes.MIDNIGHT_S
            false.append(f"{play.story} at {at_s:.1f} s: {episode['rule']} ({episode['reason']}); {play.variation}")
        control += len(opened(seen, watcher.labels, {}, scenes.MIDNIGHT_S))
        sys.stderr.write(f"\r{number} of {len(plays)} films, {len(false)} false, {control} in the control")
    hours = frames / ANALYSED_FPS / 3600
    return {
        "model": model,
        "camera_hours": round(hours, 3),
        "false_opens": len(false),
        "false_opens_per_camera_hour": round(len(false) / hours, 2),
        "at_most_per_camera_hour": round(_poisson_upper(len(false)) / hours, 2),
        "false": false,
        "films": len(plays),
        "frames": frames,
        "different_frames": len(different),
        "rendered_frames": sum(scenes.truth(name)["frame_count"] for name in {play.story for play in plays}),
        "person_minutes_compliant_in_zone": round(sum(play.inside_s for play in plays) / 60, 1),
        "person_minutes_violating_outside": round(sum(play.outside_s for play in plays) / 60, 1),
        "opens_with_the_whole_picture_as_zone": control,
    }


def _poisson_upper(count: int) -> float:
    """The greatest mean under which so few are still seen in one of twenty runs."""
    from scipy.stats import chi2

    return float(chi2.ppf(UPPER_BOUND, 2 * (count + 1)) / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model's name or a file")
    parser.add_argument("--story", action="append", help="only these; repeatable")
    given = parser.parse_args()
    stories = {name: scenes.truth(name) for name in given.story or scenes.names()}
    json.dump(measure(plan(stories, given.minutes, given.seed), given.model), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
