"""Whether detectors take rendered people for people: `python tests/bench/bench_realism.py YOLOX_COCO.onnx`, JSON out.

Every fifth frame of each story. `coco`: a YOLOX trained on COCO alone (80 classes, person first), which has never seen
anything of ours: the share of people found at IoU .5 from its usual threshold on, of those above 60 px of whom at least
90 % is in the picture - all whose visible part is 60 % or more. `default`: the default detector's AP50 per class on the
same frames by `safetygear evaluate`, of all and by story. Neither is to be mixed with figures of real pictures.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear.geometry import as_xyxy, iou  # noqa: E402  # the path above
from safetygear_inference.detectors import open_model  # noqa: E402
from safetygear_inference.picture import Picture  # noqa: E402
from safetygear_workbench.cli.main import main as safetygear  # noqa: E402
from support import scenes  # noqa: E402
from support.coco_folder import CocoFolder, add_story, story_pictures  # noqa: E402

STEP = 5
LEAST_HEIGHT_PX, LEAST_VISIBLE, LEAST_IN_FRAME = 60, 0.6, 0.9


def coco_model(network: Path, folder: Path) -> Any:
    shutil.copy(network, folder / "coco.onnx")
    labels = ["person", *(f"class-{number}" for number in range(1, 80))]
    (folder / "coco.json").write_text(json.dumps({"format": "yolox", "labels": labels}))
    return open_model(folder / "coco.onnx").detector()


def people_found(detector: Any, name: str) -> dict[str, Any]:
    """Of one story: how many people there are to find, and which share of them is found."""
    story, seen, people = scenes.truth(name), 0, 0
    size = np.array([story["width"], story["height"]] * 2)
    for number, bgr in story_pictures(name, range(0, story["frame_count"], STEP)).items():
        boxes = detector.detect(Picture.from_bgr(bgr))
        persons = boxes.xyxy_norm[boxes.class_id == 0] * size
        clear = [person["box"] for person in story["frames"][number]["persons"] if _clear(person)]
        people += len(clear)
        overlap = iou(as_xyxy(clear), as_xyxy(persons))
        seen += int((overlap.max(axis=1) >= 0.5).sum()) if overlap.size else 0
    return {"people": people, "found": round(seen / people, 3)}


def figures(stories: list[str], folder: Path) -> dict[str, Any]:
    """The default detector's on the stories, by class."""
    into = CocoFolder(folder)
    for name in stories:
        add_story(into, name, range(0, scenes.truth(name)["frame_count"], STEP))
    data, out = into.close(), io.StringIO()
    given = ["--model", "default", "--data", str(data), "--images", str(folder), "--json"]
    with redirect_stdout(out):
        assert safetygear(["evaluate", *given]) == 0
    keys = ("ap50", "precision", "recall", "support")
    return {
        one["label"]: {key: None if one[key] is None else round(one[key], 3) for key in keys}
        for one in json.loads(out.getvalue())["classes"]
        if one["support"]
    }


def main(network: Path) -> None:
    names = scenes.names()
    with tempfile.TemporaryDirectory() as made:
        detector = coco_model(network, Path(made))
        found = {name: people_found(detector, name) for name in names}
        ours = figures(names, Path(made) / "all")
        by_story = {name: {k: v["ap50"] for k, v in figures([name], Path(made) / name).items()} for name in names}
    total = sum(one["people"] for one in found.values())
    share = sum(one["people"] * one["found"] for one in found.values()) / total
    shown = {"coco": found, "coco_all": round(share, 3), "default": ours, "default_ap50_by_story": by_story}
    print(json.dumps(shown, indent=1))


def _clear(person: dict[str, Any]) -> bool:
    height_px = person["box"][3] - person["box"][1]
    in_sight = person["visible_fraction"] >= LEAST_VISIBLE and person["in_frame"] >= LEAST_IN_FRAME
    return bool(height_px >= LEAST_HEIGHT_PX and in_sight)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
