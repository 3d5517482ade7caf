"""Whether an optimisation loses an event: `python tests/bench/bench_recall.py [STORY …]`, a table; `--json` for JSON.

The rendered stories through the detector and the judging that runs live, once for each row of VARIANTS, in one run: the
float network as it is (the base), int8, OpenVINO where the extra is installed, JPEG in the message instead of the ring,
other rates. `due`: violations that can be judged for long enough; `told` of them, and opened `falsely`. What is done to
frames before they reach the detector (motion gate, key frames) is in bench_cheap_frames.py, the second look in
bench_scenes.py; another optimisation of the detection gets a row here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear_capture.jpeg_encoder import JpegEncoder  # noqa: E402  # the path above
from safetygear_capture.source import Planes  # noqa: E402
from safetygear_inference.detectors.runtimes.choice import Runtime  # noqa: E402
from safetygear_inference.detectors.runtimes.openvino import openvino_version  # noqa: E402
from safetygear_inference.model_change.config import DEFAULT_MODEL  # noqa: E402
from safetygear_inference.picture import Picture  # noqa: E402
from safetygear_inference.pixels import decode_jpeg  # noqa: E402
from safetygear_workbench.bench.planes import planes_of  # noqa: E402
from support import scenes  # noqa: E402
from support.watching import Watcher, opened  # noqa: E402

Handed = Callable[[Picture], Picture]


def through_ring(picture: Picture) -> Picture:
    return picture


def through_jpeg(picture: Picture) -> Picture:
    """As capture encodes it and inference decodes it."""
    planes = Planes(picture.planes, "i420")
    return decode_jpeg(JpegEncoder().encode(planes, picture.width, picture.height))


@dataclass(frozen=True)
class Variant:
    """One way to look at the stories."""

    name: str
    fps: int = 5
    model: str = DEFAULT_MODEL
    runtime: Runtime = "onnxruntime"
    handed: Handed = through_ring


INT8 = f"{DEFAULT_MODEL}_int8"
VARIANTS = (
    Variant("float, ONNX Runtime, ring"),
    Variant("int8", model=INT8),
    Variant("OpenVINO", runtime="openvino"),
    Variant("OpenVINO, int8", model=INT8, runtime="openvino"),
    Variant("JPEG in the message", handed=through_jpeg),
    Variant("2 fps", fps=2),
    Variant("10 fps", fps=10),
    Variant("int8, 2 fps", fps=2, model=INT8),
)


def pictures(story: dict[str, Any], name: str, fps: int) -> Iterator[tuple[float, Picture]]:
    """Seconds and I420 planes, as they lie in the ring."""
    with av.open(str(scenes.clip(name))) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % (story["fps"] // fps) == 0:
                planes = tuple(np.ascontiguousarray(plane) for plane in planes_of(frame))
                yield number / story["fps"], Picture(planes, frame.width, frame.height, "i420")


def score(stories: Sequence[str], variant: Variant) -> dict[str, Any]:
    watcher, found = Watcher(variant.model, runtime=variant.runtime), scenes.SceneScore()
    for name in stories:
        story, began_s = scenes.truth(name), scenes.start_s(scenes.truth(name))
        seen = [watcher.look(t_s, variant.handed(one)) for t_s, one in pictures(story, name, variant.fps)]
        found.take(name, story, opened(seen, watcher.labels, scenes.zones(story), began_s), began_s)
    return found.as_json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stories", nargs="*")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    stories, results = given.stories or scenes.names(), {}
    for variant in VARIANTS:
        if variant.runtime == "openvino" and openvino_version() is None:
            results[variant.name] = None
        else:
            results[variant.name] = score(stories, variant)
    if given.json:
        json.dump({"stories": stories, "variants": results}, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    table = Table("variant", "due", "told", "falsely", "told again", "opened after p50, s", "missed")
    for name, one in results.items():
        if one is None:
            table.add_row(name, "-", "-", "-", "-", "-", "the optional extra `openvino` is not installed")
            continue
        counts = [one["due"], one["right"], len(one["false"]), len(one["again"]), one["open_delay_s"].get("p50", "-")]
        table.add_row(name, *map(str, counts), ", ".join(one["missed"]) or "none")
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
