"""Whether detectors take rendered people for people: `python tests/bench/bench_realism.py YOLOX_COCO.onnx`, JSON out.

Every fifth frame of each story. `coco`: a YOLOX trained on COCO alone (80 classes, person first), which has never seen
anything of ours: the share of people found at IoU .5 from its usual threshold on, of those above 60 px of whom at least
90 % is in the picture - all whose visible part is 60 % or more. `default`: the default detector's AP50 per class on the
same frames by `safetygear evaluate`. Neither is to be mixed with figures of real pictures.
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

import av
import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from safetygear.geometry import as_xyxy, iou  # noqa: E402  # the path above
from safetygear_inference.detectors import open_model  # noqa: E402
from safetygear_inference.picture import Picture  # noqa: E402
from safetygear_workbench.cli.main import main as safetygear  # noqa: E402
from support import scenes  # noqa: E402

STEP = 5
LEAST_HEIGHT_PX, LEAST_VISIBLE, LEAST_IN_FRAME = 60, 0.6, 0.9
CLASSES = ("person", "helmet", "vest", "head", "no-vest")


def coco_model(network: Path, folder: Path) -> Any:
    shutil.copy(network, folder / "coco.onnx")
    labels = ["person", *(f"class-{number}" for number in range(1, 80))]
    (folder / "coco.json").write_text(json.dumps({"format": "yolox", "labels": labels}))
    return open_model(folder / "coco.onnx").detector()


def main(network: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        detector = coco_model(network, folder)
        images, annotations, found = [], [], {}
        for story_name in scenes.names():
            story = scenes.truth(story_name)
            seen = people = 0
            with av.open(str(scenes.clip(story_name))) as container:
                for frame, decoded in zip(story["frames"], container.decode(video=0), strict=False):
                    if frame["frame"] % STEP:
                        continue
                    bgr = decoded.to_ndarray(format="bgr24")
                    images.append({"id": len(images) + 1, "width": story["width"], "height": story["height"],
                                   "file_name": f"{story_name}-{frame['frame']}.png"})  # fmt: skip
                    cv2.imwrite(str(folder / images[-1]["file_name"]), bgr)
                    for label, (x0, y0, x1, y1) in scenes.rows(story, frame):
                        annotations.append(
                            {
                                "id": len(annotations) + 1,
                                "image_id": len(images),
                                "category_id": CLASSES.index(label) + 1,
                                "bbox": [x0, y0, x1 - x0, y1 - y0],
                                "area": (x1 - x0) * (y1 - y0),
                                "iscrowd": 0,
                            }
                        )
                    boxes = detector.detect(Picture.from_bgr(bgr))
                    persons = boxes.xyxy_norm[boxes.class_id == 0] * np.array([story["width"], story["height"]] * 2)
                    clear = [person["box"] for person in frame["persons"] if _clear(person)]
                    people += len(clear)
                    overlap = iou(as_xyxy(clear), as_xyxy(persons))
                    seen += int((overlap.max(axis=1) >= 0.5).sum()) if overlap.size else 0
            found[story_name] = {"people": people, "found": round(seen / people, 3)}
        data = {
            "images": images, "annotations": annotations,
            "categories": [{"id": number, "name": label} for number, label in enumerate(CLASSES, 1)],
        }  # fmt: skip
        (folder / "data.json").write_text(json.dumps(data))
        out = io.StringIO()
        with redirect_stdout(out):
            given = ["--model", "default", "--data", str(folder / "data.json"), "--images", name, "--json"]
            assert safetygear(["evaluate", *given]) == 0
        classes = {one["label"]: one for one in json.loads(out.getvalue())["classes"]}
    keys = ("ap50", "precision", "recall", "support")
    total = sum(one["people"] for one in found.values())
    share = sum(one["people"] * one["found"] for one in found.values()) / total
    ours = {label: {key: round(one[key], 3) for key in keys} for label, one in classes.items()}
    print(json.dumps({"coco": found, "coco_all": round(share, 3), "default": ours}, indent=1))


def _clear(person: dict[str, Any]) -> bool:
    height_px = person["box"][3] - person["box"][1]
    in_sight = person["visible_fraction"] >= LEAST_VISIBLE and person["in_frame"] >= LEAST_IN_FRAME
    return bool(height_px >= LEAST_HEIGHT_PX and in_sight)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
