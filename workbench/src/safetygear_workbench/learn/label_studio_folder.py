"""Examples as a folder for Label Studio: `tasks.json` with predictions, `labels.xml`, and `images/`.

The format: labelstud.io/guide/predictions (a prediction's boxes in percent of the picture) and
labelstud.io/guide/storage#Local-storage (where a task's picture lies).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from safetygear_workbench.learn.coco_folder import IMAGES, copy_pictures
from safetygear_workbench.learn.new_folder import new_folder
from safetygear_workbench.learn.stored_examples import StoredExample
from safetygear_workbench.learn.suggestions import Suggestion, Wishes, suggestions

TASKS, LABELS = "tasks.json", "labels.xml"
_BOXES, _PICTURE = "label", "image"
"""Names that the labelling configuration and the predictions must share."""
_LOCAL_FILES: Final = "/data/local-files/?d="


def label_studio_tasks(examples: Sequence[StoredExample], wishes: Wishes, pictures: str) -> list[dict[str, Any]]:
    """One task an example; `pictures`: what comes before a picture's name in its address. Pure."""
    return [_task(one, suggestions(one.example, wishes), pictures) for one in examples]


def labelling_configuration(labels: Sequence[str]) -> str:
    """Label Studio's XML for boxes with these labels. Pure."""
    rows = "\n".join(f"    <Label value={quoteattr(label)}/>" for label in labels)
    return (
        f'<View>\n  <Image name="{_PICTURE}" value="$image"/>\n'
        f'  <RectangleLabels name="{_BOXES}" toName="{_PICTURE}">\n{rows}\n  </RectangleLabels>\n</View>\n'
    )


def write_label_studio(
    folder: Path, examples: Sequence[StoredExample], wishes: Wishes, progress: Callable[[int, int], None]
) -> int:
    """Make `folder`; how many boxes it has. Raises UserError where it can't be written, or is there already."""
    # Label Studio serves local files below its document root, which is the folder's parent.
    tasks = label_studio_tasks(examples, wishes, f"{_LOCAL_FILES}{quote(f'{folder.resolve().name}/{IMAGES}/')}")
    labels = {wishes.names.get(label, label) for one in examples for label in one.example.labels}
    with new_folder(folder, "--label-studio") as scratch:
        copy_pictures(scratch / IMAGES, examples, progress)
        (scratch / TASKS).write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
        (scratch / LABELS).write_text(labelling_configuration(sorted(labels)), encoding="utf-8")
    return sum(len(prediction["result"]) for task in tasks for prediction in task["predictions"])


def _task(one: StoredExample, boxes: Sequence[Suggestion], pictures: str) -> dict[str, Any]:
    example = one.example
    prediction = {
        "model_version": f"{example.model.name} {example.model.version}".strip(),
        "score": example.score,
        "result": [_region(f"{number}", box, one) for number, box in enumerate(boxes, 1)],
    }
    data = {
        "image": f"{pictures}{one.picture.name}",
        "id": example.id,
        "camera": example.camera,
        "capturedAt": example.captured_at,
        "reasons": ", ".join(example.reasons),
    }
    return {"data": data, "predictions": [prediction]}


def _region(number: str, box: Suggestion, one: StoredExample) -> dict[str, Any]:
    sides = {"x": box.left, "y": box.top, "width": box.width, "height": box.height}
    percent = {name: round(side * 100, 4) for name, side in sides.items()}
    return {
        "id": number,
        "type": "rectanglelabels",
        "from_name": _BOXES,
        "to_name": _PICTURE,
        "original_width": one.example.picture.width,
        "original_height": one.example.picture.height,
        "image_rotation": 0,
        "value": {**percent, "rotation": 0, "rectanglelabels": [box.tag]},
        "score": box.probability,
    }
