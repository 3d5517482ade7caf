"""Which violations of the rendered stories become episodes, with true boxes and with the default detector's: JSON out.

`python tests/bench/bench_stories.py [FPS]`: each clip of scenes/clips at FPS (default 5) through tracking, wearing,
votes, zones and episodes, under the zones and the shift that its truth names and everything else at its default.
`right`, `again`, `false` and `missed` as in bench_events.py; only events that are due can be missed.
Once with the weak boxes, as live, and once without. No assertions.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import av

from safetygear_inference.config import VisibilityConfig
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.judging.weak_boxes import for_judging, none, split, thresholds_of
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture
from safetygear_inference.visibility import measure

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.judged_clip import perfect_boxes  # noqa: E402  # path
from support.rendered_stories import CLIPS, judged  # noqa: E402  # path


def story(path: Path, model: Model, fps: float) -> dict[str, Any]:
    """One clip, three times."""
    clip = json.loads(path.read_text())
    thresholds = thresholds_of({label: model.own_threshold(label) for label in model.labels}, {}, None)
    detector, shown_from = model.detector(thresholds=thresholds.asked), thresholds.shown_from(model.labels)
    step, limit = max(1, round(clip["fps"] / fps)), VisibilityConfig().dark_below
    true, live, without = [], [], []
    with av.open(str(path.parent / clip["video"])) as container:
        for frame, decoded in zip(clip["frames"], container.decode(video=0), strict=False):
            if frame["frame"] % step:
                continue
            picture = Picture.from_bgr(decoded.to_ndarray(format="bgr24"))
            dark = measure(picture.luma()).dark(limit)
            shown, weak = split(detector.detect(picture), shown_from)
            true.append((frame, perfect_boxes(clip, frame)[0], False))
            live.append((frame, for_judging(shown, weak, model.labels), dark))
            without.append((frame, for_judging(shown, none(), model.labels), dark))
    ways = {"true_boxes": true, "default_detector": live, "default_detector_without_weak_boxes": without}
    return {name: judged(clip, seen) for name, seen in ways.items()}


def main() -> None:
    fps = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    model = open_model(find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",)))
    stories = {path.name.partition(".")[0]: story(path, model, fps) for path in sorted(CLIPS.glob("*.truth.json"))}
    totals: dict[str, Counter[str]] = {}
    for ways in stories.values():
        for name, told in ways.items():
            totals.setdefault(name, Counter()).update(
                due=told["due"], right=told["right"], again=told["again"], false=len(told["false"]),
                missed=len(told["missed"]),
            )  # fmt: skip
    print(json.dumps({"fps": fps, "model": model.identity.version, "totals": totals, "stories": stories}, indent=1))


if __name__ == "__main__":
    main()
